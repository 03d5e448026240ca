"""Thinning of point sets, and the share of one set on another."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


def thin(xyz: np.ndarray, spacing: float, limit: int | None = None) -> np.ndarray:
    """
    Choose one point per cube of a fixed grid: the first one in the order given.

    The grid starts at the map's origin, so equal clouds are thinned equally at every visit.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m
    spacing : float, m
        Edge of a cube.
    limit : int, optional
        Largest number of points; evenly reduced.

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
    chosen = np.sort(np.unique(key, return_index=True)[1])
    return chosen if limit is None else chosen[evenly(len(chosen), limit)]


def evenly(n: int, limit: int) -> np.ndarray:
    """Choose at most `limit` of `n` indices, evenly spread and deterministic."""
    if n <= limit:
        return np.arange(n)
    chosen = (np.arange(limit) * ((n - 1) / max(limit - 1, 1))).astype(np.int64)
    chosen[1:][-1:] = n - 1  # as np.linspace does, which takes four times as long
    return chosen


def quick_tree(xyz: np.ndarray) -> cKDTree:
    """Return a search tree that is fast to build rather than to search."""
    return cKDTree(xyz, leafsize=32, compact_nodes=False, balanced_tree=False)


def near(tree: cKDTree, xyz: np.ndarray, radius: float) -> np.ndarray:
    """Return, per point of `xyz`, whether the tree has a point within `radius` metres."""
    if len(xyz) == 0 or tree.n == 0:
        return np.zeros(len(xyz), dtype=bool)
    return np.isfinite(tree.query(xyz, distance_upper_bound=radius)[0])


def share_near(tree: cKDTree, xyz: np.ndarray, radius: float) -> float:
    """Return the share of `xyz` that lies within `radius` metres of the tree; 0 if empty."""
    return float(near(tree, xyz, radius).mean()) if len(xyz) else 0.0


def mutual_shares(
    one: np.ndarray,
    one_tree: cKDTree,
    other: np.ndarray,
    other_tree: cKDTree,
    radius: float,
    limit: int,
) -> tuple[float, float]:
    """
    Return the shares of two point sets that lie on each other.

    Parameters
    ----------
    one, other : ndarray (N, 3), (M, 3), m
    one_tree, other_tree : cKDTree
        Over all their points.
    radius : float, m
    limit : int
        Largest number of query points of each set, evenly chosen.

    """
    return (
        share_near(other_tree, one[evenly(len(one), limit)], radius),
        share_near(one_tree, other[evenly(len(other), limit)], radius),
    )


def largest_patch(xyz: np.ndarray, radius: float) -> int:
    """Return the size of the largest set of points (N, 3) joined by steps of `radius` m."""
    if len(xyz) == 0:
        return 0
    i, j = cKDTree(xyz).query_pairs(radius, output_type='ndarray').T
    steps = coo_matrix((np.ones(len(i), dtype=bool), (i, j)), shape=(len(xyz), len(xyz)))
    return int(np.bincount(connected_components(steps, directed=False)[1]).max())
