"""Boxes as line segments, and which box a ray hits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.structures import Box
from rescene4d_ros.view.outlines import corners_in_map, EDGES

CROSS = ((0, 6), (1, 7))
DASH = 0.08  # m
IN_FRONT = 0.4  # m; a smaller box this little behind the first one is meant


def edges(box: Box, is_dashed: bool = False, is_crossed: bool = False) -> np.ndarray:
    """Return the (M, 2, 3) segments of the edges of a box in map, m."""
    at = corners_in_map(box)
    lines = at[np.array(EDGES)]
    if is_dashed:
        lines = np.concatenate([_dashes(start, end) for start, end in lines])
    return np.concatenate([lines, at[np.array(CROSS)]]) if is_crossed else lines


def _dashes(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    count = max(1, int(np.linalg.norm(end - start) / (2 * DASH)))
    at = start + (end - start) * (np.arange(2 * count) / (2 * count - 1 or 1))[:, None]
    return at.reshape(count, 2, 3)


def hit(boxes: Sequence[Box], origin: np.ndarray, direction: np.ndarray) -> int | None:
    """
    Return which box a ray hits first; a smaller one just behind it wins.

    Parameters
    ----------
    boxes : sequence of Box
    origin : ndarray (3,), m, in map
    direction : ndarray (3,)
        Any length but 0.

    Returns
    -------
    int or None
        Position in `boxes`; boxes around the origin are not hit.

    """
    found = []
    for k, box in enumerate(boxes):
        entry = _entry(box, np.asarray(origin, float), np.asarray(direction, float))
        if entry is not None:
            found.append((entry, float(np.prod(box.size)), k))
    if not found:
        return None
    first = min(entry for entry, _, _ in found)
    return min((volume, k) for entry, volume, k in found if entry <= first + IN_FRONT)[1]


def _entry(box: Box, origin: np.ndarray, direction: np.ndarray) -> float | None:
    """Return at which distance (m) a ray enters a box; None where it does not."""
    turn = box.map_T_box[:3, :3]
    start, along = (origin - box.center) @ turn, direction / np.linalg.norm(direction) @ turn
    half = np.asarray(box.size) / 2
    along = np.where(np.abs(along) < 1e-12, 1e-12, along)
    ends = np.sort(np.array([(-half - start) / along, (half - start) / along]), axis=0)
    enter, leave = float(ends[0].max()), float(ends[1].min())
    return enter if 0 < enter <= leave else None
