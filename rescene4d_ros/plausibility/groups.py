"""Groups of points that empty space parts: stray points, and what stands free in a room."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MAX_CELLS = 40_000_000  # of a grid; larger clouds get larger cells
TOUCHING = np.ones((3, 3, 3), dtype=bool)


def label_groups(xyz: np.ndarray, cell: float) -> tuple[np.ndarray, int]:
    """
    Give each group of points that empty cells part a number.

    Parameters
    ----------
    xyz : ndarray (N, 3), m
    cell : float, m
        Cells that touch, also at corners, are one group.

    Returns
    -------
    ndarray (N,), int64
        Group of each point, from 0.
    int
        Number of groups.

    """
    if len(xyz) == 0:
        return np.zeros(0, np.int64), 0
    low = xyz.min(0).astype(np.float64)
    while True:
        cells = np.floor((xyz - low) / cell).astype(np.int64)
        shape = cells.max(0) + 1
        if np.prod(shape.astype(np.float64)) <= MAX_CELLS:
            break
        cell *= 2
    grid = np.zeros(tuple(shape), dtype=bool)
    grid[tuple(cells.T)] = True
    labels, count = ndimage.label(grid, TOUCHING)
    return labels[tuple(cells.T)].astype(np.int64) - 1, count
