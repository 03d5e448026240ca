"""Objects by place: in a zone, in a box, near a point, nearest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.geometry.boxes import contains
from rescene4d_ros.memory.queries import ObjectLocation
from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.structures import Box


@dataclass(frozen=True)
class Region:
    """
    Say where objects are looked for; every condition that is given must hold.

    Attributes
    ----------
    zone : Zone or None
        Holds the center of an object.
    box : Box or None
        Holds the center of an object, in the frame of the memory.
    point : tuple of 3 float or None, m, in the frame of the memory
        The nearest objects come first.
    radius : float, m
        Largest distance from the point to the box of an object; 0 = any.
    most : int
        Largest number of objects; 0 = all.

    """

    zone: Zone | None = None
    box: Box | None = None
    point: tuple[float, float, float] | None = None
    radius: float = 0.0
    most: int = 0


def distances_to(box: Box, xyz: np.ndarray) -> np.ndarray:
    """Return the distance (N,) from points (N, 3) to a box, m; 0 inside."""
    local = (xyz - np.array(box.center)) @ box.map_T_box[:3, :3]
    return np.linalg.norm(np.maximum(np.abs(local) - np.array(box.size) / 2, 0.0), axis=1)


def distance_to(box: Box, point: Sequence[float] | np.ndarray) -> float:
    """Return the distance from a point (3,) to a box, m; 0 inside."""
    return float(distances_to(box, np.array([point], np.float64))[0])


def select(places: Iterable[ObjectLocation], region: Region) -> tuple[ObjectLocation, ...]:
    """
    Return the objects of a region.

    Parameters
    ----------
    places : iterable of ObjectLocation
    region : Region

    Returns
    -------
    tuple of ObjectLocation
        By rising distance where a point is given, else in their order.

    Raises
    ------
    ConfigError
        A value is not finite, or negative, or there is a radius without a point.

    """
    point = None if region.point is None else np.asarray(region.point, np.float64)
    if point is not None and not np.isfinite(point).all():
        raise ConfigError(
            f'expected a point of finite coordinates in m, got {region.point}; give numbers'
        )
    if not 0 <= region.radius < np.inf or (region.radius and point is None):
        raise ConfigError(
            f'expected a radius of 0 m or more around a point, got {region.radius:g} m'
            f'{"" if point is not None else " without a point"}; give 0 for any distance'
        )
    if region.box is not None and not np.isfinite([*region.box.center, *region.box.size]).all():
        raise ConfigError(f'expected a box of finite numbers in m, got {region.box}')
    found = [
        place
        for place in places
        if (region.zone is None or region.zone.holds(place.box))
        and (region.box is None or contains(region.box, np.array([place.box.center]))[0])
    ]
    if point is not None:
        away = {place.object_id: distance_to(place.box, point) for place in found}
        found.sort(key=lambda place: (away[place.object_id], place.object_id))
        if region.radius:
            found = [place for place in found if away[place.object_id] <= region.radius]
    return tuple(found[: region.most] if region.most else found)
