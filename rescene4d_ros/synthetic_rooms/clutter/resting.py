"""The ways in which things come to rest on and in others: boards, cushions, sills, shelves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.drape import DRAPED, draped
from rescene4d_ros.synthetic_rooms.clutter.relief import Relief
from rescene4d_ros.synthetic_rooms.furniture import Model
from rescene4d_ros.synthetic_rooms.layout.arrangement import Furnisher
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed

# Of what stands on something, so much of its floor must be supported.
SUPPORT = 0.7
SOFT_SUPPORT = 0.65
SOFT = ('pillow', 'clothes heap', 'handbag', 'toy', 'backpack', 'sack')
# Soft things press into what carries them, or are pressed.
SINK_M = (0.005, 0.035)
HIGHEST_REST_M = 2.2
# Radiators hang so low that things are laid on them.
LOWEST_HUNG_M = 0.3
TRIES = 12
NEXT_TO = 0.85


class RestingFurnisher(Furnisher):
    """Put models on and in others; see `Furnisher`."""

    def __init__(self, plan, config, rng, next_id: int = 1):
        """Keep the plan to be filled."""
        super().__init__(plan, config, rng, next_id)
        self._reliefs: dict[int, tuple[Model, Relief]] = {}

    def _relief(self, model: Model) -> Relief:
        # The model is kept along, so that its id is not given to another one.
        if id(model) not in self._reliefs:
            self._reliefs[id(model)] = (model, Relief.of(model))
        return self._reliefs[id(model)][1]

    def _rest_on(self, model: Model, parent: Placed, kind: str) -> Iterator[Placed]:
        """Stand or lie on another thing, beside what is there already."""
        if parent.model.name == 'window':
            yield from self._on_sill(model, parent, kind)
        hangs = parent.model.place == 'hang' and parent.z > LOWEST_HUNG_M
        if (parent.model.place == 'opening' or hangs) and not parent.model.tops:
            return
        relief = self._relief(parent.model)
        soft = model.name in SOFT
        siblings = [
            p for p in self.plan.placed.values() if p.parent == parent.instance_id and p.z > 0.2
        ]
        span = np.array(relief.height.shape) * 0.02
        for _ in range(TRIES):
            turn = self.rng.normal(0, 0.2) + np.pi / 2 * self.rng.integers(4)
            w, d = turned_size(model, turn)
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
        ow, od = turned_size(other.model, other.yaw - parent.yaw)
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


def turned_size(model: Model, turn: float) -> tuple[float, float]:
    """Return width and depth (m) of the box around a model turned about z."""
    c, s = abs(np.cos(turn)), abs(np.sin(turn))
    w, d = model.size[:2]
    return float(c * w + s * d), float(s * w + c * d)
