"""Close the gaps that free placement leaves: push things together, and fill rows and sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.builtins import (
    base_unit,
    open_shelf,
    tall_unit,
    wall_unit,
)
from rescene4d_ros.synthetic_rooms.clutter.contact import ContactFurnisher, flush_beside
from rescene4d_ros.synthetic_rooms.furniture import Draw, Model
from rescene4d_ros.synthetic_rooms.furniture.split import until_in_split
from rescene4d_ros.synthetic_rooms.layout.floorplan import footprint, overlap, Placed

# Of a gap in a row, so much is filled by one unit.
NARROWEST_M, WIDEST_M, WIDTH_STEP_M = 0.26, 0.6, 0.04
# What continues a row of these.
MADE_FOR = {'base unit': base_unit, 'wall unit': wall_unit}
# Things nearer than this touch.
TOUCH_M = 0.03
# From this size on a thing has two neighbors, if there is room.
WIDE_M = 0.6
COMPANY = (
    'large box|suitcase|crate|armchair|side table|stool|potted plant|filled basket|'
    'upright thing|wheeled thing|pouf|sack|waste bin|large box|bench|apparatus'
)
LAID_ON = 'garment|pillow|garment|blanket|clothes heap|towel'
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
    others = _level_with(work, placed, -0.05)
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


def fill_rows(work: ContactFurnisher, most: int) -> None:
    """
    Continue rows of built-in furniture to the next thing or wall.

    Parameters
    ----------
    work : ContactFurnisher
        Its plan is changed in place.
    most : int
        Of units that are added.

    """
    ends = [
        (p, side)
        for p in work.plan.placed.values()
        if (p.model.place == 'wall' and p.model.liveliness < 0.2) or p.model.name in MADE_FOR
        for side in (-1, 1)
    ]
    for k in work.rng.permutation(len(ends)):
        end, side = ends[k]
        while end is not None and most > 0:
            end = work.add(_next_in_row(work, end, side))
            most -= 1


def _next_in_row(work: ContactFurnisher, end: Placed, side: int) -> Placed | None:
    """Return a unit made to measure that stands flush beside the last one of a row, or None."""
    for width in np.arange(WIDEST_M, NARROWEST_M, -WIDTH_STEP_M):
        size = (float(width), 0.5, end.model.size[2])
        if work.plan.fits(flush_beside(replace(end.model, size=size), end, side, end.model.name)):
            break
    else:
        return None
    width = min(float(width), work.rng.uniform(0.32, WIDEST_M))
    made = _unit(work, end.model, width)
    found = flush_beside(made, end, side, made.name)
    return found if work.plan.fits(found) else None


def _unit(work: ContactFurnisher, model: Model, width: float) -> Model:
    """Return a unit of some width (m) for a row of a model."""
    rng = work.rng
    make = tall_unit if model.size[2] > 1.6 and rng.random() < 0.7 else open_shelf
    make = MADE_FOR.get(model.name, make)
    return until_in_split(
        work.config.split, lambda: make(rng, width - rng.uniform(0, 0.012)), lambda m: m.size
    )


def give_company(work: ContactFurnisher, share: float, most: int, draw: Draw) -> None:
    """
    Put things against, on or beside what touches nothing yet, or large and one thing only.

    Parameters
    ----------
    work : ContactFurnisher
        Its plan is changed in place.
    share : float
        Of these things.
    most : int
        Things in the room.
    draw : callable
        Gives models.

    """
    placed = list(work.plan.placed.values())
    for k in work.rng.permutation(len(placed)):
        alone = placed[k]
        if len(work.plan.placed) >= most:
            return
        if alone.model.place == 'opening' or alone.model.name == 'rug':
            continue
        wanted = 1 + (max(alone.model.size) > WIDE_M)
        if work.rng.random() >= share or _neighbors(work, alone) >= wanted:
            continue
        makers, near = _company_of(alone)
        work.add(work.place(draw(makers, work.rng), f'{near} #{alone.instance_id}', makers))


def _company_of(alone: Placed) -> tuple[str, str]:
    """Return kinds of what joins a thing, and where."""
    if alone.model.class_name in ('chair', 'bed', 'sofa'):
        return LAID_ON, 'on'
    if alone.model.place == 'hang':
        return alone.kind, 'row'
    return COMPANY, 'against'


def _neighbors(work: ContactFurnisher, placed: Placed) -> int:
    """Return how many things touch one."""
    near = [
        p
        for p in _level_with(work, placed, TOUCH_M)
        if p.model.place != 'opening'
        and np.hypot(p.x - placed.x, p.y - placed.y) < p.model.reach + placed.model.reach
    ]
    if not near:
        return 0
    return int(overlap(footprint(placed, TOUCH_M), np.stack([footprint(p) for p in near])).sum())


def _level_with(work: ContactFurnisher, placed: Placed, margin: float) -> list[Placed]:
    """Return the other things whose heights overlap with those of one, widened by a margin (m)."""
    low, high = placed.z - margin, placed.z + placed.model.size[2] + margin
    return [
        p
        for p in work.plan.placed.values()
        if p.instance_id != placed.instance_id and p.z < high and p.z + p.model.size[2] > low
    ]
