"""The ways in which things come to stand on, in, under and against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.drape import DRAPED, draped
from rescene4d_ros.synthetic_rooms.clutter.relief import Relief
from rescene4d_ros.synthetic_rooms.furniture import Model
from rescene4d_ros.synthetic_rooms.layout.arrangement import Furnisher
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed

# Of what stands on something, so much of its floor must be supported.
SUPPORT = 0.7
SOFT_SUPPORT = 0.65
# Built-in furniture of one row is of one design, mostly.
ONE_DESIGN = 0.7
SOFT = ('pillow', 'clothes heap', 'handbag', 'toy', 'backpack', 'sack')
# Soft things press into what carries them, or are pressed.
SINK_M = (0.005, 0.035)
HIGHEST_REST_M = 2.2
# What hangs lower reaches the floor.
LOW_M = 0.16
TRIES = 12
PARENTS = 8
# Mostly what carries nothing yet gets the next thing.
BARE_FIRST = 0.6
NEXT_TO = 0.85
# Things are pushed along what they stand against until they meet the next one, mostly.
PUSHED = 0.7
PUSHED_IN = 0.75
PUSH_STEP_M = 0.03
MOST_STEPS = 25


class ContactFurnisher(Furnisher):
    """
    Put models on, in, under and against others; see `Furnisher`.

    Places 'on X', 'in X', 'under X', 'against X' and 'row X' are found here; X are kinds, 'any',
    or '#' and an instance id.
    """

    def __init__(self, plan, config, rng, next_id: int = 1):
        """Keep the plan to be filled."""
        super().__init__(plan, config, rng, next_id)
        self._ways['top'] = lambda model, kind: self._near(model, 'on any', kind)
        self._ways['wall'] = self._at_wall_or_side
        self._ways['floor'] = self._anywhere
        self._reliefs: dict[int, tuple[Model, Relief]] = {}

    def _near(self, model: Model, near: str, kind: str) -> Iterator[Placed]:
        relation, makers = near.split(' ', 1)
        way = {
            'on': self._rest_on,
            'in': self._in_shelf,
            'under': self._under,
            'against': self._against,
            'row': self._in_row,
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

    def _relief(self, model: Model) -> Relief:
        # The model is kept along, so that its id is not given to another one.
        if id(model) not in self._reliefs:
            self._reliefs[id(model)] = (model, Relief.of(model))
        return self._reliefs[id(model)][1]

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
            gap = self.rng.uniform(0.0, 0.012)
            x = side * (parent.model.size[0] / 2 + model.size[0] / 2 + gap)
            y = -parent.model.size[1] / 2 + model.size[1] / 2
            yield Placed.at(model, parent.to_room((x, y)), model.mount, parent.yaw, kind)

    def _rest_on(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Stand or lie on another thing, beside what is there already."""
        if parent.model.name == 'window':
            yield from self._on_sill(model, parent, kind)
        if parent.model.place in ('opening', 'hang') and not parent.model.tops:
            return
        relief = self._relief(parent.model)
        soft = model.name in SOFT
        siblings = [
            p for p in self.plan.placed.values() if p.parent == parent.instance_id and p.z > 0.2
        ]
        span = np.array(relief.height.shape) * 0.02
        for _ in range(TRIES):
            turn = self.rng.normal(0, 0.2) + np.pi / 2 * self.rng.integers(4)
            w, d = _turned_size(model, turn)
            if siblings and self.rng.random() < NEXT_TO:
                x, y = self._next_to(siblings, parent, w, d)
            else:
                x, y = relief.low + span * self.rng.random(2)
            if model.name in DRAPED:
                yield from self._drape(model, parent, (x, y, float(turn)), kind)
                continue
            rest = relief.rest_softly if soft else relief.rest
            z, share = rest(x, y, 0.9 * w, 0.9 * d)
            if (
                share < (SOFT_SUPPORT if soft else SUPPORT)
                or not 0.1 < parent.z + z < HIGHEST_REST_M
            ):
                continue
            if soft:
                z -= min(self.rng.uniform(*SINK_M), 0.3 * model.size[2])
            at = parent.to_room((x, y))
            yaw = float(parent.yaw + turn)
            yield Placed.at(model, at, parent.z + z, yaw, kind, parent.instance_id)

    def _drape(
        self, model: Model, parent: Placed, at: tuple[float, float, float], kind: str
    ) -> Iterator[Placed]:
        """Lay cloth on another thing, at x, y (m) and turned (rad) in its frame."""
        found = draped(model, self._relief(parent.model), at[0], at[1], at[2], -parent.z)
        if found is not None:
            laid, origin = found
            z = float(parent.z + origin[2])
            place = parent.to_room((float(origin[0]), float(origin[1])))
            yaw = float(parent.yaw + at[2])
            yield Placed.at(laid, place, z, yaw, kind, parent.instance_id)

    def _on_sill(self, model: Model, window: Placed, kind: str) -> Iterator[Placed]:
        """Stand on the sill of a window, before its pane."""
        w, d, h = model.size
        spare = window.model.size[0] / 2 - w / 2 - 0.06
        deep = self.plan.room.thick / 2 + 0.06
        if spare <= 0 or d > deep + 0.05 or h > 0.6 * window.model.size[2]:
            return
        for _ in range(3):
            x, y = self.rng.uniform(-spare, spare), deep - d / 2 + 0.02
            at = window.to_room((x, y))
            z = window.z + 0.002
            yield Placed.at(model, at, z, window.yaw, kind, window.instance_id)

    def _next_to(self, siblings, parent, w: float, d: float) -> tuple[float, float]:
        """Return a place (m, in the frame of `parent`) that touches one of its things."""
        other = siblings[self.rng.integers(len(siblings))]
        pose = np.linalg.inv(parent.room_T_object) @ other.room_T_object
        ow, od = _turned_size(other.model, other.yaw - parent.yaw)
        way, sign, gap = (
            self.rng.random() < 0.6,
            self.rng.choice([-1, 1]),
            self.rng.uniform(0, 0.02),
        )
        dx = sign * ((w + ow) / 2 + gap) if way else self.rng.uniform(-0.3, 0.3) * ow
        dy = sign * ((d + od) / 2 + gap) if not way else self.rng.uniform(-0.3, 0.3) * od
        return float(pose[0, 3] + dx), float(pose[1, 3] + dy)

    def _in_shelf(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Stand on one of the boards of another thing."""
        w, d, h = model.size
        tops = [t for t in parent.model.tops if t.clear > h + 0.01 and t.x[1] - t.x[0] > w * 0.95]
        for _ in range(min(TRIES, 4 * len(tops))):
            top = tops[self.rng.integers(len(tops))]
            spare = max(0.0, top.x[1] - top.x[0] - w)
            x = top.x[0] + w / 2 + spare * self.rng.choice([0.0, 1.0, self.rng.random()])
            y = top.y[1] - max(d, 0.1) / 2 - self.rng.uniform(0.0, 0.06)
            at = parent.to_room((x, y))
            yield Placed.at(model, at, parent.z + top.z, parent.yaw, kind, parent.instance_id)

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
            way = int(self.rng.integers(3))  # left, right or front
            turn = float(np.pi / 2 * self.rng.integers(4) + self.rng.normal(0, 0.06))
            if model.name == 'leaning board':
                turn = float((np.pi / 2, -np.pi / 2, 0.0)[way] + self.rng.normal(0, 0.03))
            w, d = _turned_size(model, turn)
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
            tuck += self.rng.uniform(0.0, 0.07) if pushed else self.rng.uniform(-0.25, 0.2)
            out = np.array([np.cos(facing), np.sin(facing)])
            at = np.array([x, y]) + out * (model.size[1] / 2 - tuck)
            yaw = parent.yaw + facing + np.pi / 2 + self.rng.normal(0, 0.12)
            place = parent.to_room(tuple(at))
            yield Placed.at(model, place, model.mount, float(yaw), kind, parent.instance_id)


def _turned_size(model: Model, turn: float) -> tuple[float, float]:
    """Return width and depth (m) of the box around a model turned about z."""
    c, s = abs(np.cos(turn)), abs(np.sin(turn))
    w, d = model.size[:2]
    return float(c * w + s * d), float(s * w + c * d)
