"""The empty room: outline, walls with holes for doors and windows, floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rescene4d_ros.structures import FLOOR, UNLABELED, WALL
from rescene4d_ros.synthetic_rooms.furniture import Model, openings
from rescene4d_ros.synthetic_rooms.furniture.split import until_in_split
from rescene4d_ros.synthetic_rooms.layout.corners import (
    floor_shape,
    FloorShape,
    reflex_corners,
    with_niche,
)
from rescene4d_ros.synthetic_rooms.layout.slopes import Slope
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, Part, prism

# Range of floor areas in square metres.
AREAS = {
    'living': (13, 24),
    'bedroom': (9, 17),
    'office': (10, 22),
    'kitchen': (8, 15),
    'bath': (5, 9),
    'meeting': (13, 25),
}


@dataclass(frozen=True)
class Wall:
    """
    Hold one wall.

    Attributes
    ----------
    start, end : ndarray (2,), m
        Inner edge on the floor, counter-clockwise around the room.
    inward : ndarray (2,)
        Unit normal into the room.

    """

    start: np.ndarray
    end: np.ndarray
    inward: np.ndarray

    @property
    def length(self) -> float:
        """Return the length in metres."""
        return float(np.linalg.norm(self.end - self.start))

    @property
    def along(self) -> np.ndarray:
        """Return the unit direction from start to end."""
        return (self.end - self.start) / self.length

    @property
    def facing(self) -> float:
        """Return the yaw (rad) of a model whose back is to the wall."""
        return float(np.arctan2(self.inward[1], self.inward[0]) - np.pi / 2)


@dataclass(frozen=True)
class Opening:
    """
    Hold a door or window and its hole.

    Attributes
    ----------
    model : Model
    wall : int
    middle : float, m
        Along the wall from its start.
    sill, width, height : float, m
        Of the hole.

    """

    model: Model
    wall: int
    middle: float
    sill: float
    width: float
    height: float


@dataclass(frozen=True)
class Room:
    """
    Hold an empty room in its own frame: floor at z = 0.

    Attributes
    ----------
    kind : str
    outline : ndarray (P, 2), m
        Inner corners, counter-clockwise.
    height, thick : float, m
        Of the walls.
    walls : tuple of Wall
    openings : tuple of Opening
    structure : tuple of (Part, int)
        Parts with their semantic class.
    slopes : tuple of Slope
        Below which things must stay; their surfaces are in `structure`.

    """

    kind: str
    outline: np.ndarray
    height: float
    thick: float
    walls: tuple[Wall, ...]
    openings: tuple[Opening, ...]
    structure: tuple[tuple[Part, int], ...]
    slopes: tuple[Slope, ...] = ()

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return which of the (N, 2) points (m) are inside the outline."""
        start, end, run, rise = self._sides
        x, y = points[:, None, 0], points[:, None, 1]
        crosses = (start[1] > y) != (end[1] > y)
        at = start[0] + (y - start[1]) * run / rise
        return (crosses & (x < at)).sum(axis=1) % 2 == 1

    @cached_property
    def _sides(self) -> tuple[np.ndarray, ...]:
        """Return starts (2, P) and ends (2, P) of the sides, how far they run and rise (P,), m."""
        start, end = self.outline.T, np.roll(self.outline, -1, axis=0).T
        run, rise = end - start
        return start, end, run, np.where(rise == 0, 1.0, rise)


def make_room(
    kind: str,
    crowd: int,
    rng: np.random.Generator,
    split: str = 'any',
    niche: np.random.Generator | None = None,
    more_doors: int = 0,
) -> Room:
    """
    Make an empty room.

    Parameters
    ----------
    kind : str
        One of ROOM_TYPES.
    crowd : int
        Number of objects that must find place; many need a larger room.
    rng : Generator
    split : str
        Whose shapes doors and windows have, see `furniture.split`.
    niche : Generator, optional
        Decides about a niche; without one there is none.
    more_doors : int
        Than the usual one or two, where walls have room for them.

    """
    area = rng.uniform(*AREAS[kind]) * max(1.0, crowd / 24)
    aspect = rng.uniform(1.0, 1.65)
    width, depth = np.sqrt(area * aspect), np.sqrt(area / aspect)
    cut = None
    if kind != 'bath' and rng.random() < 0.35:
        cut = width * rng.uniform(0.25, 0.45), depth * rng.uniform(0.25, 0.45)
    shape = floor_shape(width, depth, cut)
    if niche is not None:
        shape = with_niche(shape, niche)
    outline = shape.outline
    height, thick = rng.uniform(2.4, 3.0), rng.uniform(0.1, 0.25)
    walls = []
    for start, end in zip(outline, np.roll(outline, -1, axis=0)):
        along = (end - start) / np.linalg.norm(end - start)
        walls.append(Wall(start, end, np.array([-along[1], along[0]])))
    holes = _cut(walls, height, thick, kind, rng, split, more_doors)
    structure = _floor(shape, rng)
    paint, accent, skirting = look.paint(rng), look.paint(rng), look.wood(rng)
    special = rng.integers(len(walls)) if rng.random() < 0.3 else -1
    # A wall fills the corner it makes with the next one, unless that points into the room.
    past = np.where(reflex_corners(outline), 0.0, thick)
    for k, wall in enumerate(walls):
        mine = [h for h in holes if h.wall == k]
        ends = (past[k], past[(k + 1) % len(walls)])
        structure += _wall_parts(
            wall, height, thick, ends, mine, accent if k == special else paint, skirting
        )
    return Room(kind, outline, height, thick, tuple(walls), tuple(holes), tuple(structure))


