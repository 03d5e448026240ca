"""What is remembered of a place, to lay a cloud on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.plausibility.people import floor_height
from scipy.spatial import cKDTree

SPACING = 0.05  # m
UPPER = (0.25, 2.3)  # m above the floor: walls and furniture, no floor and no ceiling


@dataclass(frozen=True)
class Reference:
    """
    Hold the points of earlier visits.

    Attributes
    ----------
    xyz : ndarray (M, 3), float32, m, in map
        Thinned; `of_points` makes it.

    """

    xyz: np.ndarray

    @classmethod
    def of_points(cls, *clouds: np.ndarray) -> Reference:
        """Make the reference of the points (N, 3) of one or more visits."""
        points = np.concatenate(clouds)
        return cls(points[thin(points, SPACING)])

    @cached_property
    def tree(self) -> cKDTree:
        """Return the search tree of all points."""
        return cKDTree(self.xyz)

    @cached_property
    def floor(self) -> float:
        """Return the height of the floor, m."""
        return floor_height(self.xyz)

    @cached_property
    def upper(self) -> np.ndarray:
        """Return the points (K, 3) of walls and furniture."""
        return upper_part(self.xyz, self.floor)

    @cached_property
    def upper_tree(self) -> cKDTree:
        """Return the search tree of walls and furniture."""
        return cKDTree(self.upper)


def upper_part(xyz: np.ndarray, floor: float) -> np.ndarray:
    """Return the points (K, 3) of walls and furniture, which tell where a cloud lies."""
    above = xyz[:, 2] - floor
    return xyz[(above > UPPER[0]) & (above < UPPER[1])]
