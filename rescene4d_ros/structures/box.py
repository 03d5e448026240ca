"""An oriented box: position and size of an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """
    Hold an upright oriented box in the map frame.

    The box rotates about z only, which suffices for objects that stand on a floor.

    Attributes
    ----------
    center : tuple of 3 float, m, in map
        Middle of the box.
    size : tuple of 3 float, m
        Full extents along the box's own x, y and z.
    yaw : float, rad
        Rotation about map z, counter-clockwise, in [-pi, pi).

    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0

    @property
    def map_T_box(self) -> np.ndarray:
        """Return the (4, 4) transform that takes points of the box frame to the map."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array(
            [
                [c, -s, 0, self.center[0]],
                [s, c, 0, self.center[1]],
                [0, 0, 1, self.center[2]],
                [0, 0, 0, 1],
            ],
            dtype=np.float64,
        )

    @property
    def quaternion_xyzw(self) -> tuple[float, float, float, float]:
        """Return the rotation as a unit quaternion."""
        return (0.0, 0.0, float(np.sin(self.yaw / 2)), float(np.cos(self.yaw / 2)))
