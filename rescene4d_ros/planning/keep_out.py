"""Polygons around objects that a robot must not enter, for the costmaps of a planner."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.geometry.boxes import corners
from rescene4d_ros.memory.queries import ObjectLocation
from rescene4d_ros.structures import Box

HEIGHT = 2.0  # m; what begins above a robot of this height is no obstacle
LEAST_STILL_THERE = 0.5


def keep_out(
    places: Iterable[ObjectLocation], margin: float = 0.0, height: float = HEIGHT
) -> dict[int, np.ndarray]:
    """
    Return one polygon per object.

    Parameters
    ----------
    places : iterable of ObjectLocation
    margin : float, m
        Added on each side of every box.
    height : float, m
        Objects whose box begins above it, in the frame of the memory, are left out.

    Returns
    -------
    dict of object id to ndarray (4, 2), float64, m
        Counter-clockwise, by rising id.

    Raises
    ------
    ConfigError
        Margin or height is negative or not finite.

    """
    if not 0 <= margin < np.inf or not 0 <= height < np.inf:
        raise ConfigError(
            f'expected margin and height of 0 m or more, got {margin:g} and {height:g} '
            'm; give 0 for no margin and the usual height'
        )
    found = {}
    for place in sorted(places, key=lambda place: place.object_id):
        x, y, z = place.box.center
        width, depth, tall = place.box.size
        if z - tall / 2 <= height:
            grown = Box((x, y, z), (width + 2 * margin, depth + 2 * margin, tall), place.box.yaw)
            found[place.object_id] = corners(grown)
    return found
