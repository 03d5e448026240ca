"""Doors and frames in the color of their wall, as most are in homes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.structures import WALL
from rescene4d_ros.synthetic_rooms.furniture import Model
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.surfaces.material import Material, worn
from rescene4d_ros.synthetic_rooms.surfaces.mesh import Part

PAINTED = 0.5


def with_wall_colored_doors(room: Room, rng: np.random.Generator) -> Room:
    """Return the room with about half of its doors painted nearly as the walls."""
    paint = next(part.material for part, semantic in room.structure if semantic == WALL)
    holes = []
    for hole in room.openings:
        if hole.model.class_name == 'door' and rng.random() < PAINTED:
            hole = replace(hole, model=_painted(hole.model, worn(paint, rng)))
        holes.append(hole)
    return replace(room, openings=tuple(holes))


def _painted(model: Model, paint: Material) -> Model:
    """Return a model all of whose parts but those that shine have one paint."""
    twins = {id(p): p if p.material.dropout else replace(p, material=paint) for p in model.parts}

    def twin(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(twins.get(id(p), p) for p in parts)

    joints = tuple(replace(j, parts=twin(j.parts)) for j in model.joints)
    return replace(model, parts=twin(model.parts), joints=joints)
