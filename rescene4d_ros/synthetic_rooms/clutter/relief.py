"""How high a model is at every place: where small things come to rest on it."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from rescene4d_ros.synthetic_rooms.furniture import Model

CELL_M = 0.02


@dataclass(frozen=True)
class Relief:
    """
    Hold the highest surface of a model per cell.

    Attributes
    ----------
    low : ndarray (2,), m
        Corner of the first cell in the frame of the model.
    height : ndarray (X, Y), float64, m
        -1 where nothing is.

    """

    low: np.ndarray
    height: np.ndarray

    @staticmethod
    def of(model: Model) -> Relief:
        """Return the relief of a model as it was made."""
        corners = np.concatenate([p.vertices[p.faces] for p in model.parts])
        low = corners[..., :2].min(axis=(0, 1))
        high = corners[..., :2].max(axis=(0, 1))
        shape = np.maximum(np.ceil((high - low) / CELL_M), 1).astype(np.int64)
        height = np.full(shape, -1.0)
        _raise(np.ascontiguousarray(corners), low, CELL_M, height)
        return Relief(low, height)

    def rest(self, x: float, y: float, width: float, depth: float) -> tuple[float, float]:
        """
        Return where an upright box comes to rest, and how well.

        Parameters
        ----------
        x, y : float, m
            Middle of the box in the frame of the model.
        width, depth : float, m

        Returns
        -------
        z : float, m
        share : float
            Of its floor that is supported, to 3 cm.

        """
        window, cells = self._window(x, y, width, depth)
        if not window.size or window.max() <= 0:
            return 0.0, 0.0
        z = float(window.max())
        return z, float((window > z - 0.03).sum() / cells)

    def rest_softly(self, x: float, y: float, width: float, depth: float) -> tuple[float, float]:
        """
        Return where something soft comes to rest, and how well; as `rest`.

        It fits itself to what it lies on, and is pressed where that rises at a rim.
        """
        window, cells = self._window(x, y, width, depth)
        if not window.size or window.max() <= 0:
            return 0.0, 0.0
        z = float(np.median(window[window > 0]))
        return z, float((np.abs(window - z) < 0.05).sum() / cells)

    def _window(self, x: float, y: float, width: float, depth: float) -> tuple[np.ndarray, int]:
        """Return the heights below a box, and of how many cells its floor is."""
        half = np.array([width, depth]) / 2
        i0, j0 = np.floor((np.array([x, y]) - half - self.low) / CELL_M).astype(int)
        i1, j1 = np.ceil((np.array([x, y]) + half - self.low) / CELL_M).astype(int)
        window = self.height[max(i0, 0) : max(i1, 0), max(j0, 0) : max(j1, 0)]
        return window, max((i1 - i0) * (j1 - j0), 1)


@numba.njit(cache=True)
def _raise(corners, low, cell, height):
    for f in range(len(corners)):
        ax, ay, az = corners[f, 0]
        bx, by, bz = corners[f, 1]
        cx, cy, cz = corners[f, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-12:
            continue
        i0 = max(int((min(ax, bx, cx) - low[0]) / cell), 0)
        i1 = min(int((max(ax, bx, cx) - low[0]) / cell) + 1, height.shape[0])
        j0 = max(int((min(ay, by, cy) - low[1]) / cell), 0)
        j1 = min(int((max(ay, by, cy) - low[1]) / cell) + 1, height.shape[1])
        for i in range(i0, i1):
            px = low[0] + (i + 0.5) * cell
            for j in range(j0, j1):
                py = low[1] + (j + 0.5) * cell
                wb = ((px - ax) * (cy - ay) - (py - ay) * (cx - ax)) / area
                wc = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) / area
                if wb < 0 or wc < 0 or wb + wc > 1:
                    continue
                z = az + wb * (bz - az) + wc * (cz - az)
                if z > height[i, j]:
                    height[i, j] = z
