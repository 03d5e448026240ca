"""
Graph segmentation: join what is more alike across a border than within.

Felzenszwalb and Huttenlocher, "Efficient graph-based image segmentation", IJCV 2004, with a
bound on the extent of a piece.
"""

from __future__ import annotations

import numba
import numpy as np


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
        Pieces below it join over their lightest edge, whatever it weighs.
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
