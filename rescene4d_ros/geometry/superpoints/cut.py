"""Superpoints of a cloud: nodes, a neighbor graph, merging."""

from __future__ import annotations

import numba
import numpy as np
from rescene4d_ros.geometry.neighbors import nearest
from rescene4d_ros.geometry.normals import orient_normals, plane_normals
from rescene4d_ros.geometry.point_sets import voxelize
from rescene4d_ros.geometry.superpoints.graph import edges, SuperpointConfig


@numba.njit(cache=True)
def _find(parent, i):
    """Return the root of i and halve the path to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True)
def merge(low, high, first, second, weight, threshold, min_nodes, max_extent):
    """
    Join nodes along edges of ascending weight.

    Parameters
    ----------
    low, high : ndarray (V, 3), float64, m
        Place of each node, twice; overwritten by the bounding boxes of the pieces.
    first, second : ndarray (E,), int64
        Ends of the edges, lightest edge first.
    weight : ndarray (E,), float32
    threshold : float
        Larger pieces for larger values.
    min_nodes : int
        Smaller pieces are merged over their lightest edge, independent of its weight.
    max_extent : float, m
        Bound on the bounding box of a piece.

    Returns
    -------
    ndarray (V,), int64
        Root node of each node.

    """
    n = len(low)
    parent = np.arange(n)
    size = np.ones(n, dtype=np.int64)
    limit = np.full(n, threshold)
    for smallest in (0, min_nodes):
        for e in range(len(first)):
            a, b = _find(parent, first[e]), _find(parent, second[e])
            if a == b:
                continue
            if smallest:
                if size[a] >= smallest and size[b] >= smallest:
                    continue
            else:
                if weight[e] > limit[a] or weight[e] > limit[b]:
                    continue
                extent = 0.0
                for c in range(3):
                    extent = max(extent, max(high[a, c], high[b, c]) - min(low[a, c], low[b, c]))
                if extent > max_extent:
                    continue
            if size[a] < size[b]:
                a, b = b, a
            parent[b] = a
            size[a] += size[b]
            limit[a] = weight[e] + threshold / size[a]
            for c in range(3):
                low[a, c] = min(low[a, c], low[b, c])
                high[a, c] = max(high[a, c], high[b, c])
    for i in range(n):
        parent[i] = _find(parent, i)
    return parent


# Sums of integers are exact in float64, so the result does not depend on the order of points.
UNITS_PER_METER = 1e5
UNITS_PER_NORMAL = 1e6
PLANE_NEIGHBORS = 16


def superpoints(
    xyz: np.ndarray,
    normals: np.ndarray | None,
    rgb: np.ndarray | None,
    config: SuperpointConfig | None = None,
    *,
    sensor_path: np.ndarray | None = None,
) -> np.ndarray:
    """
    Cut a cloud into superpoints of even surface and color.

    Creases that open towards the viewer (a box on the floor) cost more than those that close
    (the edge of a box): objects meet in the former.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m
    normals : ndarray (N, 3), float, optional
        Unit normals towards the sensor; estimated where None.
    rgb : ndarray (N, 3), uint8, optional
    config : SuperpointConfig, optional
    sensor_path : ndarray (P, 3), float, m, optional
        Orients estimated normals towards the sensor.

    Returns
    -------
    ndarray (N,), int32
        Piece of each point, 0..S - 1. The pieces do not depend on the order of the points; they
        are numbered by their first node in x, y, z order.

    """
    config = config or SuperpointConfig()
    if len(xyz) == 0:
        return np.zeros(0, dtype=np.int32)
    coords, inverse, _ = voxelize(xyz, config.voxel_size)
    origin = coords.min(axis=0) * config.voxel_size
    nodes = _node_means(
        np.asarray(xyz, dtype=np.float64) - origin, inverse, len(coords), UNITS_PER_METER
    )
    if len(nodes) == 1:
        return np.zeros(len(xyz), dtype=np.int32)
    around = max(config.neighbors + 1, PLANE_NEIGHBORS if normals is None else 0)
    distances, neighbors = nearest(nodes, min(around, len(nodes)))
    if normals is None:
        path = None if sensor_path is None else sensor_path - origin
        node_normals = orient_normals(
            plane_normals(nodes, neighbors[:, :PLANE_NEIGHBORS]), nodes, path
        )
    else:
        node_normals = _node_means(normals, inverse, len(nodes), UNITS_PER_NORMAL)
        length = np.linalg.norm(node_normals, axis=1, keepdims=True)
        node_normals = (node_normals / np.maximum(length, 1e-9)).astype(np.float32)
    colors = None if rgb is None else _node_means(rgb, inverse, len(nodes), 1).astype(np.float32)
    first, second, weight = edges(nodes, node_normals, colors, distances, neighbors, config)
    roots = merge(
        nodes.copy(),
        nodes,
        first,
        second,
        weight,
        config.threshold,
        config.min_nodes,
        config.max_extent,
    )
    return _dense_in_order(roots)[inverse]


def _node_means(values: np.ndarray, inverse: np.ndarray, n: int, units: float) -> np.ndarray:
    """Return the (V, C) float64 means of the points of each node, the same in any order."""
    whole = np.rint(np.asarray(values, dtype=np.float64) * units)
    sums = np.stack([np.bincount(inverse, weights=c, minlength=n) for c in whole.T], axis=1)
    return sums / (np.bincount(inverse, minlength=n)[:, None] * units)


def _dense_in_order(roots: np.ndarray) -> np.ndarray:
    """Return dense labels 0.., counted by the first node of each piece."""
    _, first, piece = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[piece]
