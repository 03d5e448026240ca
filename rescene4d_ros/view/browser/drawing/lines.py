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
        lines = _dashes(lines)
    return np.concatenate([lines, at[np.array(CROSS)]]) if is_crossed else lines


def _dashes(lines: np.ndarray) -> np.ndarray:
    """Return the dashes (M, 2, 3) of some lines (N, 2, 3); as many gaps, less one, per line."""
    along = lines[:, 1] - lines[:, 0]
    count = np.maximum(1, (np.linalg.norm(along, axis=1) / (2 * DASH)).astype(int))
    line = np.repeat(np.arange(len(lines)), count)
    k = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    ends = (2 * k[:, None] + (0, 1)) / (2 * count[line, None] - 1)
    return lines[line, None, 0] + along[line, None] * ends[:, :, None]


def dots(box: Box) -> np.ndarray:
    """Return (N, 3) points in map, m, along the edges of a box: lines cost a browser far more."""
    lines = _dashes(corners_in_map(box)[np.array(EDGES)])
    return lines.mean(axis=1)


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
