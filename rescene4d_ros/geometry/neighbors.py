"""
Nearest neighbors of all points of a cloud among themselves.

Points sorted by the cells of a grid are the search structure: what lies in the cells around a
point is nine ranges of them, found once for all points of a cell. For scans of even density that
is several times as fast as a search tree, which finds what remains.
"""

from __future__ import annotations

import numba
import numpy as np
from rescene4d_ros.geometry.point_sets import quick_tree

PROBES = 512  # points whose neighbors are found first, to choose the edge of the cells
EDGE = 1.8  # of the cells, in median distances to the last neighbor
CANDIDATES = 512  # most points in the cells around a point; with more a tree is faster
NEXT = 1.2  # first radius of a point, in squared distances to the last neighbor of the one before
WIDER = 1.6  # the same, after a radius that held too few


def nearest(xyz: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Find the nearest points of each point of a cloud.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m
    k : int
        Neighbors, the point itself included; at most N.

    Returns
    -------
    distance : ndarray (N, k), float64, m
        Rising.
    rows : ndarray (N, k), int32
        Rows of `xyz`; among equally distant points any.

    """
    xyz = np.ascontiguousarray(xyz, dtype=np.float64)
    squared, rows = np.zeros((len(xyz), k)), np.full((len(xyz), k), -1, dtype=np.int32)
    if (edge := EDGE * _reach(xyz, k)) > 0:
        _search_cells(xyz, edge, squared, rows)
    distance, left = np.sqrt(squared), np.flatnonzero(rows[:, 0] < 0)
    if len(left):
        found = quick_tree(xyz).query(xyz[left], k=range(1, k + 1))
        distance[left], rows[left] = found
    return distance, rows


def _reach(xyz: np.ndarray, k: int) -> float:
    """
    Return about the median distance in m to the last of k neighbors.

    In a k-th of the points, drawn by chance, the nearest neighbor is about as far away.
    """
    drawn = np.random.default_rng(0).choice(len(xyz), max(len(xyz) // k, 2), shuffle=False)
    some = xyz[drawn]
    return float(np.median(quick_tree(some).query(some[:PROBES], k=2)[0][:, 1]))


def _search_cells(xyz: np.ndarray, edge: float, squared: np.ndarray, rows: np.ndarray) -> None:
    """Fill in the rows of the points whose neighbors lie in the cells around them."""
    low = xyz.min(0)
    # A margin of one cell on every side, so that the cells around a cell have numbers.
    cell = ((xyz - low) / edge).astype(np.int64) + 1
    span = cell.max(0) + 2
    if not np.prod(span.astype(np.float64)) < 2**62:
        return
    number = (cell[:, 0] * span[1] + cell[:, 1]) * span[2] + cell[:, 2]
    order = np.argsort(number)
    number = number[order]
    start = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
    columns = np.array([(i * span[1] + j) * span[2] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    ends = np.append(start, len(xyz))
    _nearest_in_cells(xyz[order], order, ends, number[start], columns, low, edge, squared, rows)


@numba.njit(cache=True)
def _nearest_in_cells(xyz, order, ends, number, columns, low, edge, squared, rows):
    """
    Find neighbors in the 27 cells around each point where they prove to be the nearest.

    Parameters
    ----------
    xyz : ndarray (N, 3), float64, m
        Sorted by cell.
    order : ndarray (N,), int64
        Their rows in `squared` and `rows`.
    ends : ndarray (C + 1,), int64
        First point of each occupied cell, and N.
    number : ndarray (C,), int64
        Rising numbers of the cells; the next number is the cell above.
    columns : ndarray (9,), int64
        Steps of the number to the cell itself and its neighbors in x and y, rising.
    low : ndarray (3,), float64, m
        Corner of the grid.
    edge : float, m
    squared, rows : ndarray (N, k)
        Rows of points whose neighbors are found are overwritten.

    """
    n_cells, k = len(number), rows.shape[1]
    first, last = np.zeros(9, np.int64), np.zeros(9, np.int64)
    xs, ys, zs = np.empty(CANDIDATES), np.empty(CANDIDATES), np.empty(CANDIDATES)
    far, near = np.empty(CANDIDATES), np.empty(CANDIDATES)
    whose, which = np.empty(CANDIDATES, np.int32), np.empty(CANDIDATES, np.int32)
    last_found = edge * edge
    for c in range(n_cells):
        m = 0
        # Cells come in rising order, so the ranges around them only move on.
        for j in range(9):
            middle = number[c] + columns[j]
            while first[j] < n_cells and number[first[j]] < middle - 1:
                first[j] += 1
            last[j] = max(last[j], first[j])
            while last[j] < n_cells and number[last[j]] <= middle + 1:
                last[j] += 1
            m += ends[last[j]] - ends[first[j]]
        if not k <= m <= CANDIDATES:
            continue
        m = 0
        for j in range(9):
            for p in range(ends[first[j]], ends[last[j]]):
                xs[m], ys[m], zs[m], whose[m] = xyz[p, 0], xyz[p, 1], xyz[p, 2], order[p]
                m += 1
        for p in range(ends[c], ends[c + 1]):
            x, y, z = xyz[p, 0], xyz[p, 1], xyz[p, 2]
            # What is nearer than the border of the cells around is known to be complete.
            border = 0.5
            for axis in range(3):
                place = (xyz[p, axis] - low[axis]) / edge
                place -= np.floor(place)
                border = min(border, place, 1 - place)
            border = (edge * (1 + border)) ** 2
            for i in range(m):
                far[i] = (xs[i] - x) ** 2 + (ys[i] - y) ** 2 + (zs[i] - z) ** 2
            within, n = min(last_found * NEXT, border), 0
            while True:
                n = 0
                for i in range(m):  # without a branch, which would be mispredicted
                    near[n], which[n] = far[i], whose[i]
                    n += far[i] < within
                if n >= k or within == border:
                    break
                within = min(max(within * WIDER, border / 32), border)
            if n < k:
                continue
            row = order[p]
            for i in range(n):
                rank, distance = 0, near[i]
                for j in range(n):  # a few dozen: counting is faster than sorting
                    rank += near[j] < distance
                while rank < k and rows[row, rank] >= 0:  # an equal distance
                    rank += 1
                if rank < k:
                    squared[row, rank], rows[row, rank] = distance, which[i]
            last_found = squared[row, k - 1]
