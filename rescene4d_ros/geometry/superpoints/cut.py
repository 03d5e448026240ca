"""Superpoints of a cloud: nodes, a neighbor graph, merging."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numba
import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.neighbors import nearest
from rescene4d_ros.geometry.normals import orient_normals, plane_normals
from rescene4d_ros.geometry.point_sets import voxelize


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


def edges(
    nodes: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray | None,
    distances: np.ndarray,
    neighbors: np.ndarray,
    config: SuperpointConfig,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Return the undirected edges between near nodes, cheapest first.

    Parameters
    ----------
    nodes : ndarray (V, 3), float64, m
    normals : ndarray (V, 3), float32
        Unit normals.
    colors : ndarray (V, 3), float32, optional
        0..255.
    distances, neighbors : ndarray (V, k)
        Of `geometry.neighbors.nearest`.
    config : SuperpointConfig

    Returns
    -------
    first, second : ndarray (E,), int64
        Ends; each edge once, without the overlong ones.
    weight : ndarray (E,), float32
        Rising; of equal weights the edge of the lower nodes comes first.

    """
    distances = distances[:, 1 : config.neighbors + 1]
    neighbors = neighbors[:, 1 : config.neighbors + 1]
    longest = config.reach * np.median(distances[:, 0])
    keys = np.sort(_pairs(distances, neighbors, longest))
    weighs_color = colors is not None and config.color_weight > 0
    weight = np.empty(len(keys), dtype=np.float32)
    _costs(
        nodes,
        normals,
        colors if weighs_color else normals,
        keys,
        config.step_weight,
        config.color_weight / (255 * math.sqrt(3)) if weighs_color else 0.0,
        weight,
    )
    # The bits of positive numbers rise with them, and whole numbers are sorted fast: the weight
    # and behind it the place.
    order = np.sort(
        weight.view(np.uint32).astype(np.uint64) << 32 | np.arange(len(keys), dtype=np.uint64)
    )
    order = (order & 0xFFFFFFFF).astype(np.int64)
    first, second = np.divmod(keys[order], len(nodes))
    return first, second, weight[order]


@numba.njit(cache=True)
def _pairs(distances, neighbors, longest):
    """Return a number for each edge that is not overlong, once for both directions."""
    n, k = neighbors.shape
    keys, m = np.empty(n * k, np.int64), 0
    for one in range(n):
        for j in range(k):
            if distances[one, j] > longest:
                break
            other = np.int64(neighbors[one, j])
            if other < one:
                is_mutual = False
                for i in range(k):
                    is_mutual |= neighbors[other, i] == one
                if is_mutual:  # counted there
                    continue
            keys[m] = min(one, other) * n + max(one, other)
            m += 1
    return keys[:m]


@numba.njit(cache=True)
def _costs(nodes, normals, colors, keys, step_weight, color_weight, weight):
    """Write the cost of joining across each edge."""
    for e in range(len(keys)):
        i, j = keys[e] // len(nodes), keys[e] % len(nodes)
        length = bend = along_first = along_second = difference = 0.0
        for c in range(3):
            step = nodes[j, c] - nodes[i, c]
            length += step * step
            along_first += normals[i, c] * step
            along_second += normals[j, c] * step
            bend += normals[i, c] * normals[j, c]
            difference += (colors[j, c] - colors[i, c]) ** 2
        length = max(math.sqrt(length), 1e-9)
        bend = max(1 - bend, 0.0)
        # Squaring makes small convex bends nearly free and keeps the cost of sharp ones.
        cost = bend * bend if along_second > along_first else bend
        cost += step_weight * abs(along_first + along_second) / (2 * length)
        weight[e] = cost + color_weight * math.sqrt(difference)
