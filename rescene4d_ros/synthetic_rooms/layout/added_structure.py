"""Structure beside walls and floor: slopes of a roof, pillars, rooms behind open doors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.structures import FLOOR, WALL
from rescene4d_ros.synthetic_rooms.layout.floorplan import footprint, overlap, Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Opening, Room
from rescene4d_ros.synthetic_rooms.layout.slopes import Slope
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.material import Material
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, cylinder, Part

Structure = list[tuple[Part, int]]

P_SLOPE, P_PILLAR, P_NEXT_ROOM = 0.22, 0.4, 0.75
# One can stand under a slope at this distance from its wall.
STAND_M, HEAD_M = 0.5, 1.95
SLOPE_DEG = (35.0, 60.0)
PILLAR_M = (0.16, 0.5)
DOOR_CLEAR_M = 1.0
TRIES = 14


def with_added_structure(
    room: Room, visits: Sequence[dict[int, Placed]], rng: np.random.Generator
) -> Room:
    """
    Return the room with pillars where nothing stands at any visit, and rooms behind its doors.

    Parameters
    ----------
    room : Room
    visits : sequence of dicts
        What is in the room, by instance id.
    rng : Generator

    """
    placed = [p for visit in visits for p in visit.values()]
    paint = _paint_of(room)
    parts: Structure = []
    if rng.random() < P_PILLAR:
        parts += _pillars(room, placed, look.worn(paint, rng), rng)
    for hole in room.openings:
        if hole.model.class_name == 'door' and rng.random() < P_NEXT_ROOM:
            parts += _next_room(room, hole, rng)
    return replace(room, structure=(*room.structure, *parts))


def with_slopes(room: Room, rng: np.random.Generator) -> Room:
    """Return an empty room with slopes of a roof over walls without doors and windows, or none."""
    whole = [k for k in range(len(room.walls)) if all(h.wall != k for h in room.openings)]
    if rng.random() >= P_SLOPE or not whole:
        return room
    slopes = []
    for k in rng.permutation(whole)[: int(rng.integers(1, 3))]:
        wall = room.walls[k]
        rise = float(np.tan(np.deg2rad(rng.uniform(*SLOPE_DEG))))
        knee = float(rng.uniform(max(0.8, HEAD_M - STAND_M * rise), 1.8))
        slope = Slope(wall.start, wall.end, wall.inward, knee, rise)
        if all(slope.is_above(*_outline_of(room, hole)) for hole in room.openings):
            slopes.append(slope)
    paint = look.worn(_paint_of(room), rng)
    parts = tuple((s.part(room.height, paint), WALL) for s in slopes)
    return replace(room, structure=(*room.structure, *parts), slopes=tuple(slopes))


def _outline_of(room: Room, hole: Opening) -> tuple[np.ndarray, float]:
    """Return the (4, 2) footprint (m) of a door or window, its open leaf too, and its top (m)."""
    wall = room.walls[hole.wall]
    at = wall.start + wall.along * hole.middle - wall.inward * room.thick / 2
    placed = Placed.at(hole.model, at, hole.sill, wall.facing)
    return footprint(placed), hole.sill + hole.model.size[2]


def _paint_of(room: Room) -> Material:
    return next(part.material for part, semantic in room.structure if semantic == WALL)


def _pillars(
    room: Room, placed: Sequence[Placed], paint: Material, rng: np.random.Generator
) -> Structure:
    """Return pillars, free or at a wall."""
    taken = np.array([footprint(p, 0.03) for p in placed])
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    doors = [_middle(room, h) for h in room.openings if h.model.class_name == 'door']
    found: Structure = []
    for _ in range(TRIES):
        side, deep = rng.uniform(*PILLAR_M, 2)
        at, yaw = rng.uniform(low + 0.3, high - 0.3), 0.0
        if rng.random() < 0.6:
            wall = room.walls[int(rng.integers(len(room.walls)))]
            at = wall.start + wall.along * rng.uniform(0, wall.length) + wall.inward * deep / 2
            yaw = wall.facing
        c, s = np.cos(yaw), np.sin(yaw)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * (side, deep)
        corners = corners @ np.array([[c, s], [-s, c]]) + at
        near_door = any(np.hypot(*(at - door)) < DOOR_CLEAR_M for door in doors)
        inside = room.contains((corners - at) * 0.98 + at).all()
        if near_door or not inside or (len(taken) and overlap(corners, taken).any()):
            continue
        if rng.random() < 0.3:
            part = cylinder(min(side, deep) / 2, room.height, (*at, 0), paint)
        else:
            block = box((side, deep, room.height), (0, 0, room.height / 2), paint)
            part = block.moved((*at, 0), yaw)
        found.append((part, WALL))
        if len(found) > 1 or rng.random() < 0.6:
            break
    return found


def _middle(room: Room, hole: Opening) -> np.ndarray:
    wall = room.walls[hole.wall]
    return wall.start + wall.along * hole.middle


def _next_room(room: Room, hole: Opening, rng: np.random.Generator) -> Structure:
    """Return floor and walls seen through an open door; none where the room itself is there."""
    wall = room.walls[hole.wall]
    wide, deep = rng.uniform(1.0, 2.6), rng.uniform(0.9, 3.0)
    aside = rng.uniform(-0.5, 0.5) * max(0.0, wide - hole.width)
    left = hole.middle + aside - wide / 2
    grid = np.stack(np.meshgrid(np.linspace(0, wide, 7), np.linspace(0.05, deep, 7)), -1)
    grid = grid.reshape(-1, 2)
    out = grid[:, 1:] + room.thick
    if room.contains(wall.start + (left + grid[:, :1]) * wall.along - out * wall.inward).any():
        return []
    high, thick = room.height, room.thick
    paint, cover = look.paint(rng), look.flooring(rng)
    middle = left + wide / 2
    behind = -thick - deep
    boards = [
        (box((wide, deep + thick, 0.05), (middle, behind / 2, -0.025), cover), FLOOR),
        (box((wide, 0.05, high), (middle, behind - 0.025, high / 2), paint), WALL),
        (box((0.05, deep, high), (left - 0.025, behind / 2 - thick / 2, high / 2), paint), WALL),
        (
            box(
                (0.05, deep, high), (left + wide + 0.025, behind / 2 - thick / 2, high / 2), paint
            ),
            WALL,
        ),
    ]
    yaw = float(np.arctan2(wall.along[1], wall.along[0]))
    return [(part.moved((*wall.start, 0), yaw), semantic) for part, semantic in boards]
