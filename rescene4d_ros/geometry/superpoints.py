"""Superpoints of a cloud: nodes, a neighbor graph, edge costs, merging."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.point_sets import orient_normals, plane_normals, voxelize
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class SuperpointConfig:
    """Settings of the over-segmentation."""

    voxel_size: float = param(
        0.02, 'Points of one cell are one node of the graph', unit='m', ge=0.001, le=0.5
    )
    neighbors: int = param(10, 'Edges from each node to its nearest nodes', ge=3, le=64)
    reach: float = param(
        4.0, 'Longest edge, in median distances to the nearest node', ge=1.0, le=100.0
    )
    threshold: float = param(
        0.2,
        'Scale of superpoints, the k of Felzenszwalb; larger values give larger superpoints',
        ge=0.0,
        le=100.0,
    )
    min_nodes: int = param(
        20, 'Smaller superpoints are merged into the most similar neighbor', ge=1, le=100_000
    )
    max_extent: float = param(
        1.0, 'Longest edge of the bounding box of a superpoint', unit='m', ge=0.05, le=100.0
    )
    color_weight: float = param(
        0.5,
        'Cost of the color step between black and white, against 1 for a right angle',
        ge=0.0,
        le=10.0,
    )
    step_weight: float = param(
        0.1,
        'Cost of an edge along the normals (a step between two '
        'surfaces), against 1 for a right angle',
        ge=0.0,
        le=10.0,
    )


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
    distances, neighbors = _nearest(
        nodes,
        max(config.neighbors + 1, PLANE_NEIGHBORS) if normals is None else config.neighbors + 1,
    )
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
    first, second = _edges(distances, neighbors, config)
    weight = _edge_costs(nodes, node_normals, colors, first, second, config)
    order = np.argsort(weight, kind='stable')
    roots = merge(
        nodes.copy(),
        nodes,
        first[order],
        second[order],
        weight[order],
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


def _nearest(nodes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and rows of each node's nearest nodes, itself first, (V, k)."""
    k = min(k, len(nodes))
    return cKDTree(nodes, balanced_tree=False).query(nodes, k=k)


def _edges(
    distances: np.ndarray, neighbors: np.ndarray, config: SuperpointConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of each undirected edge once, sorted, without the overlong ones."""
    distances = distances[:, 1 : config.neighbors + 1]
    neighbors = neighbors[:, 1 : config.neighbors + 1]
    near = distances <= config.reach * np.median(distances[:, 0])
    rows = np.broadcast_to(np.arange(len(neighbors))[:, None], neighbors.shape)[near]
    others = neighbors[near]
    keys = np.sort(np.minimum(rows, others) * len(neighbors) + np.maximum(rows, others))
    # Sorting and comparing is several times as fast as np.unique.
    return np.divmod(keys[np.append(True, keys[1:] != keys[:-1])], len(neighbors))


def _edge_costs(nodes, normals, colors, first, second, config) -> np.ndarray:
    """Return the (E,) float32 cost of joining across each edge."""
    step = (nodes[second] - nodes[first]).astype(np.float32)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)
    n_first, n_second = normals[first], normals[second]
    bend = np.maximum(1 - np.einsum('ec,ec->e', n_first, n_second), 0)
    along_first = np.einsum('ec,ec->e', n_first, step)
    along_second = np.einsum('ec,ec->e', n_second, step)
    # Squaring makes small convex bends nearly free and keeps the cost of sharp ones.
    cost = np.where(along_second > along_first, bend * bend, bend)
    cost += config.step_weight * np.abs(along_first + along_second) / 2
    if colors is not None and config.color_weight > 0:
        difference = np.linalg.norm(colors[second] - colors[first], axis=1)
        cost += config.color_weight * difference / np.float32(255 * np.sqrt(3))
    return cost.astype(np.float32)


def _dense_in_order(roots: np.ndarray) -> np.ndarray:
    """Return dense labels 0.., counted by the first node of each piece."""
    _, first, piece = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[piece]
