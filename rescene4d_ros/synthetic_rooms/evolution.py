"""What happens in a room between visits: things move, leave, arrive, come back, trade places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import Draw
from rescene4d_ros.synthetic_rooms.layout.arrangement import Furnisher
from rescene4d_ros.synthetic_rooms.layout.clearance import Clearance
from rescene4d_ros.synthetic_rooms.layout.floorplan import Floorplan, Placed, stays
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room

# Less than this is within the error of a registered scan and counts as not moved.
MIN_SHIFT_M = 0.2
MIN_TURN_RAD = 0.45
# The same for shapes: less than this share of its way is hardly seen of a door or cushion.
MIN_STATE = 0.5
SHAPE_TRIES = 6
# Share of things that are not as they were made when the room is first seen.
FOUND_OPEN = 0.2

FurnisherOf = Callable[..., Furnisher]


def evolve(
    room: Room,
    plan: Floorplan,
    next_id: int,
    config: RoomsConfig,
    rng: np.random.Generator,
    draw: Draw,
    furnisher: FurnisherOf | None = None,
) -> list[dict[int, Placed]]:
    """
    Let a furnished room live for `config.visits` visits.

    Parameters
    ----------
    room : Room
    plan : Floorplan
        The first visit; not changed.
    next_id : int
        First unused instance id.
    config : RoomsConfig
    rng : Generator
    draw : callable
        Gives the models of what arrives.
    furnisher : callable, optional
        Returns what finds places, given room, things, config, rng and the next id.

    Returns
    -------
    list of T dicts
        What is in the room at each visit, by instance id.

    """
    visits = [dict(plan.placed)]
    away: dict[int, list[Placed]] = {}
    for _ in range(config.visits - 1):
        if furnisher is None:
            work = Furnisher(Floorplan(room, visits[-1].values()), config, rng, next_id)
        else:
            work = furnisher(room, visits[-1].values(), config, rng, next_id)
        _come_back(work, away, config, rng)
        _swap(work, config, rng)
        _move_and_remove(work, away, config, rng)
        _arrive(work, config, rng, draw)
        next_id = work.next_id
        visits.append(dict(work.plan.placed))
    return visits


def reshape(
    room: Room, visits: Sequence[dict[int, Placed]], config: RoomsConfig, rng: np.random.Generator
) -> list[dict[int, Placed]]:
    """
    Let things change their shape while they stay where they are.

    Some already have another shape at the first visit. A thing that is moved, taken away or
    brought back keeps its shape on the way. A shape is taken only if it has room at all visits to
    come, so that nothing needs to close because something else moves.

    Parameters
    ----------
    room : Room
    visits : sequence of T dicts
        What is in the room at each visit, by instance id; not changed.
    config : RoomsConfig
    rng : Generator

    Returns
    -------
    list of T dicts

    """
    visits = [dict(placed) for placed in visits]
    clearance = Clearance(room)
    for t, placed in enumerate(visits):
        before = visits[t - 1] if t else {}
        for k in sorted(placed):
            if not placed[k].model.joints:
                continue
            event = rng.random()
            if t == 0 and event < FOUND_OPEN:
                _change_shape(visits, k, clearance, rng)
            elif k in before and stays(before[k], placed[k]) and event < config.p_deform:
                _change_shape(visits[t:], k, clearance, rng)
    return visits


def _change_shape(
    visits: Sequence[dict[int, Placed]], k: int, clearance: Clearance, rng: np.random.Generator
) -> None:
    """Give a thing another shape from the first of `visits` on, if it finds one that fits."""
    here = [placed for placed in visits if k in placed]
    old = here[0][k].state or (0.0,) * len(here[0][k].model.joints)
    for _ in range(SHAPE_TRIES):
        state = _other_state(old, rng)
        changed = [j for j, (a, b) in enumerate(zip(old, state)) if a != b]
        if all(
            clearance.allows(replace(placed[k], state=state), changed, placed.values())
            for placed in here
        ):
            for placed in here:
                placed[k] = replace(placed[k], state=state)
            return


def _other_state(old: Sequence[float], rng: np.random.Generator) -> tuple[float, ...]:
    """Return states of which some, and at least one, clearly differ from the J old ones."""
    state = list(old)
    chosen = rng.random(len(old)) < 0.4
    chosen[rng.integers(len(old))] = True
    for j in np.flatnonzero(chosen).tolist():
        # What stands open is closed; there is no second way of being open that one would notice.
        state[j] = 0.0 if old[j] else float(rng.uniform(MIN_STATE, 1.0))
    return tuple(state)


def _come_back(
    work: Furnisher, away: dict[int, list[Placed]], config: RoomsConfig, rng: np.random.Generator
) -> None:
    """Bring back what left earlier: to its old place, or to another one."""
    plan = work.plan
    for root in list(away):
        if rng.random() >= config.p_return:
            continue
        old = away[root][0]
        back = old if old.parent in plan.placed or not old.parent else replace(old, parent=0)
        stays = rng.random() < 0.5 and back.parent == old.parent and plan.fits(back)
        place = back if stays else work.place(old.model, '', old.kind)
        if place is None:
            continue
        place = replace(place, instance_id=root)
        plan.placed[root] = place
        for child in away.pop(root)[1:]:
            plan.placed[child.instance_id] = child.carried(old, place)


def _swap(work: Furnisher, config: RoomsConfig, rng: np.random.Generator) -> None:
    """Let look-alikes trade places."""
    twins = defaultdict(list)
    for p in work.plan.placed.values():
        twins[id(p.model)].append(p)
    for group in twins.values():
        if len(group) < 2 or rng.random() >= config.p_swap:
            continue
        a, b = (group[i] for i in rng.choice(len(group), 2, replace=False))
        for gone, there in ((a, b), (b, a)):
            work.plan.placed[gone.instance_id] = replace(there, instance_id=gone.instance_id)


def _move_and_remove(
    work: Furnisher, away: dict[int, list[Placed]], config: RoomsConfig, rng: np.random.Generator
) -> None:
    plan = work.plan
    # Lively things change more, heavy ones less, so that the mean over the room is as configured.
    lively = {k: p.model.liveliness for k, p in plan.placed.items() if p.model.liveliness}
    mean = np.mean(list(lively.values())) if lively else 1.0
    for instance_id in sorted(lively):
        if instance_id not in plan.placed:
            continue
        weight = lively[instance_id] / mean
        event = rng.random()
        if event < config.p_remove * weight:
            gone = [plan.placed[instance_id], *plan.children(instance_id)]
            # Chairs stay when their table leaves; what stood on it goes too.
            for p in gone[1:]:
                if p.model.place != 'top' and p.kind != 'slot':
                    plan.placed[p.instance_id] = replace(p, parent=0)
            gone = [gone[0], *(p for p in gone[1:] if p.model.place == 'top')]
            for p in gone:
                del plan.placed[p.instance_id]
            away[instance_id] = gone
        elif event < (config.p_remove + config.p_move) * weight:
            move(work, plan.placed[instance_id], rng)


def move(work: Furnisher, old: Placed, rng: np.random.Generator) -> None:
    """
    Slide, turn or relocate one object, with what stands on or at it.

    It stays where it is when no free place is found in some tries.

    Parameters
    ----------
    work : Furnisher
        Its plan is changed in place.
    old : Placed
        An object of the plan.
    rng : Generator

    """
    plan = work.plan
    children = plan.children(old.instance_id)
    ignore = frozenset(p.instance_id for p in children)
    for _ in range(12):
        new = _other_pose(work, old, rng)
        if new is None or not _has_moved(old, new):
            continue
        moved = [p.carried(old, new) for p in children]
        others = ignore | {old.instance_id}
        if plan.fits(new, ignore) and all(plan.fits(p, others) for p in moved):
            for p in (new, *moved):
                plan.placed[p.instance_id] = p
            return


def _other_pose(work: Furnisher, old: Placed, rng: np.random.Generator) -> Placed | None:
    kind = rng.random()
    hanging = old.model.place == 'hang'
    # Cloth keeps the shape of what it lies on: it is laid anew.
    if kind < 0.35 or hanging or old.model.spread is not None:
        found = work.place(old.model, '', old.kind)
        return found and replace(found, instance_id=old.instance_id)
    if kind < 0.6 and not old.model.symmetric:
        turn = rng.choice([-1, 1]) * rng.uniform(0.6, 2.6)
        return replace(old, yaw=float(old.yaw + turn))
    far = rng.uniform(0.25, 1.5) if old.model.place != 'top' else rng.uniform(0.2, 0.5)
    angle = rng.uniform(0, 2 * np.pi)
    if old.model.place == 'wall' and rng.random() < 0.7:
        angle = old.yaw + np.pi * rng.integers(2)
    turn = rng.normal(0, 0.25) if old.model.place in ('around', 'floor', 'top') else 0.0
    return replace(
        old,
        x=float(old.x + far * np.cos(angle)),
        y=float(old.y + far * np.sin(angle)),
        yaw=float(old.yaw + turn),
    )


def _has_moved(old: Placed, new: Placed) -> bool:
    turn = abs((new.yaw - old.yaw + np.pi) % (2 * np.pi) - np.pi)
    return np.hypot(new.x - old.x, new.y - old.y) >= MIN_SHIFT_M or (
        turn >= MIN_TURN_RAD and not old.model.symmetric
    )


def _arrive(work: Furnisher, config: RoomsConfig, rng: np.random.Generator, draw: Draw) -> None:
    """Bring new things: another model, or a look-alike of one that is there."""
    plan = work.plan
    movable = [p for p in plan.placed.values() if p.model.liveliness > 0.3]
    for _ in range(rng.poisson(config.p_arrive * max(3, len(movable)))):
        makers = work.arrivals
        twin = movable and rng.random() < 0.2
        model = movable[rng.integers(len(movable))].model if twin else draw(makers, rng)
        work.add(work.place(model, '', makers))
