"""The ways in which things come to stand on, in, under and against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.resting import NEXT_TO, RestingFurnisher, turned_size
from rescene4d_ros.synthetic_rooms.furniture import Model
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed

# Built-in furniture of one row is of one design, mostly.
ONE_DESIGN = 0.7
# What hangs lower reaches the floor.
LOW_M = 0.16
PARENTS = 8
# Mostly what carries nothing yet gets the next thing.
BARE_FIRST = 0.6
# Things are pushed along what they stand against until they meet the next one, mostly.
PUSHED = 0.7
PUSHED_IN = 0.75
PUSH_STEP_M = 0.03
MOST_STEPS = 25


class ContactFurnisher(RestingFurnisher):
    """
    Put models on, in, under and against others; see `Furnisher`.

    Places 'on X', 'in X', 'under X', 'against X', 'row X' and 'face X' are found here; X are
    kinds, 'any', or '#' and an instance id.
    """

    def __init__(self, plan, config, rng, next_id: int = 1):
        """Keep the plan to be filled."""
        super().__init__(plan, config, rng, next_id)
        self._ways['top'] = lambda model, kind: self._near(model, 'on any', kind)
        self._ways['wall'] = self._at_wall_or_side
        self._ways['floor'] = self._anywhere

    def _near(self, model: Model, near: str, kind: str) -> Iterator[Placed]:
        relation, makers = near.split(' ', 1)
        way = {
            'on': self._rest_on,
            'in': self._in_shelf,
            'under': self._under,
            'against': self._against,
            'row': self._in_row,
            'face': self._on_face,
            'beside': self._in_row,
        }.get(relation)
        if way is None:
            yield from super()._near(model, near, kind)
            return
        parents = self._parents(makers)
        if relation in ('on', 'in') and self.rng.random() < BARE_FIRST:
            carriers = {p.parent for p in self.plan.placed.values()}
            parents.sort(key=lambda p: p.instance_id in carriers)
        for parent in parents[:PARENTS]:
            yield from way(model, parent, kind)

    def _parents(self, makers: str) -> list[Placed]:
        if makers == 'any':
            found = [p for p in self.plan.placed.values() if p.model.place != 'opening']
            return [found[i] for i in self.rng.permutation(len(found))]
        if makers.startswith('#'):
            return [self.plan.placed[int(makers[1:])]]
        return super()._parents(makers)

    def _at_wall_or_side(self, model: Model, kind: str) -> Iterator[Placed]:
        if self.rng.random() < NEXT_TO:
            beside = [p for p in self.plan.placed.values() if p.model.place == 'wall']
            for i in self.rng.permutation(len(beside))[:4]:
                yield from self._in_row(model, beside[i], kind)
        for placed in self._at_wall(model, kind):
            # Close to the wall: skirting and cable, no more.
            off = self.rng.uniform(0.0, 0.02)
            x = placed.x + off * np.sin(placed.yaw)
            y = placed.y - off * np.cos(placed.yaw)
            yield replace(placed, x=float(x), y=float(y))

    def _anywhere(self, model: Model, kind: str) -> Iterator[Placed]:
        if max(model.size[:2]) < 0.8 and self.rng.random() < 0.8:
            yield from self._near(model, 'against any', kind)
            yield from self._along_wall(model, kind)
        yield from self._on_floor(model, kind)
        yield from self._along_wall(model, kind)

    def _along_wall(self, model: Model, kind: str) -> Iterator[Placed]:
        """Let a thing stand or lean anywhere at a wall."""
        for placed in self._at_wall(model, kind):
            turn = np.pi / 2 * self.rng.integers(4) + self.rng.normal(0, 0.15)
            if abs(model.size[0] - model.size[1]) < 0.3 or turn < 0.8:
                yield replace(placed, yaw=float(placed.yaw + turn))

    def _in_row(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Stand flush beside another thing, backs in one plane."""
        is_twin = model.name == parent.model.name and not parent.model.joints
        if is_twin and model.liveliness < 0.2 and self.rng.random() < ONE_DESIGN:
            model = parent.model
        for side in self.rng.permutation([-1, 1]):
            yield flush_beside(model, parent, side, kind, self.rng.uniform(0.0, 0.012))

    def _under(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Stand on the floor below a table, desk or bed."""
        w, d, h = parent.model.size
        if model.size[2] > 0.75 * h or parent.z > 0.1:
            return
        for _ in range(4):
            at = parent.to_room(tuple(self.rng.uniform(-0.38, 0.38, 2) * (w, d)))
            yaw = float(parent.yaw + np.pi / 2 * self.rng.integers(4) + self.rng.normal(0, 0.1))
            yield Placed.at(model, at, 0.0, yaw, kind, parent.instance_id)

    def _against(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Stand on the floor touching a side of another thing."""
        if parent.z > LOW_M or parent.model.size[2] < LOW_M:
            return
        for _ in range(3):
            # Left, right or front; from the room a seam at a side is seen.
            way = int(self.rng.choice(3, p=(0.4, 0.4, 0.2)))
            turn = float(np.pi / 2 * self.rng.integers(4) + self.rng.normal(0, 0.06))
            if model.name == 'leaning board':
                turn = float((np.pi / 2, -np.pi / 2, 0.0)[way] + self.rng.normal(0, 0.03))
            w, d = turned_size(model, turn)
            gap = self.rng.uniform(-0.005, 0.012)
            if way < 2:
                x = (2 * way - 1) * (parent.model.size[0] / 2 + w / 2 + gap)
                y = self.rng.uniform(-0.5, 0.5) * parent.model.size[1]
            else:
                x = self.rng.uniform(-0.5, 0.5) * parent.model.size[0]
                y = parent.model.size[1] / 2 + d / 2 + gap
            placed = Placed.at(
                model, parent.to_room((x, y)), model.mount, float(parent.yaw + turn), kind
            )
            yield self._pushed(placed, parent, along_y=way < 2)

    def _on_face(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Hang at the front of a high cupboard."""
        spare = parent.model.size[2] - model.size[2] - 0.05
        fits = spare > 0.2 and model.size[0] < parent.model.size[0] + 0.05
        if parent.model.joints or parent.model.tops or parent.z > LOW_M or not fits:
            return
        for _ in range(2):
            x = self.rng.uniform(-0.3, 0.3) * parent.model.size[0]
            y = (parent.model.size[1] + model.size[1]) / 2
            z = parent.z + self.rng.uniform(0.5, 1.0) * spare
            at = parent.to_room((x, y))
            yield Placed.at(model, at, z, parent.yaw, kind, parent.instance_id)

    def _pushed(self, placed: Placed, parent: Placed, along_y: bool) -> Placed:
        """Return a thing pushed along a side of `parent` as far as there is room."""
        if self.rng.random() >= PUSHED or not self.plan.fits(placed):
            return placed
        angle = parent.yaw + np.pi / 2 * along_y
        sign = self.rng.choice([-1, 1])
        dx, dy = (sign * PUSH_STEP_M * f(angle) for f in (np.cos, np.sin))
        for _ in range(MOST_STEPS):
            further = replace(placed, x=float(placed.x + dx), y=float(placed.y + dy))
            if not self.plan.fits(further):
                break
            placed = further
        return placed

    def _before_window(self, model: Model, kind: str) -> Iterator[Placed]:
        """Hang a curtain close to its window."""
        for placed in super()._before_window(model, kind):
            off = self.rng.uniform(0.09, 0.13)
            x = placed.x + off * np.sin(placed.yaw)
            y = placed.y - off * np.cos(placed.yaw)
            yield replace(placed, x=float(x), y=float(y))

    def _around(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Push chairs under their table, most of them."""
        for x, y, facing in self._seats(parent, model):
            # Pushed in, the back of a chair is at the edge of the table.
            pushed = self.rng.random() < PUSHED_IN
            tuck = model.size[1] - 0.1 if pushed else 0.0
            tuck += self.rng.uniform(0.03, 0.09) if pushed else self.rng.uniform(-0.25, 0.2)
            out = np.array([np.cos(facing), np.sin(facing)])
            at = np.array([x, y]) + out * (model.size[1] / 2 - tuck)
            yaw = parent.yaw + facing + np.pi / 2 + self.rng.normal(0, 0.12)
            place = parent.to_room(tuple(at))
            yield Placed.at(model, place, model.mount, float(yaw), kind, parent.instance_id)


def flush_beside(model: Model, parent: Placed, side: int, kind: str, gap: float = 0.0) -> Placed:
    """Return a model on side -1 or 1 of another thing, `gap` (m) from it, backs in one plane."""
    x = side * ((parent.model.size[0] + model.size[0]) / 2 + gap)
    y = (model.size[1] - parent.model.size[1]) / 2
    return Placed.at(model, parent.to_room((x, y)), model.mount, parent.yaw, kind)
