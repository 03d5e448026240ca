"""The graph of a cloud: edges between near nodes, and what joining across each costs."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numba
import numpy as np
from rescene4d_ros.config import param


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
