"""Where a robot stands to reach or observe an object: free floor near it, facing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.errors import ConfigError, MemoryFormatError
from rescene4d_ros.planning.nearby import distance_to, distances_to
from rescene4d_ros.structures import Box
from scipy.spatial import cKDTree

RADIUS = 0.3  # m; of a robot that did not say
DISTANCE = 0.5  # m; from the box to the footprint
DIRECTIONS = 48
RINGS = (1.0, 1.5, 2.0)  # times the wanted distance, where nearer places are taken
FLOOR_SHARE = 2.0  # percent of the points that may lie below the floor
FLOOR = 0.1  # m; a point so near the height of the floor is floor
FLOOR_REACH = 0.35  # m; floor must have been observed so near
TALL = 2.0  # m; points above hinder no robot
NOT_ITS_OWN = 0.08  # m; a point this near the box may be of the object
SIGHT = 0.06  # m; a point this near the line from the robot to the object hides it
STEP = 0.05  # m


@dataclass(frozen=True)
class Approach:
    """
    Hold a pose of a robot before an object.

    Attributes
    ----------
    position : tuple of 3 float, m, in the frame of the memory
        On the floor.
    yaw : float, rad
        Towards the center of the object.
    clearance : float, m
        From the footprint to the nearest obstacle that is not the object.

    """

    position: tuple[float, float, float]
    yaw: float
    clearance: float


def approach(
    target: Box,
    xyz: np.ndarray,
    others: Sequence[Box] = (),
    radius: float = RADIUS,
    distance: float = DISTANCE,
    robot: tuple[float, float, float] | None = None,
) -> Approach:
    """
    Choose a free place from which an object is seen and reached.

    Free is a place with observed floor, without points between floor and the height of a robot
    within its radius, clear of the boxes of other objects, and with nothing between it and the
    object.

    Parameters
    ----------
    target : Box
    xyz : ndarray (N, 3), float, m
        Points of the newest visit that observed the place, in the frame of the memory.
    others : sequence of Box
        Of the other objects that are probably there; points may not show them all.
    radius : float, m
        Of the footprint.
    distance : float, m
        From the box to the footprint; up to twice as far where the nearer places are taken.
    robot : tuple of 3 float, m, optional
        The place nearest to it is chosen; default is the one with most room.

    Raises
    ------
    ConfigError
        A length is not positive and finite.
    MemoryFormatError
        No place around the object is free.

    """
    if not 0 < radius < np.inf or not 0 < distance < np.inf:
        raise ConfigError(
            f'expected radius and distance above 0 m, got {radius:g} and '
            f'{distance:g} m; give the size of the robot'
        )
    xyz = np.asarray(xyz, np.float64).reshape(-1, 3)
    floor = float(np.percentile(xyz[:, 2], FLOOR_SHARE)) if len(xyz) else 0.0
    height = xyz[:, 2] - floor
    near = [distances_to(target, xyz) > NOT_ITS_OWN, height > FLOOR, height < TALL]
    obstacles = cKDTree(xyz[np.logical_and.reduce(near), :2])
    ground = cKDTree(xyz[np.abs(height) <= FLOOR, :2])
    best, least = None, np.inf
    for ring in RINGS:
        for place in _around(target, radius + ring * distance):
            free = _clearance(place, floor, obstacles, others) - radius
            if free < 0 or ground.query(place)[0] > FLOOR_REACH:
                continue
            if not _sees(place, target, obstacles):
                continue
            cost = -free if robot is None else float(np.hypot(*(place - np.array(robot[:2]))))
            if cost < least:
                aim = np.array(target.center[:2]) - place
                position = (float(place[0]), float(place[1]), floor)
                best = Approach(position, float(np.arctan2(aim[1], aim[0])), float(free))
                least = cost
        if best is not None:
            return best
    raise MemoryFormatError(
        f'expected a free place within {RINGS[-1] * distance + radius:.2f} m of the object, found '
        'none; give a smaller robot_radius or another distance, or look from where the planner '
        'can stand'
    )


def _around(box: Box, away: float) -> np.ndarray:
    """Return places (DIRECTIONS, 2) at a distance from the outline of a box, m."""
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    ray = np.c_[np.cos(angles), np.sin(angles)]
    half = np.array(box.size[:2]) / 2
    # From the corner or side of the box that a direction points to, outwards.
    edge = np.clip(ray * half.max() * 4, -half, half)
    local = edge + ray * away
    return local @ box.map_T_box[:2, :2].T + np.array(box.center[:2])


def _clearance(place: np.ndarray, floor: float, obstacles: cKDTree, others) -> float:
    """Return the distance from a place to the nearest obstacle, m."""
    found = float(obstacles.query(place)[0]) if obstacles.n else np.inf
    for box in others:
        if box.center[2] - box.size[2] / 2 - floor < TALL:
            found = min(found, distance_to(box, (*place, box.center[2])))
    return found


def _sees(place: np.ndarray, target: Box, obstacles: cKDTree) -> bool:
    """Return whether nothing stands between a place and the outline of an object."""
    aim = np.array(target.center[:2]) - place
    steps = np.arange(0.0, 1.0, STEP / max(float(np.hypot(*aim)), STEP))
    line = place + steps[:, None] * aim
    points = np.c_[line, np.full(len(line), target.center[2])]
    outside = line[distances_to(target, points) > NOT_ITS_OWN]
    return not obstacles.n or not len(outside) or float(obstacles.query(outside)[0].min()) > SIGHT
