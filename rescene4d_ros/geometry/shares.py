"""How much of many point sets lies on other surfaces, asked all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.geometry.surface import answers, PRODUCT, questions, Surface


def shares_near(
    asked: Sequence[np.ndarray], surfaces: Sequence[Surface], radius: float
) -> np.ndarray:
    """
    Return the share of each point set that lies near its surface.

    What `Surface.share_of` returns for each. A room has hundreds of such questions of some
    hundred points, for which to prepare them one by one takes longer than to answer them.

    Parameters
    ----------
    asked : sequence of P ndarrays (N_p, 3), float32, m, in map
    surfaces : sequence of P Surfaces
        Points p are asked for on surface p.
    radius : float, m

    Returns
    -------
    ndarray (P,), float64
        0 of no points.

    """
    if not asked:
        return np.zeros(0)
    counts = np.array([len(xyz) for xyz in asked])
    sizes = np.array([len(surface.xyz) for surface in surfaces])
    middles = np.array([surface.limits for surface in surfaces]).mean(1)
    centered = np.concatenate(asked) - np.repeat(middles, counts, axis=0)
    asking = questions(np.ascontiguousarray(centered.T))
    known_ends = np.cumsum(sizes).tolist()
    points = np.empty((3, known_ends[-1]), dtype=np.float32)
    for surface, middle, size, end in zip(surfaces, middles[:, :, None], sizes, known_ends):
        np.subtract(surface.columns, middle, out=points[:, end - size : end])
    known = answers(points)
    squared = np.empty(len(asking), dtype=np.float32)
    start = known_start = 0
    for end, known_end in zip(np.cumsum(counts).tolist(), known_ends):
        height = max(PRODUCT // (5 * (known_end - known_start)), 1)
        for row in range(start, end, height):
            part = slice(row, min(row + height, end))
            squared[part] = (asking[part] @ known[:, known_start:known_end]).min(1)
        start, known_start = end, known_end
    whose = np.repeat(np.arange(len(asked)), counts)
    near = np.bincount(whose, squared < np.float32(radius) ** 2, minlength=len(asked))
    return near / np.maximum(counts, 1)
