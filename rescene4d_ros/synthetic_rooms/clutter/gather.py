"""Close the gaps that free placement leaves: push things to their nearest neighbor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.contact import ContactFurnisher
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed

GATHERED = 0.96
STEP_M = 0.02
FARTHEST_M = {'floor': 1.2, 'around': 1.2, 'wall': 0.7, 'hang': 0.6}


def draw_together(work: ContactFurnisher) -> None:
    """
    Push things that stand alone towards their nearest neighbor until they touch.

    What is at a wall slides along it. Whatever stands on something or at a table stays, and so
    does what carries things.

    Parameters
    ----------
    work : ContactFurnisher
        Its plan is changed in place.

    """
    plan = work.plan
    carriers = {p.parent for p in plan.placed.values()}
    for k in list(plan.placed):
        placed = plan.placed[k]
        farthest = FARTHEST_M.get(placed.model.place)
        if farthest is None or placed.parent or k in carriers or work.rng.random() >= GATHERED:
            continue
        step = _towards_neighbor(work, placed)
        if step is None:
            continue
        for _ in range(round(farthest / STEP_M)):
            further = replace(placed, x=float(placed.x + step[0]), y=float(placed.y + step[1]))
            if not plan.fits(further):
                break
            placed = further
        plan.placed[k] = placed


def _towards_neighbor(work: ContactFurnisher, placed: Placed) -> np.ndarray | None:
    """Return a step (2,) (m) towards the nearest thing at the same height, or None."""
    top = placed.z + placed.model.size[2]
    others = [
        p
        for p in work.plan.placed.values()
        if p.instance_id != placed.instance_id
        and p.z < top - 0.05
        and p.z + p.model.size[2] > placed.z + 0.05
    ]
    if not others:
        return None
    reach = max(placed.model.size[:2]) / 2
    to = np.array([(p.x - placed.x, p.y - placed.y) for p in others])
    gap = np.hypot(*to.T) - [max(p.model.size[:2]) / 2 + reach for p in others]
    nearest = to[int(np.argmin(gap))]
    if placed.model.place in ('wall', 'hang'):
        along = np.array([np.cos(placed.yaw), np.sin(placed.yaw)])
        share = float(nearest @ along)
        return STEP_M * np.sign(share) * along if abs(share) > 0.05 else None
    length = np.hypot(*nearest)
    return STEP_M * nearest / length if length > 0.05 else None
