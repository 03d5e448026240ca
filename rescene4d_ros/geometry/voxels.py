"""Voxelization on an absolute grid: a place has the same cell at every visit."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.errors import ScanError


def voxelize(xyz: np.ndarray, voxel_size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Find the occupied cells of the grid floor(xyz / voxel_size).

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m
        All finite.
    voxel_size : float, m

    Returns
    -------
    coords : ndarray (V, 3), int64
        Unique cells, sorted by x, then y, then z.
    inverse : ndarray (N,), int64
        Row in `coords` of each point.
    first : ndarray (V,), int64
        First point of each cell.

    Raises
    ------
    ScanError
        The extent of the points is too large for the grid.

    """
    if len(xyz) == 0:
        none = np.zeros(0, dtype=np.int64)
        return np.zeros((0, 3), dtype=np.int64), none, none
    cells = np.floor(np.asarray(xyz, dtype=np.float64) / voxel_size)
    low = cells.min(axis=0)
    span = cells.max(axis=0) - low + 1
    if not np.prod(span) < 2**62:
        raise ScanError(
            'voxel grid: expected points within one place, got an extent of '
            f'{span * voxel_size} m at {voxel_size} m per voxel; remove outliers'
        )
    nx, ny, nz = span.astype(np.int64)
    c = (cells - low).astype(np.int64)
    keys = (c[:, 0] * ny + c[:, 1]) * nz + c[:, 2]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return cells[first].astype(np.int64), inverse.astype(np.int64), first.astype(np.int64)
