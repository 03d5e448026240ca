"""Point sets: cells of an absolute grid, thinning, neighbors."""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np
from rescene4d_ros.errors import ScanError
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

# Tolerances for points of two views on one surface, m. Set by hand: larger than the noise of a
# scan and the error of its registration, smaller than furniture. Sensitivity: see
# `tracking.thresholds`.
SAME_SURFACE = 0.05  # two points within this distance show one surface
FITTED_SURFACE = 0.04  # the same after the best motion of a view, which takes registration out
SQUARE_POINTS = 10  # fewer in a square meter are no floor that was visited
TWO_STOREYS = 4.0  # m; lower clouds hold one storey
PART_SLACK = 0.05  # by which a part may reach beyond its whole

TABLE_CELLS = 1 << 24  # of a grid; up to here a table of all cells takes less time than sorting


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
    cell = [np.floor(xyz[:, k].astype(np.float64) / spacing).astype(np.int64) for k in range(3)]
    cell = [axis - axis.min() for axis in cell]
    key = (cell[0] * (cell[1].max() + 1) + cell[1]) * (cell[2].max() + 1) + cell[2]
    chosen = _first_of_each(key)
    return chosen if limit is None else chosen[evenly(len(chosen), limit)]


def _first_of_each(key: np.ndarray) -> np.ndarray:
    """Return the position of the first point of each key (N,), int64, rising."""
    if key.min() < 0 or key.max() >= TABLE_CELLS:
        return np.sort(np.unique(key, return_index=True)[1])
    position = np.arange(len(key), dtype=np.int32)
    first = np.empty(key.max() + 1, dtype=np.int32)
    first[key[::-1]] = position[::-1]  # of equal keys the last one written stays
    return np.flatnonzero(first[key] == position)


def evenly(n: int, limit: int) -> np.ndarray:
    """Choose at most `limit` of `n` indices, evenly spread and deterministic."""
    if n <= limit:
        return np.arange(n)
    chosen = (np.arange(limit) * ((n - 1) / max(limit - 1, 1))).astype(np.int64)
    chosen[1:][-1:] = n - 1  # as np.linspace does, which takes four times as long
    return chosen


def thinned(sets: Sequence[np.ndarray], limit: int) -> list[np.ndarray]:
    """Return at most `limit` rows of each array, chosen as by `evenly`."""
    return [rows[evenly(len(rows), limit)] for rows in sets]


def covers_more(clouds: Sequence[np.ndarray], area: float) -> bool:
    """
    Say whether clouds of one map cover more than some area of floor together.

    Parameters
    ----------
    clouds : sequence of ndarray (N, 3), float, m, in map
    area : float, m^2
        Compared with the number of squares of 1 m, of each storey, that hold at least
        `SQUARE_POINTS` points of one cloud: what a few rays met through a window is no floor.

    """
    known = [xyz for xyz in clouds if len(xyz)]
    if not known:
        return False
    borders = _borders(known)
    low = np.min([np.floor(xyz[:, :2].min(axis=0)) for xyz in known], axis=0)
    high = np.max([np.floor(xyz[:, :2].max(axis=0)) for xyz in known], axis=0)
    size = (*(high - low + 1).astype(np.int64).tolist(), len(borders) + 1)
    if math.prod(size) <= area:
        return False
    found = [_visited(xyz, low, size, borders) for xyz in known]
    return bool(len(np.unique(np.concatenate(found))) > area)


def _borders(clouds: Sequence[np.ndarray]) -> tuple[float, ...]:
    """Return the heights between storeys; none, without looking for them, of low clouds."""
    heights = [(xyz[:, 2].min(), xyz[:, 2].max()) for xyz in clouds]
    if max(high for _, high in heights) - min(low for low, _ in heights) < TWO_STOREYS:
        return ()
    from rescene4d_ros.geometry.floor.storeys import storey_borders

    return storey_borders(clouds)


def _visited(
    xyz: np.ndarray, low: np.ndarray, size: Sequence[int], borders: Sequence[float]
) -> np.ndarray:
    """Return the squares of 1 m (K,), int64, of all storeys that hold enough points."""
    square = np.searchsorted(np.asarray(borders), xyz[:, 2], side='right')
    for k in (0, 1):
        square += (np.floor(xyz[:, k]) - low[k]).astype(np.int64) * math.prod(size[k + 1 :])
    if math.prod(size) > TABLE_CELLS:
        squares, counts = np.unique(square, return_counts=True)
        return squares[counts >= SQUARE_POINTS]
    return np.flatnonzero(np.bincount(square) >= SQUARE_POINTS)


def quick_tree(xyz: np.ndarray) -> cKDTree:
    """Return a search tree that is fast to build rather than to search."""
    return cKDTree(xyz, leafsize=32, compact_nodes=False, balanced_tree=False)


def near(tree: cKDTree, xyz: np.ndarray, radius: float) -> np.ndarray:
    """Return, per point of `xyz`, whether the tree has a point within `radius` metres."""
    if len(xyz) == 0 or tree.n == 0:
        return np.zeros(len(xyz), dtype=bool)
    return np.isfinite(tree.query(xyz, distance_upper_bound=radius)[0])


def share_near(tree: cKDTree, xyz: np.ndarray, radius: float, limit: int | None = None) -> float:
    """Return the share of `xyz` (of at most `limit`) within `radius` m of the tree; 0 if none."""
    asked = xyz if limit is None else xyz[evenly(len(xyz), limit)]
    return float(near(tree, asked, radius).mean()) if len(xyz) else 0.0


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
    return (share_near(other_tree, one, radius, limit), share_near(one_tree, other, radius, limit))


def largest_patch(xyz: np.ndarray, radius: float) -> int:
    """Return the size of the largest set of points (N, 3) joined by steps of `radius` m."""
    if len(xyz) == 0:
        return 0
    i, j = cKDTree(xyz).query_pairs(radius, output_type='ndarray').T
    steps = coo_matrix((np.ones(len(i), dtype=bool), (i, j)), shape=(len(xyz), len(xyz)))
    return int(np.bincount(connected_components(steps, directed=False)[1]).max())
