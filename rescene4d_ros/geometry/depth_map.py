"""How far a sensor could see from one of its positions, by the points that it brought home."""

from __future__ import annotations

import numpy as np

RAY_BIN = np.pi / 120  # rad; angular bin around one sensor position
RAY_CLEARANCE = 0.12  # m; a surface this far behind an object's points is hidden by them
PASSED = 0.10  # m; a surface this far behind a point was seen past it
RAY_RANGE = 4.5  # m; farther points are seldom scanned, and prove nothing


class DepthMap:
    """How far one sensor position can see in each direction, by the points that were seen."""

    def __init__(self, position: np.ndarray, xyz: np.ndarray):
        self._position = np.asarray(position, dtype=np.float64)
        self._columns = int(round(2 * np.pi / RAY_BIN))
        rows = int(round(np.pi / RAY_BIN)) + 1
        self._nearest = np.full(self._columns * rows, np.inf)
        key, distance = self._bins(xyz)
        np.minimum.at(self._nearest, key, distance)

    def _bins(self, xyz: np.ndarray):
        """Return bin number and distance of each point."""
        ray = np.asarray(xyz, dtype=np.float64) - self._position
        distance = np.maximum(np.linalg.norm(ray, axis=1), 1e-6)
        column = (np.arctan2(ray[:, 1], ray[:, 0]) / RAY_BIN).astype(int) % self._columns
        row = (np.arccos(np.clip(ray[:, 2] / distance, -1, 1)) / RAY_BIN).astype(int)
        return row * self._columns + column, distance

    def look(self, surface: np.ndarray, occluder: np.ndarray):
        """
        Look at surface points, past an object that may be in the way.

        Returns
        -------
        sees : ndarray (N,), bool
            The scene leaves the surface point visible from here; generous, since a bin is wide.
        surface_bin : ndarray (N,), int
        hidden : ndarray (N,), bool
            The object would be in front of it.
        object_bin : ndarray (M,), int

        """
        surface_bin, far = self._bins(surface)
        object_bin, near_by = self._bins(occluder)
        sees = far <= self._nearest[surface_bin] + 0.1 + 0.05 * far
        bins, place = np.unique(object_bin, return_inverse=True)
        first = np.full(len(bins), np.inf)
        np.minimum.at(first, place, near_by)
        at = np.minimum(np.searchsorted(bins, surface_bin), len(bins) - 1)
        hidden = (bins[at] == surface_bin) & (first[at] < far - RAY_CLEARANCE)
        return sees, surface_bin, hidden, object_bin

    def passes(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Say past which points this position looks, and which it could see at all.

        Parameters
        ----------
        xyz : ndarray (N, 3), m, in map

        Returns
        -------
        past : ndarray (N,), bool
            All that shows in the point's direction, neighboring bins included, lies behind it.
        in_reach : ndarray (N,), bool
            Something shows in its direction, at or before or behind it.

        """
        key, distance = self._bins(xyz)
        around = np.array(
            [row * self._columns + column for row in (-1, 0, 1) for column in (-1, 0, 1)]
        )
        bins = np.clip(key[:, None] + around, 0, len(self._nearest) - 1)
        in_reach = np.isfinite(self._nearest[key]) & (distance < RAY_RANGE)
        return in_reach & (self._nearest[bins].min(1) > distance + PASSED), in_reach
