"""A floor plan in which things may touch."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.layout.floorplan import Floorplan, footprint, overlap, Placed

# Boxes may overlap by so much: soft things and what reaches over rims do.
GIVE_M = 0.018
# Of what can be moved: bags, chairs and plants do not fill their boxes.
MOVABLE_GIVE_M = 0.035
MOVABLE = 0.4
# Share of the free floor before furniture that is kept in a full room.
FRONT_SHARE = 0.45


class ContactPlan(Floorplan):
    """Keep things apart only as far as they cannot be in one place."""

    def blockers(self, candidate: Placed, ignore: frozenset[int] = frozenset()) -> list[int]:
        """Return the instances that `candidate` would be in."""
        ignore = ignore | {candidate.parent, candidate.instance_id}
        if candidate.model.class_name == 'curtain':
            # It hangs before the sill.
            ignore |= {p.instance_id for p in self.placed.values() if p.model.name == 'window'}
        low, high = candidate.z, candidate.z + candidate.model.size[2]
        reach = candidate.model.reach
        near = [
            p
            for p in self.placed.values()
            if p.instance_id not in ignore
            and (candidate.x - p.x) ** 2 + (candidate.y - p.y) ** 2 < (reach + p.model.reach) ** 2
            and p.z < high - GIVE_M
            and p.z + p.model.size[2] > low + GIVE_M
        ]
        if not near:
            return []
        give = MOVABLE_GIVE_M if candidate.model.liveliness >= MOVABLE else GIVE_M
        own = footprint(candidate, -min(give, 0.25 * min(candidate.model.size[:2])))
        touched = overlap(own, self._footprints(near, 0.0))
        if candidate.z < 0.1 and candidate.model.place in ('wall', 'floor'):
            if candidate.model.front:
                heavy = np.array([p.model.liveliness < 0.4 and p.z < 0.1 for p in near])
                wide = footprint(candidate, -GIVE_M, FRONT_SHARE * candidate.model.front)
                touched |= overlap(wide, self._footprints(near, 0.0)) & heavy
            if candidate.model.liveliness < 0.8:
                touched |= overlap(own, self._footprints(near, FRONT_SHARE))
        return [p.instance_id for p, hit in zip(near, touched) if hit]

    def _inside(self, candidate: Placed) -> bool:
        top = candidate.z + candidate.model.size[2]
        if not all(s.is_above(footprint(candidate), top) for s in self.room.slopes):
            return False
        parent = self.placed.get(candidate.parent)
        # A sill is in the wall.
        return (parent is not None and parent.model.name == 'window') or super()._inside(candidate)
