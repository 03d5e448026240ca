"""
Whether something stands between two places, the same on every processor; see `raster`.

A tree of boxes only leaves out triangles that a segment cannot meet: the answer is that of the
test with every triangle, in 64 bits and a fixed order.
"""

from __future__ import annotations

import numba
import numpy as np

_LEAF = 4
_DEEPEST = 64
# Boxes are larger than what they hold by far more than their test can be off.
_PAD_M = 1e-6


class Occlusion:
    """
    Find which segments meet any triangle.

    Parameters
    ----------
    corners : ndarray (F, 3, 3), float64, m
        F > 0.

    """

    def __init__(self, corners: np.ndarray):
        """Build the tree."""
        order, self._low, self._high, self._nodes = _build(
            corners.min(axis=1), corners.max(axis=1)
        )
        self._corners = corners[order]

    def __call__(self, starts: np.ndarray, steps: np.ndarray, reach: float) -> np.ndarray:
        """
        Return (N,) bool: whether a triangle is met between `starts` and `reach` steps from it.

        Parameters
        ----------
        starts, steps : ndarray (N, 3), float64, m
        reach : float

        """
        return _blocked(self._corners, self._low, self._high, self._nodes, starts, steps, reach)


@numba.njit(cache=True)
def _build(low, high):
    """Return the order of triangles; of nodes their boxes, first child or triangle, and count."""
    count = len(low)
    order = np.arange(count)
    node_low, node_high = np.empty((2 * count, 3)), np.empty((2 * count, 3))
    nodes = np.zeros((2 * count, 2), np.int64)
    begin, end = np.zeros(2 * count, np.int64), np.zeros(2 * count, np.int64)
    end[0], used, at = count, 1, 0
    while at < used:
        some = order[begin[at] : end[at]]
        widest, axis = -1.0, 0
        for k in range(3):
            middle = low[some, k] + high[some, k]
            node_low[at, k] = low[some, k].min() - _PAD_M
            node_high[at, k] = high[some, k].max() + _PAD_M
            if middle.max() - middle.min() > widest:
                widest, axis = middle.max() - middle.min(), k
        if len(some) <= _LEAF:
            nodes[at, 0], nodes[at, 1] = begin[at], len(some)
        else:
            by_middle = np.argsort(low[some, axis] + high[some, axis], kind='mergesort')
            order[begin[at] : end[at]] = some[by_middle]
            half = (begin[at] + end[at]) // 2
            begin[used], end[used] = begin[at], half
            begin[used + 1], end[used + 1] = half, end[at]
            nodes[at, 0] = used
            used += 2
        at += 1
    return order, node_low[:used], node_high[:used], nodes[:used]


@numba.njit(cache=True)
def _meets(triangle, start, step, reach):
    """Return whether a segment meets a triangle, edges included."""
    ax, ay, az = triangle[0, 0] - start[0], triangle[0, 1] - start[1], triangle[0, 2] - start[2]
    bx, by, bz = triangle[1, 0] - start[0], triangle[1, 1] - start[1], triangle[1, 2] - start[2]
    cx, cy, cz = triangle[2, 0] - start[0], triangle[2, 1] - start[1], triangle[2, 2] - start[2]
    nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    wa = step[0] * nx + step[1] * ny + step[2] * nz
    wb = (
        step[0] * (cy * az - cz * ay)
        + step[1] * (cz * ax - cx * az)
        + step[2] * (cx * ay - cy * ax)
    )
    wc = (
        step[0] * (ay * bz - az * by)
        + step[1] * (az * bx - ax * bz)
        + step[2] * (ax * by - ay * bx)
    )
    if not ((wa >= 0 and wb >= 0 and wc >= 0) or (wa <= 0 and wb <= 0 and wc <= 0)):
        return False
    total = wa + wb + wc
    return total != 0 and 0 < (ax * nx + ay * ny + az * nz) / total < reach


@numba.njit(cache=True)
def _blocked(corners, low, high, nodes, starts, steps, reach):
    blocked = np.zeros(len(starts), np.bool_)
    waiting = np.empty(_DEEPEST, np.int64)
    inverse = np.empty(3)
    for n in range(len(starts)):
        start, step = starts[n], steps[n]
        for k in range(3):
            inverse[k] = 1 / step[k] if abs(step[k]) > 1e-30 else 1e30
        waiting[0], count = 0, 1
        while count and not blocked[n]:
            count -= 1
            at = waiting[count]
            enter, leave = 0.0, reach
            for k in range(3):
                one = (low[at, k] - start[k]) * inverse[k]
                other = (high[at, k] - start[k]) * inverse[k]
                enter, leave = max(enter, min(one, other)), min(leave, max(one, other))
            if enter > leave:
                continue
            first, size = nodes[at]
            if size == 0:
                waiting[count], waiting[count + 1] = first, first + 1
                count += 2
                continue
            for f in range(first, first + size):
                if _meets(corners[f], start, step, reach):
                    blocked[n] = True
                    break
    return blocked
