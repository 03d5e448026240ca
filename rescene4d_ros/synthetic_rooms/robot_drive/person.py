"""A person who walks through the room while the robot drives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.structures import UNLABELED
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import Surface
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import on_grid
from rescene4d_ros.synthetic_rooms.surfaces.material import Material
from rescene4d_ros.synthetic_rooms.surfaces.mesh import cylinder, Part

CLOTHES = Material((0.15, 0.2, 0.45), (0.15, 0.2, 0.45))
SKIN = Material((0.75, 0.55, 0.45), (0.75, 0.55, 0.45))
STRIDE = 0.22  # m; how far a foot is before the middle


def body(swing: float) -> list[Part]:
    """Return legs, trunk and head that stand at the origin; `swing` of the legs is -1..1."""
    legs = [
        cylinder(0.08, 0.85, (STRIDE * side * swing, 0.1 * side, 0.0), CLOTHES) for side in (-1, 1)
    ]
    trunk = cylinder(0.17, 0.65, (0.0, 0.0, 0.8), CLOTHES)
    return [*legs, trunk, cylinder(0.1, 0.26, (0.0, 0.0, 1.47), SKIN)]


def with_person(surface: Surface, place: np.ndarray, heading: float, swing: float) -> Surface:
    """
    Return a surface with a person added, who belongs to no object.

    Parameters
    ----------
    surface : Surface
    place : ndarray (2,), m, in room
    heading : float, rad
    swing : float
        Of the legs, -1..1.

    """
    c, s = np.cos(heading), np.sin(heading)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    parts = body(swing)
    offsets = np.cumsum([len(surface.vertices), *(len(p.vertices) for p in parts)])
    local = np.concatenate([p.vertices for p in parts])
    faces = [p.faces + offset for p, offset in zip(parts, offsets)]
    material = np.repeat(
        len(surface.materials) + np.arange(len(parts)), [len(p.faces) for p in parts]
    )
    none = np.zeros(len(material), np.int32)
    return replace(
        surface,
        vertices=np.concatenate([surface.vertices, on_grid(local @ turn.T + (*place, 0.0))]),
        local=np.concatenate([surface.local, on_grid(local)]),
        faces=np.concatenate([surface.faces, *faces]),
        material=np.concatenate([surface.material, material.astype(np.int32)]),
        instance=np.concatenate([surface.instance, none]),
        semantic=np.concatenate([surface.semantic, none + UNLABELED]),
        materials=(*surface.materials, *(p.material for p in parts)),
    )