def _cut(
    walls: Sequence[Wall],
    height: float,
    thick: float,
    kind: str,
    rng: np.random.Generator,
    split: str,
    more_doors: int,
) -> list[Opening]:
    """Choose where doors and windows are."""
    holes: list[Opening] = []
    taken: dict[int, list[tuple[float, float]]] = {}

    def cut(make, width: float, tall: float, sill: float) -> None:
        for k in rng.permutation(len(walls)):
            room = walls[k].length - width - 0.3
            if room <= 0:
                continue
            middle = 0.15 + width / 2 + rng.random() * room
            low, high = middle - width / 2 - 0.25, middle + width / 2 + 0.25
            if all(high < a or low > b for a, b in taken.get(k, [])):
                taken.setdefault(k, []).append((low, high))
                holes.append(
                    Opening(make(rng, width, tall, thick), int(k), middle, sill, width, tall)
                )
                return

    def sized(draw_size) -> tuple[float, float]:
        return until_in_split(split, draw_size, lambda size: size)

    for _ in range(1 + more_doors + int(rng.random() < 0.2)):
        wide, tall = sized(lambda: (rng.uniform(0.8, 1.0), rng.uniform(1.98, 2.1)))
        cut(openings.door, wide, tall, 0.0)
    wanted = rng.integers(0, 2) if kind == 'bath' else rng.integers(1, 4)
    sill = rng.uniform(0.75, 1.0) if rng.random() < 0.85 else 0.1
    tall = min(rng.uniform(1.1, 1.6), height - sill - 0.2)
    widths = (0.6, 0.9) if kind == 'bath' else (0.8, 2.0)
    for _ in range(wanted):
        wide, _ = sized(lambda: (rng.uniform(*widths), tall))
        cut(openings.window, wide, tall, sill)
    return holes


def _floor(shape: FloorShape, rng: np.random.Generator) -> list[tuple[Part, int]]:
    """Return the floor, with a rug now and then."""
    cover = look.flooring(rng)
    low, high = shape.outline.min(axis=0) - 0.05, shape.outline.max(axis=0) + 0.05
    parts = [(prism(piece, -0.05, 0.0, cover), FLOOR) for piece in shape.pieces]
    if rng.random() < 0.35:
        size = (high - low) * rng.uniform(0.25, 0.5, 2)
        middle = (low + high) / 2 - (high - low) * rng.uniform(0, 0.12, 2)
        parts.append((box((*size, 0.016), (*middle, 0.008), look.fabric(rng)), UNLABELED))
    return parts


def _wall_parts(
    wall: Wall,
    height: float,
    thick: float,
    past: tuple[float, float],
    holes: Sequence[Opening],
    paint: look.Material,
    skirting: look.Material,
) -> list[tuple[Part, int]]:
    """Return the slabs of a wall around its holes, reaching `past` its ends, and its skirting."""
    yaw = float(np.arctan2(wall.along[1], wall.along[0]))
    parts = []

    def slab(left: float, right: float, low: float, high: float) -> None:
        if right - left < 1e-6 or high - low < 1e-6:
            return
        part = box(
            (right - left, thick, high - low),
            ((left + right) / 2, -thick / 2, (low + high) / 2),
            paint,
        )
        parts.append((part.moved((*wall.start, 0), yaw), WALL))
        if low == 0:
            inner_left, inner_right = max(left, 0.0), min(right, wall.length)
            board = box(
                (inner_right - inner_left, 0.015, 0.08),
                ((inner_left + inner_right) / 2, 0.0075, 0.04),
                skirting,
            )
            parts.append((board.moved((*wall.start, 0), yaw), WALL))

    at = -past[0]
    for hole in sorted(holes, key=lambda h: h.middle):
        half = hole.width / 2
        slab(at, hole.middle - half, 0.0, height)
        slab(hole.middle - half, hole.middle + half, 0.0, hole.sill)
        slab(hole.middle - half, hole.middle + half, hole.sill + hole.height, height)
        at = hole.middle + half
    slab(at, wall.length + past[1], 0.0, height)
    return parts
