"""The light of each room of a visit of many: mean colors of what lies around a place."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures.scan import ONE_LIGHT

CELL = 1.0  # m; edge of the cubes whose colors are summed
REACH = 2  # cubes to either side of that of a place
LEAST_POINTS = 10  # fewer in a square meter are no floor that was visited
HALF = 1 << 20  # cubes on either side of the map's origin


class LocalLight:
    """
    Mean color around places.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
    rgb : ndarray (N, 3), uint8

    Attributes
    ----------
    has_many_rooms : bool
        Whether the points cover more than `ONE_LIGHT` of floor.

    """

    def __init__(self, xyz: np.ndarray, rgb: np.ndarray):
        key = _keys(np.floor(xyz / CELL).astype(np.int64))
        self._cells, cell = np.unique(key, return_inverse=True)
        self._counts = np.bincount(cell, minlength=len(self._cells))
        self._sums = np.stack(
            [np.bincount(cell, rgb[:, k], minlength=len(self._cells)) for k in range(3)], axis=1
        )
        square, of_cell = np.unique(self._cells >> 21, return_inverse=True)
        points = np.bincount(of_cell, self._counts, minlength=len(square))
        self.has_many_rooms = bool((points >= LEAST_POINTS).sum() > ONE_LIGHT)

    def around(self, xyz: np.ndarray) -> np.ndarray:
        """
        Return the mean color (3,) plus one around the middle of points (M, 3).

        That of all where nothing is near, as `Scan.mean_color`.
        """
        steps = np.arange(-REACH, REACH + 1)
        near = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
        asked = _keys(np.floor(xyz.mean(axis=0) / CELL).astype(np.int64) + near)
        at = np.minimum(np.searchsorted(self._cells, asked), len(self._cells) - 1)
        at = at[self._cells[at] == asked]
        at = at if len(at) else np.arange(len(self._cells))
        return self._sums[at].sum(axis=0) / self._counts[at].sum() + 1.0


def _keys(cell: np.ndarray) -> np.ndarray:
    """Return one number per cube (N, 3), the height last."""
    x, y, z = np.clip(cell, -HALF, HALF - 1).T + HALF
    return (x << 42) | (y << 21) | z
