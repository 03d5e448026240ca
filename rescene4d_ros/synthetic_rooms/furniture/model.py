"""One piece of furniture: its parts, its size, and how it likes to stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.synthetic_rooms.furniture.joint import Joint, Piece, pieces
from rescene4d_ros.synthetic_rooms.surfaces.mesh import Part


@dataclass(frozen=True)
class Top:
    """
    Hold a flat area of a model on which small things stand.

    Attributes
    ----------
    x, y : tuple of 2 float, m
        Ranges in the frame of the model.
    z : float, m
    clear : float, m
        Free height above it.

    """

    x: tuple[float, float]
    y: tuple[float, float]
    z: float
    clear: float = np.inf


@dataclass(frozen=True)
class Model:
    """
    Hold a model in its own frame: origin under its middle, back at -y, z up.

    Attributes
    ----------
    name : str
    class_id : int
        Index in INSTANCE_CLASSES.
    parts : tuple of Part
    size : tuple of 3 float, m
        Full extents; x in [-w/2, w/2], y in [-d/2, d/2], z in [0, h].
    place : str
        'wall' (back to a wall), 'floor' (anywhere), 'hang' (on a wall), 'top' (on furniture),
        'around' (at a table, front to it), 'slot' (in a counter's hole), 'tub' (over the front
        rim of a bathtub) or 'opening' (in a hole of the wall).
    mount : float, m
        Height of the lowest point above what it stands on; for hanging things above the floor.
    front : float, m
        Free floor wanted before it.
    tops : tuple of Top
    symmetric : bool
        Looks the same when turned about z.
    liveliness : float
        How readily it is moved between visits: 0 = never, 1 = as a chair.
    joints : tuple of J Joint
        How its shape changes; none: it is rigid.
    spread : Model or None
        Of cloth that follows what it lies on: the same cloth spread out.

    """

    name: str
    class_id: int
    parts: tuple[Part, ...]
    size: tuple[float, float, float]
    place: str
    mount: float = 0.0
    front: float = 0.0
    tops: tuple[Top, ...] = ()
    symmetric: bool = False
    liveliness: float = 1.0
    joints: tuple[Joint, ...] = ()
    spread: Model | None = None

    @property
    def class_name(self) -> str:
        """Return the class of the model in words."""
        return INSTANCE_CLASSES[self.class_id]

    @cached_property
    def reach(self) -> float:
        """Return the radius (m) of a circle around its footprint and the floor before it."""
        return float(np.hypot(*self.size[:2])) / 2 + self.front + 0.05

    def pieces(self, state: Sequence[float] = ()) -> list[Piece]:
        """Return its parts at the states (0..1) of its J joints; without: as it was made."""
        return pieces(self.parts, self.joints, state)


def build(
    name: str,
    class_name: str,
    parts: Iterable[Part],
    place: str,
    *,
    mount: float | None = None,
    front: float = 0.0,
    tops: Iterable[Top] = (),
    symmetric: bool = False,
    liveliness: float = 1.0,
    joints: Iterable[Joint] = (),
) -> Model:
    """
    Return a model of parts that may lie anywhere: the origin moves under their middle.

    Without `mount` the model keeps the height at which its parts were made (a hung sink).
    """
    parts = list(parts)
    every = np.concatenate([p.vertices for p in parts])
    low, high = every.min(axis=0), every.max(axis=0)
    shift = np.array([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
    if mount is None:
        mount = float(low[2]) if abs(low[2]) > 0.03 else 0.0
    moved_tops = tuple(
        Top(
            (t.x[0] + shift[0], t.x[1] + shift[0]),
            (t.y[0] + shift[1], t.y[1] + shift[1]),
            t.z + shift[2],
            t.clear,
        )
        for t in tops
    )
    parts, joints = shifted(parts, joints, shift)
    return Model(
        name,
        INSTANCE_CLASSES.index(class_name),
        parts,
        triple(high - low),
        place,
        mount,
        front,
        moved_tops,
        symmetric,
        liveliness,
        joints,
    )


def shifted(
    parts: Iterable[Part], joints: Iterable[Joint], shift: np.ndarray
) -> tuple[tuple[Part, ...], tuple[Joint, ...]]:
    """Return parts, and the joints of the same parts, shifted by (3,) metres."""
    parts = tuple(parts)
    moved = tuple(p.moved(shift) for p in parts)
    twins = {id(p): m for p, m in zip(parts, moved)}
    return moved, tuple(j.moved(shift, twins) for j in joints)


# Gives a model of the kinds 'a|b'; the only way in which rooms get furniture.
Draw = Callable[[str, np.random.Generator], Model]
