"""Compile the kernels of visit building before the first cloud comes."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.posed_clouds import PosedCloud

CLOUDS = 10
AXIS = np.arange(-1.0, 1.0, 0.1)


def warm_up() -> None:
    """
    Build a small visit and forget it.

    The first start after an installation compiles for tens of seconds, in which a robot would
    lose its clouds; later starts read what was compiled.
    """
    builder = VisitBuilder()
    wall = np.stack(np.meshgrid(AXIS, [2.0], AXIS), -1).reshape(-1, 3)
    rgb = np.zeros(wall.shape, np.uint8)
    for k in range(CLOUDS):
        pose = np.eye(4)
        pose[0, 3] = 0.2 * k
        builder.add(PosedCloud(wall - pose[:3, 3], pose, (1 + k) * 10**9, rgb))
    builder.finish()
