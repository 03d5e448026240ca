"""Slopes of a roof: walls that end low, and what still fits under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.synthetic_rooms.surfaces.material import Material
from rescene4d_ros.synthetic_rooms.surfaces.mesh import Part, sheet


@dataclass(frozen=True)
class Slope:
    """
    Hold one slope, which rises from a wall into the room.

    Attributes
    ----------
    start, end : ndarray (2,), m
        Of its wall.
    inward : ndarray (2,)
        Unit normal of its wall.
    knee : float, m
        Height at the wall.
    rise : float
        Per meter of distance from the wall.

    """

    start: np.ndarray
    end: np.ndarray
    inward: np.ndarray
    knee: float
    rise: float

    def is_above(self, corners: np.ndarray, top: float) -> bool:
        """Return whether an upright box of (M, 2) corners (m) that ends at `top` (m) fits."""
        side = self.end - self.start
        share = (corners - self.start) @ side / (side @ side)
        if share.max() <= 0 or share.min() >= 1:
            return True  # beside it
        off = max(float(((corners - self.start) @ self.inward).min()), 0.0)
        return top < self.knee + off * self.rise - 0.01

    def part(self, height: float, paint: Material) -> Part:
        """Return its surface, up to a ceiling of `height` (m)."""
        reach = (height - self.knee) / self.rise
        into = np.array([*(self.inward * reach), height - self.knee])
        foot = [np.array([*p, self.knee]) for p in (self.start, self.end)]
        return sheet(np.array([foot, [p + into for p in foot]]), paint)
