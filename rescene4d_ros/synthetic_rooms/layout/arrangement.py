"""Furnish a room: find a free place for each thing by the rules of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import Draw, Model, openings
from rescene4d_ros.synthetic_rooms.furniture.split import until_in_split
from rescene4d_ros.synthetic_rooms.layout.floorplan import Floorplan, Placed
from rescene4d_ros.synthetic_rooms.layout.room_recipes import EXTRAS, RECIPES
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room

TRIES = 40
SCREENS = ('monitor', 'television', 'microwave')


class Furnisher:
    """
    Put models into a room by their rules.

    Parameters
    ----------
    plan : Floorplan
        Changed in place.
    config : RoomsConfig
    rng : Generator
    next_id : int
        First instance id to give.

    """

    def __init__(
        self, plan: Floorplan, config: RoomsConfig, rng: np.random.Generator, next_id: int = 1
    ):
        """Keep the plan to be filled."""
        self.plan, self.config, self.rng, self.next_id = plan, config, rng, next_id
        # Makers of what arrives between visits.
        self.arrivals = EXTRAS[plan.room.kind] + '|box|bag|suitcase'
        self._ways: dict[str, Callable[[Model, str], Iterator[Placed]]] = {
            'wall': self._at_wall,
            'floor': self._on_floor,
            'around': self._on_floor,
            'hang': self._on_wall,
            'top': self._on_any_top,
        }

    def add(self, placed: Placed | None) -> Placed | None:
        """Take a found place into the plan under the next id."""
        if placed is None:
            return None
        placed = replace(placed, instance_id=self.next_id)
        self.next_id += 1
        self.plan.placed[placed.instance_id] = placed
        return placed

    def place(self, model: Model, near: str = '', kind: str = '') -> Placed | None:
        """Return a free place for `model`, or None; the plan stays as it is."""
        ways = self._near(model, near, kind) if near else self._ways[model.place](model, kind)
        return next((p for p in ways if self.plan.fits(p)), None)

    def _parents(self, makers: str) -> list[Placed]:
        found = [p for p in self.plan.placed.values() if p.kind == makers]
        if not found:
            wanted = set(makers.split('|'))
            found = [p for p in self.plan.placed.values() if wanted & set(p.kind.split('|'))]
        return [found[i] for i in self.rng.permutation(len(found))]

    def _near(self, model: Model, near: str, kind: str) -> Iterator[Placed]:
        relation, makers = near.split(' ', 1)
        way = {
            'on': self._on_top,
            'around': self._around,
            'front': self._in_front,
            'beside': self._beside,
            'slot': self._in_slot,
            'tub': self._over_tub,
        }[relation]
        for parent in self._parents(makers):
            yield from way(model, parent, kind)

    def _at_wall(self, model: Model, kind: str) -> Iterator[Placed]:
        w, d, _ = model.size
        for _ in range(TRIES):
            wall = self.plan.room.walls[self.rng.integers(len(self.plan.room.walls))]
            if wall.length < w + 0.05:
                continue
            side = self.rng.random()
            # A third of the furniture stands in a corner.
            share = round(side) if self.rng.random() < 0.35 else self.rng.random()
            s = w / 2 + 0.02 + share * (wall.length - w - 0.04)
            gap = 0.02 + self.rng.random() * 0.04 * (model.mount == 0)
            at = wall.start + wall.along * s + wall.inward * (d / 2 + gap)
            lean = self.rng.normal(0, 0.02) if model.liveliness > 0.3 else 0.0
            yield Placed.at(model, at, model.mount, wall.facing + lean, kind)

    def _on_floor(self, model: Model, kind: str) -> Iterator[Placed]:
        outline = self.plan.room.outline
        low, high, middle = outline.min(axis=0), outline.max(axis=0), outline.mean(axis=0)
        # Wide things in the middle are parallel to a wall, small ones lie as they fell.
        wide = max(model.size[:2]) > 0.8
        for _ in range(TRIES):
            at = self.rng.uniform(low, high)
            if wide:
                at = 0.5 * at + 0.5 * middle
                yaw = float(np.pi / 2 * self.rng.integers(4) + self.rng.normal(0, 0.03))
            else:
                yaw = self.rng.uniform(-np.pi, np.pi)
            yield Placed.at(model, at, model.mount, yaw, kind)

    def _on_wall(self, model: Model, kind: str) -> Iterator[Placed]:
        w, d, h = model.size
        if model.class_name == 'curtain':
            yield from self._before_window(model, kind)
            return
        for _ in range(TRIES):
            wall = self.plan.room.walls[self.rng.integers(len(self.plan.room.walls))]
            if wall.length < w + 0.1:
                continue
            s = w / 2 + 0.05 + self.rng.random() * (wall.length - w - 0.1)
            at = wall.start + wall.along * s + wall.inward * (d / 2 + 0.003)
            z = min(model.mount, self.plan.room.height - h - 0.05)
            yield Placed.at(model, at, z, wall.facing, kind)

    def _before_window(self, model: Model, kind: str) -> Iterator[Placed]:
        for hole in self.plan.room.openings:
            if hole.model.class_name != 'window':
                continue
            wall = self.plan.room.walls[hole.wall]
            width = min(hole.model.size[0] + self.rng.uniform(0.2, 0.5), wall.length - 0.25)
            top = min(hole.sill + hole.model.size[2] + 0.12, self.plan.room.height - 0.08)
            long = self.rng.random() < 0.6
            low = 0.03 if long else max(0.05, hole.sill - 0.15)
            made = self._fitted(openings.curtain, width, top - low - 0.04)
            at = wall.start + wall.along * hole.middle + wall.inward * (made.size[1] / 2 + 0.1)
            yield Placed.at(made, at, low, wall.facing, kind)

    def _fitted(self, make: Callable[..., Model], *sizes: float) -> Model:
        """Return a model made to measure, of the split's shapes."""
        return until_in_split(
            self.config.split, lambda: make(self.rng, *sizes), lambda model: model.size
        )

    def _on_any_top(self, model: Model, kind: str) -> Iterator[Placed]:
        for parent in self._parents(
            '|'.join(sorted({p.kind for p in self.plan.placed.values() if p.model.tops}))
        ):
            yield from self._on_top(model, parent, kind)

    def _on_top(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        w, d = model.size[:2]
        tops = [t for t in parent.model.tops if t.x[1] - t.x[0] > 0.05]
        for _ in range(8 if tops else 0):
            top = tops[self.rng.integers(len(tops))]
            spare = (top.x[1] - top.x[0] - w, top.y[1] - top.y[0] - d)
            if min(spare) < -0.12:
                continue
            x = (top.x[0] + top.x[1]) / 2 + self.rng.uniform(-0.5, 0.5) * max(0, spare[0])
            # Screens stand at the back of a desk, other things anywhere.
            back = 0.15 if model.name in SCREENS else self.rng.random()
            y = (top.y[0] + top.y[1]) / 2 + (back - 0.5) * max(0, spare[1])
            turn = self.rng.normal(0, 0.25) if min(spare) > 0.1 else self.rng.normal(0, 0.04)
            yield Placed.at(
                model,
                parent.to_room((x, y)),
                parent.z + top.z + 0.003,
                parent.yaw + turn,
                kind,
                parent.instance_id,
            )

    def _around(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        for x, y, facing in self._seats(parent, model):
            tuck = self.rng.uniform(-0.25, 0.2)
            out = np.array([np.cos(facing), np.sin(facing)])
            local = np.array([x, y]) + out * (model.size[1] / 2 - tuck)
            yaw = parent.yaw + facing + np.pi / 2 + self.rng.normal(0, 0.2)
            yield Placed.at(
                model,
                parent.to_room(tuple(local)),
                model.mount,
                float(yaw),
                kind,
                parent.instance_id,
            )

    def _seats(self, table: Placed, chair: Model) -> list[tuple[float, float, float]]:
        """Return (x, y, outward angle) of seats at a table or desk, in its frame."""
        w, d = table.model.size[:2]
        if table.model.class_name == 'desk':
            return [(self.rng.uniform(-0.12, 0.12) * w, d / 2, np.pi / 2) for _ in range(6)]
        if table.model.symmetric:
            start, count = self.rng.uniform(0, np.pi), max(2, int(np.pi * w / 0.75))
            angles = start + np.arange(count) * 2 * np.pi / count
            return [(w / 2 * np.cos(a), w / 2 * np.sin(a), float(a)) for a in angles]
        each = max(1, int(w / (chair.size[0] + 0.1)))
        xs = (np.arange(each) + 0.5) / each * w - w / 2
        seats = [(float(x), s * d / 2, s * np.pi / 2) for x in xs for s in (-1, 1)]
        seats += [(-w / 2, 0.0, np.pi), (w / 2, 0.0, 0.0)]
        order = self.rng.permutation(len(seats) - 2).tolist() + [len(seats) - 2, len(seats) - 1]
        return [seats[i] for i in order]

    def _in_front(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        for _ in range(8):
            y = parent.model.size[1] / 2 + model.size[1] / 2 + self.rng.uniform(0.25, 0.55)
            x = self.rng.uniform(-0.15, 0.15) * parent.model.size[0]
            yield Placed.at(
                model,
                parent.to_room((x, y)),
                model.mount,
                parent.yaw + self.rng.normal(0, 0.05),
                kind,
            )

    def _beside(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        for side in self.rng.permutation([-1, 1]):
            x = side * (parent.model.size[0] / 2 + model.size[0] / 2 + self.rng.uniform(0.04, 0.1))
            y = -parent.model.size[1] / 2 + model.size[1] / 2 + self.rng.uniform(0.0, 0.05)
            yield Placed.at(model, parent.to_room((x, y)), model.mount, parent.yaw, kind)

    def _in_slot(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        for top in parent.model.tops:
            if top.x[0] == top.x[1]:
                at = parent.to_room((top.x[0], top.y[0]))
                yield Placed.at(
                    model, at, parent.z + top.z + model.mount, parent.yaw, kind, parent.instance_id
                )

    def _over_tub(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        at = parent.to_room((0.0, parent.model.size[1] / 2 + 0.02))
        made = self._fitted(openings.shower_curtain, parent.model.size[0])
        yield Placed.at(made, at, model.mount, parent.yaw, kind, parent.instance_id)


def furnish(
    room: Room, target: int, config: RoomsConfig, rng: np.random.Generator, draw: Draw
) -> tuple[Floorplan, int]:
    """
    Fill a room with about `target` objects, whose models `draw` gives.

    Returns
    -------
    plan : Floorplan
    next_id : int
        First unused instance id.

    """
    plan = Floorplan(room)
    work = Furnisher(plan, config, rng)
    for hole in room.openings:
        wall = room.walls[hole.wall]
        at = wall.start + wall.along * hole.middle - wall.inward * room.thick / 2
        work.add(Placed.at(hole.model, at, hole.sill, wall.facing, hole.model.class_name))
    for step in RECIPES[room.kind]:
        count = int(rng.integers(step.low, step.high + 1))
        model = None
        twin = rng.random() < config.p_twin
        for _ in range(count):
            if len(plan.placed) >= target:
                break
            if model is None or not twin or step.near.split(' ')[0] != 'around':
                model = draw(step.makers, rng)
            if model.place in ('slot', 'tub') and not step.near:
                continue
            work.add(work.place(model, step.near, step.makers))
    failures, most = 0, max(config.max_failures, round(config.failures_per_object * target))
    while len(plan.placed) < target and failures < most:
        makers = EXTRAS[room.kind]
        model = draw(makers, rng)
        found = work.add(work.place(model, '', makers))
        failures += found is None
    return plan, work.next_id
