"""Thinning of point sets and the share of one set that lies on another."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


def thin(xyz: np.ndarray, spacing: float) -> np.ndarray:
    """
    Choose one point per cube of a fixed grid: the first one in the order given.

    The grid starts at the map's origin, so equal clouds are thinned equally at every visit.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m
    spacing : float, m
        Edge of a cube.

    Returns
    -------
    ndarray (M,), int64
        Positions in `xyz`, rising.

    """
    if len(xyz) == 0:
        return np.zeros(0, dtype=np.int64)
    cell = np.floor(np.asarray(xyz, dtype=np.float64) / spacing).astype(np.int64)
    cell -= cell.min(0)
    extent = cell.max(0) + 1
    key = (cell[:, 0] * extent[1] + cell[:, 1]) * extent[2] + cell[:, 2]
    return np.sort(np.unique(key, return_index=True)[1])


def evenly(n: int, limit: int) -> np.ndarray:
    """Choose at most `limit` of `n` positions, evenly spread, always the same ones."""
    if n <= limit:
        return np.arange(n)
    chosen = (np.arange(limit) * ((n - 1) / max(limit - 1, 1))).astype(np.int64)
    chosen[1:][-1:] = n - 1  # as np.linspace does, which takes four times as long
    return chosen


def quick_tree(xyz: np.ndarray) -> cKDTree:
    """Return a search tree that is built quickly rather than searched quickly."""
    return cKDTree(xyz, leafsize=32, compact_nodes=False, balanced_tree=False)


def near(tree: cKDTree, xyz: np.ndarray, radius: float) -> np.ndarray:
    """Return, per point of `xyz`, whether the tree has a point within `radius` metres."""
    if len(xyz) == 0 or tree.n == 0:
        return np.zeros(len(xyz), dtype=bool)
    return np.isfinite(tree.query(xyz, distance_upper_bound=radius)[0])


def share_near(tree: cKDTree, xyz: np.ndarray, radius: float) -> float:
    """Return the share of `xyz` that lies within `radius` metres of the tree; 0 if empty."""
    return float(near(tree, xyz, radius).mean()) if len(xyz) else 0.0


def largest_patch(xyz: np.ndarray, radius: float) -> int:
    """Return the size of the largest set of points (N, 3) joined by steps of `radius` m."""
    if len(xyz) == 0:
        return 0
    i, j = cKDTree(xyz).query_pairs(radius, output_type='ndarray').T
    steps = coo_matrix((np.ones(len(i), dtype=bool), (i, j)), shape=(len(xyz), len(xyz)))
    return int(np.bincount(connected_components(steps, directed=False)[1]).max())
