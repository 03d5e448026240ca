"""What real walls have: panels, beams, boxed pipes, switches, a ceiling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.structures import FLOOR, WALL
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room, Wall
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, Part

P_CEILING, P_PANELS, P_BEAM, P_PIPE = 0.7, 0.3, 0.3, 0.35
FLOOR_M = 0.05


def with_wall_details(room: Room, rng: np.random.Generator) -> Room:
    """Return the room with details that count as wall, as people annotate them."""
    parts: list[Part] = []
    paint, trim = look.paint(rng), look.wood(rng)
    if rng.random() < P_CEILING:
        floors = [part for part, semantic in room.structure if semantic == FLOOR]
        lift = (0, 0, room.height + FLOOR_M)
        white = look.paint(rng)
        parts += [replace(p.moved(lift), material=white) for p in floors]
    panels = trim if rng.random() < P_PANELS else None
    for k, wall in enumerate(room.walls):
        is_whole = all(hole.wall != k for hole in room.openings)
        if panels is not None and is_whole and wall.length > 1.0:
            parts += _panels(wall, float(rng.uniform(0.8, 1.4)), panels, rng)
        if rng.random() < P_BEAM:
            side = float(rng.uniform(0.1, 0.3))
            size = (wall.length, side, side)
            parts.append(_at(wall, box(size, (wall.length / 2, side / 2, 0), paint), room.height))
        if rng.random() < P_PIPE:
            side = float(rng.uniform(0.08, 0.24))
            size = (side, side, room.height)
            parts.append(_at(wall, box(size, (side / 2, side / 2, room.height / 2), paint), 0.0))
        for _ in range(int(rng.integers(0, 3))):
            at = float(rng.uniform(0.1, 0.9)) * wall.length
            z = float(rng.choice([0.25, 1.1]))
            parts.append(_at(wall, box((0.09, 0.016, 0.09), (at, 0.008, 0), trim), z))
    return replace(room, structure=(*room.structure, *((p, WALL) for p in parts)))


def _at(wall: Wall, part: Part, z: float) -> Part:
    """Return a part made along x from a wall's start, inwards along y, where it belongs."""
    yaw = float(np.arctan2(wall.along[1], wall.along[0]))
    return part.moved((*wall.start, z), yaw)


def _panels(
    wall: Wall, height: float, wood: look.Material, rng: np.random.Generator
) -> list[Part]:
    """Return boards on the lower part of a wall, with grooves between them."""
    each = float(rng.uniform(0.1, 0.5))
    count = max(2, round(wall.length / each))
    each = wall.length / count
    return [
        _at(
            wall,
            box((each - 0.012, 0.014, height), (each * (k + 0.5), 0.007, height / 2), wood),
            0,
        )
        for k in range(count)
    ]
