"""
Topics that carry a whole map again and again as it grows, such as RTAB-Map's cloud_map.

Each message holds most points of the one before, at the same coordinates: the noise of a sensor
never repeats. Such a topic gives one visit per session, its newest map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.point_sets import evenly

SAMPLES = 2000  # points of the map before that are looked for again
STEP = 0.001  # m; coordinates that agree to this are the same
REPEATED = 0.5  # share of the map before that the next one has again; a loop closure moves some
CERTAIN = 2  # messages in a row that repeat


@dataclass(frozen=True)
class MapVerdict:
    """
    Say what one message is.

    Attributes
    ----------
    repeated : float
        Share of the points of the message before that it has again, 0..1.
    repeats : bool
        That is enough for a map that grows.
    is_map : bool
        The topic carries a growing map.
    is_new_session : bool
        A map that does not continue the one before.

    """

    repeated: float
    repeats: bool
    is_map: bool
    is_new_session: bool


class MapTopic:
    """Look at the clouds of one topic in the map frame, in the order in which they come."""

    def __init__(self):
        self._sample: np.ndarray | None = None
        self._in_a_row = 0
        self._is_map = False

    def look(self, xyz: np.ndarray) -> MapVerdict:
        """
        Compare a cloud with the one before.

        Parameters
        ----------
        xyz : ndarray (N, 3), m, in map
            All finite.

        """
        keys = _keys(xyz)
        before, self._sample = self._sample, keys[evenly(len(keys), SAMPLES)]
        if before is None or not len(before):
            return MapVerdict(0.0, False, self._is_map, False)
        repeated = float(np.isin(before, keys).mean())
        repeats = repeated >= REPEATED
        self._in_a_row = self._in_a_row + 1 if repeats else 0
        self._is_map |= self._in_a_row >= CERTAIN
        return MapVerdict(repeated, repeats, self._is_map, self._is_map and not repeats)


def _keys(xyz: np.ndarray) -> np.ndarray:
    """Return one number (N,) per place, equal for places of one cube of `STEP`."""
    cell = np.rint(np.asarray(xyz, np.float64) / STEP).astype(np.int64)
    return (cell[:, 0] * 73_856_093) ^ (cell[:, 1] * 19_349_663) ^ (cell[:, 2] * 83_492_791)
