"""Which space the keyframes of a visit looked through, in cells."""

from __future__ import annotations

import numba
import numpy as np
from rescene4d_ros.structures.free_space import FreeSpace, MOST_CELLS
from rescene4d_ros.visit_building.volume.voxels import is_through, Look

CELL = 0.1  # m
CHUNK = 16  # cells by which the grid grows


class FreeCells:
    """
    Collect the cells whose middle a keyframe looked through.

    The grid grows with what is measured, up to `MOST_CELLS`; what lies beyond is not known.
    """

    def __init__(self):
        self._low = np.zeros(3, np.int64)  # cells
        self._is_free = np.zeros((0, 0, 0), bool)

    def add(self, look: Look, xyz: np.ndarray, reach: float, margin: float) -> None:
        """Note what a keyframe with points (N, 3), m, looked through, up to `reach` m."""
        low = np.maximum(np.minimum(xyz.min(axis=0), look.position), look.position - reach)
        high = np.minimum(np.maximum(xyz.max(axis=0), look.position), look.position + reach)
        first, last = np.floor(low / CELL).astype(np.int64), np.floor(high / CELL).astype(np.int64)
        self._grow(first, last)
        shape = np.array(self._is_free.shape, np.int64)
        begin = np.clip(first - self._low, 0, shape)
        end = np.clip(last + 1 - self._low, 0, shape)
        _mark(*look, self._is_free, self._low, begin, end, reach, margin)

    def without(self, xyz: np.ndarray) -> FreeSpace | None:
        """Return the free cells in which none of the points (N, 3), m, lies; None = no grid."""
        if not self._is_free.size:
            return None
        is_free = self._is_free.copy()
        index = np.floor(xyz / CELL).astype(np.int64) - self._low
        inside = ((index >= 0) & (index < is_free.shape)).all(axis=1)
        is_free[tuple(index[inside].T)] = False
        return FreeSpace.at_corner(self._low * CELL, is_free, CELL)

    def _grow(self, first: np.ndarray, last: np.ndarray) -> None:
        """Make room for cells from `first` to `last`, where it is not too much."""
        shape = np.array(self._is_free.shape, np.int64)
        if not shape.all():
            low, high = first, last + 1
        else:
            low, high = np.minimum(self._low, first), np.maximum(self._low + shape, last + 1)
        low, high = low // CHUNK * CHUNK, -(-high // CHUNK) * CHUNK
        same = (low == self._low).all() and (high - low == shape).all()
        if same or np.prod((high - low).astype(float)) > MOST_CELLS:
            return
        larger = np.zeros(high - low, bool)
        at = tuple(slice(a, a + n) for a, n in zip(self._low - low, shape, strict=True))
        if shape.all():
            larger[at] = self._is_free
        self._low, self._is_free = low, larger


@numba.njit(cache=True)
def _mark(position, own, around, is_free, low, begin, end, reach, margin):
    """Mark the cells of a range whose middle a keyframe looked through."""
    middle = np.empty(3)
    for i in range(begin[0], end[0]):
        middle[0] = (low[0] + i + 0.5) * CELL
        for j in range(begin[1], end[1]):
            middle[1] = (low[1] + j + 0.5) * CELL
            for k in range(begin[2], end[2]):
                if not is_free[i, j, k]:
                    middle[2] = (low[2] + k + 0.5) * CELL
                    is_free[i, j, k] = is_through(position, own, around, middle, reach, margin)
