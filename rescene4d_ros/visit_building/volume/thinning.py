"""
Choose the points of a visit: without remains of what moved, thin, and one per voxel.

A wall that noise spreads over several voxels becomes one layer of them: scans on which networks
are trained come from fused distance fields, which do the same.
"""

from __future__ import annotations

import itertools

import numpy as np
from rescene4d_ros.visit_building.posed_clouds import BITS, voxel_keys
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

CELL = 2  # voxels; edge of the cells whose points, with those of 26 neighbors, make a plane
FLAT = 0.12  # largest variance across a plane, as a share of the middle one; of edges 0.25
PASSES = 2  # the first makes planes clearer for the second
LEAST = 8  # voxels that a plane is made of
FARTHEST = 1.5  # voxels; what a point moves at most
NEIGHBORS = np.array(
    [(x << 2 * BITS) + (y << BITS) + z for x, y, z in itertools.product((-1, 0, 1), repeat=3)]
)
AMID = 0.15  # m; edge of the cells, of which a voxel's and those around it are looked at
MOST = 0.2  # share of the voxels in these that were looked through
FEW = 8  # keyframes; what was hit in more stays
APART = 0.1  # m; edge of the cells by which what hangs together is one piece
BESIDE = 0.3  # m; around a piece that hangs in the air, where what it is left of was


def with_remains(xyz: np.ndarray, hits: np.ndarray, through: np.ndarray) -> np.ndarray:
    """
    Add what lies amid voxels that were looked through: of a person, that is only a part of them.

    Parameters
    ----------
    xyz : ndarray (V, 3), float32, m
    hits : ndarray (V,), int
        Keyframes that measured each voxel.
    through : ndarray (V,), bool

    Returns
    -------
    ndarray (V,), bool

    """
    keys, cell = np.unique(voxel_keys(xyz, AMID), return_inverse=True)
    for _ in range(2):  # the second time, amid what the first one added
        columns = np.stack([np.bincount(cell, w, len(keys)) for w in (None, through)], axis=1)
        around = _sums_around(keys, columns)
        share = (around[:, 1] / around[:, 0])[cell]
        through = through | ((share > MOST) & (hits <= FEW))
    return through


def hanging(
    xyz: np.ndarray, hits: np.ndarray, is_kept: np.ndarray, remains: np.ndarray
) -> np.ndarray:
    """
    Find pieces in the air that are left of what was dropped: nobody looked through these parts.

    Such a piece touches nothing, was hit in few keyframes, and has at least as many voxels beside
    it that were dropped as its own.

    Parameters
    ----------
    xyz : ndarray (V, 3), float32, m
    hits : ndarray (V,), int
        Keyframes that measured each voxel.
    is_kept, remains : ndarray (V,), bool
        What is left, and what was dropped because it was looked through.

    Returns
    -------
    ndarray (V,), bool

    """
    found = np.zeros(len(xyz), dtype=bool)
    kept = np.flatnonzero(is_kept)
    if not remains.any() or not len(kept):
        return found
    keys, cell = np.unique(voxel_keys(xyz[kept], APART), return_inverse=True)
    pairs = [np.searchsorted(keys, keys + step) for step in NEIGHBORS]
    at = np.minimum(np.concatenate(pairs), len(keys) - 1)
    one = np.tile(np.arange(len(keys)), len(NEIGHBORS))
    touch = keys[at] == keys[one] + np.repeat(NEIGHBORS, len(keys))
    edges = coo_matrix((np.ones(touch.sum()), (one[touch], at[touch])), (len(keys), len(keys)))
    piece = connected_components(edges, directed=False)[1][cell]
    most = np.zeros(piece.max() + 1, hits.dtype)
    np.maximum.at(most, piece, hits[kept])
    size, dropped = np.bincount(piece), cKDTree(xyz[remains])
    rows = np.split(kept[np.argsort(piece, kind='stable')], np.cumsum(size)[:-1])
    for number in np.flatnonzero((most <= FEW) & (size <= remains.sum())):
        own = rows[number]
        beside = dropped.query_ball_point(xyz[own], BESIDE)
        found[own] = len(set().union(*beside)) >= len(own)
    return found


def _sums_around(keys: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the sums (C, K) over each cell and its 26 neighbors of values (C, K)."""
    around = np.zeros_like(columns, np.float64)
    for step in NEIGHBORS:
        at = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        is_there = keys[at] == keys + step
        around[is_there] += columns[at[is_there]]
    return around


def flattened(xyz: np.ndarray, weight: np.ndarray, voxel_size: float) -> np.ndarray:
    """
    Move points onto the planes around them; those at edges and in clutter stay.

    Parameters
    ----------
    xyz : ndarray (V, 3), float32, m
        One point per voxel.
    weight : ndarray (V,), float
        Measurements per voxel: what is measured from near, and so more exactly, counts for more.
    voxel_size : float, m

    Returns
    -------
    ndarray (V, 3), float32, m

    """
    for _ in range(PASSES):
        xyz = _flattened_once(xyz, weight, voxel_size)
    return xyz


def _flattened_once(xyz: np.ndarray, weight: np.ndarray, voxel_size: float) -> np.ndarray:
    points = xyz.astype(np.float64)
    keys, cell = np.unique(voxel_keys(xyz, CELL * voxel_size), return_inverse=True)
    local = points - points.mean(axis=0)  # so that squares of coordinates stay exact
    products = local[:, [0, 0, 0, 1, 1, 2]] * local[:, [0, 1, 2, 1, 2, 2]]
    w = np.minimum(weight, np.percentile(weight, 95)).astype(np.float64)[:, None]
    columns = np.concatenate([np.ones_like(w), w, w * local, w * products], axis=1)
    moments = np.stack([np.bincount(cell, column, len(keys)) for column in columns.T], axis=1)
    around = _sums_around(keys, moments)
    count, total = around[:, 0], around[:, 1:2]
    mean = around[:, 2:5] / total
    second = (around[:, 5:] / total)[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
    variances, axes = np.linalg.eigh(second - mean[:, :, None] * mean[:, None])
    is_flat = (variances[:, 0] < FLAT * variances[:, 1]) & (count >= LEAST)
    normal = axes[:, :, 0]
    off = ((local - mean[cell]) * normal[cell]).sum(axis=1)
    moves = is_flat[cell] & (np.abs(off) < FARTHEST * voxel_size)
    return (points - (off * moves)[:, None] * normal[cell]).astype(np.float32)


def one_per_voxel(
    xyz: np.ndarray, weight: np.ndarray, voxel_size: float
) -> tuple[np.ndarray, np.ndarray]:
    """
    Keep one of the points that share a voxel.

    Returns
    -------
    kept : ndarray (M,), int64
        The point with most measurements of each voxel, rising.
    xyz : ndarray (M, 3), float32, m
        Mean of the points of its voxel, by their measurements.

    """
    _, voxel = np.unique(voxel_keys(xyz, voxel_size), return_inverse=True)
    order = np.lexsort((-weight, voxel))
    first = order[np.flatnonzero(np.diff(voxel[order], prepend=-1))]
    total = np.bincount(voxel, weight)
    mean = [np.bincount(voxel, weight * xyz[:, k]) / total for k in range(3)]
    kept = np.sort(first)
    return kept, np.stack(mean, axis=1)[voxel[kept]].astype(np.float32)
