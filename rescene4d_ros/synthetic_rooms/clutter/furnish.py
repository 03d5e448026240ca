"""Furnish a room so that it looks lived in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.builtins import BUILTINS, worktop
from rescene4d_ros.synthetic_rooms.clutter.contact import ContactFurnisher
from rescene4d_ros.synthetic_rooms.clutter.contact_plan import ContactPlan
from rescene4d_ros.synthetic_rooms.clutter.crowded_recipes import (
    ARRIVALS,
    BUILT_IN,
    DRESSED,
    EVERYWHERE,
    FURNITURE,
    HABITS,
    LARGE,
)
from rescene4d_ros.synthetic_rooms.clutter.gather import draw_together, fill_rows, give_company
from rescene4d_ros.synthetic_rooms.clutter.props import draw_prop, PROPS
from rescene4d_ros.synthetic_rooms.clutter.rumple import rumpled
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import Draw, Model, openings
from rescene4d_ros.synthetic_rooms.furniture.split import until_in_split
from rescene4d_ros.synthetic_rooms.layout.floorplan import Floorplan, Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room

# Tries without a free place, per thing asked for, after which a room is full.
FAILURES_PER_THING = 4
# With more things a home is one large room of two kinds.
OPEN_PLAN = 42
LARGE_SHARE = (0.25, 1.0)
# Share of rooms that hold large furniture and next to nothing else.
P_BARE = 0.2
# Share of rooms whose walls are full of built-in furniture.
FITTED = 0.45
# So much of a room is furnished before things are put on what stands there.
UNDRESSED = (0.45, 0.85)
# Share of rooms whose rows of furniture reach from wall to wall, and of units that close them.
P_WALL_TO_WALL = 0.8
FILLED = (0.05, 0.3)
# Share of things without neighbors that get some.
ACCOMPANIED = (0.4, 1.0)
# A rug always finds a place.
MOST_RUGS = 2
IN_SHELVES = ('bookshelf',)
HOMELY = ('living', 'bedroom', 'kitchen', 'office')


def draw_of_everything(split: str, furniture: Draw) -> Draw:
    """
    Return a source of furniture and small things of one split.

    Parameters
    ----------
    split : str
        'train', 'val', 'test' or 'any'.
    furniture : callable
        Gives what has a maker in the catalog of furniture.

    """

    def draw(makers: str, rng: np.random.Generator) -> Model:
        choices = makers.split('|')
        kind = choices[int(rng.integers(len(choices)))]
        if kind in PROPS:
            return rumpled(draw_prop(kind, rng, split), rng)
        if kind in BUILTINS:
            return until_in_split(split, lambda: BUILTINS[kind](rng), lambda m: m.size)
        return rumpled(furniture(kind, rng), rng)

    return draw


def furnisher(
    room: Room, placed, config: RoomsConfig, rng: np.random.Generator, next_id: int
) -> ContactFurnisher:
    """Return what finds places in a room with `placed` things (iterable of Placed)."""
    work = ContactFurnisher(ContactPlan(room, placed), config, rng, next_id)
    work.arrivals = ARRIVALS
    return work


def furnish_in_contact(
    room: Room, target: int, config: RoomsConfig, rng: np.random.Generator, draw: Draw
) -> tuple[Floorplan, int]:
    """
    Fill a room with about `target` things in contact; see `layout.arrangement.furnish`.

    Returns
    -------
    plan : Floorplan
        A `ContactPlan`.
    next_id : int
        First unused instance id.

    """
    work = furnisher(room, (), config, rng, 1)
    for hole in room.openings:
        wall = room.walls[hole.wall]
        at = wall.start + wall.along * hole.middle - wall.inward * room.thick / 2
        work.add(Placed.at(hole.model, at, hole.sill, wall.facing, hole.model.class_name))
    kinds = [room.kind]
    if target > OPEN_PLAN and room.kind in HOMELY:
        kinds.append(_other_half(room.kind, config.split, rng))
    for kind in dict.fromkeys(kinds):
        _set_up(work, kind, config, draw)
    draw_together(work)
    if rng.random() < P_WALL_TO_WALL:
        fill_rows(work, round(rng.uniform(*FILLED) * target))
    _lay_worktops(work)
    is_bare = rng.random() < P_BARE
    most = target if is_bare else round(rng.uniform(*UNDRESSED) * target)
    _leave_things_about(work, kinds, most, is_bare, draw)
    draw_together(work)
    give_company(work, rng.uniform(*ACCOMPANIED), target, draw)
    if not is_bare:
        _dress(work, target, draw)
    return work.plan, work.next_id


def _other_half(kind: str, split: str, rng: np.random.Generator) -> str:
    """Return what shares a large room with a kind; test has other pairs than training."""
    for_test = {'living': 'office', 'office': 'living', 'bedroom': 'kitchen', 'kitchen': 'bedroom'}
    others = [k for k in HOMELY if split == 'any' or (for_test[kind] == k) == (split == 'test')]
    return others[int(rng.integers(len(others)))]


def _set_up(work: ContactFurnisher, kind: str, config: RoomsConfig, draw: Draw) -> None:
    """Put the large furniture of one kind of room."""
    rng = work.rng
    for step in FURNITURE[kind]:
        count = int(rng.integers(step.low, step.high + 1))
        model = None
        # What stands in a row or at one table is of one design, mostly.
        twin = step.near.split(' ')[0] in ('around', 'row') and rng.random() < config.p_twin
        for _ in range(count):
            if step.makers == 'whole curtain':
                _hang_whole_curtain(work)
                continue
            if model is None or not twin:
                model = draw(step.makers, rng)
            if model.place in ('slot', 'tub') and not step.near:
                continue
            work.add(work.place(model, step.near, step.makers))


def _leave_things_about(
    work: ContactFurnisher, kinds: Sequence[str], target: int, is_bare: bool, draw: Draw
) -> None:
    """Fill a room up: with large things to a share that differs from room to room."""
    habits = (*(h for kind in kinds for h in HABITS[kind]), *EVERYWHERE)
    share = 1.0 if is_bare else work.rng.uniform(*LARGE_SHARE)
    large = BUILT_IN if is_bare or work.rng.random() < FITTED else LARGE
    failures = 0
    while len(work.plan.placed) < target and failures < FAILURES_PER_THING * target:
        some = large if work.rng.random() < share else habits
        weight = np.array([h[0] for h in some], float)
        _, makers, near = some[int(work.rng.choice(len(some), p=weight / weight.sum()))]
        if makers == 'whole curtain':
            failures += not _hang_whole_curtain(work)
            continue
        if makers == 'rug' and _rugs(work) >= MOST_RUGS:
            failures += 1
            continue
        model = draw(makers, work.rng)
        found = work.add(work.place(model, near, makers))
        failures += found is None


def _rugs(work: ContactFurnisher) -> int:
    return sum(p.model.name == 'rug' for p in work.plan.placed.values())


def _dress(work: ContactFurnisher, target: int, draw: Draw) -> None:
    """Put things on what carries none or few, until the room has `target` things."""
    placed = list(work.plan.placed.values())
    for i in work.rng.permutation(len(placed)):
        model = placed[i].model
        for names, makers, low, high in DRESSED:
            if model.name not in names and model.class_name not in names:
                continue
            for _ in range(int(work.rng.integers(low, high + 1))):
                if len(work.plan.placed) >= target:
                    return
                put = draw(makers, work.rng)
                if put.place == 'hang':
                    order: tuple[str, ...] = ('face',)
                else:
                    order = ('in', 'on') if model.class_name in IN_SHELVES else ('on', 'in')
                ways = (
                    work.place(put, f'{way} #{placed[i].instance_id}', makers) for way in order
                )
                work.add(next(filter(None, ways), None))


def _hang_whole_curtain(work: ContactFurnisher) -> bool:
    """Cover a whole wall with a curtain; return whether one is free."""
    room, rng = work.plan.room, work.rng
    for k in rng.permutation(len(room.walls)):
        wall = room.walls[k]
        if any(h.wall == k and h.model.class_name == 'door' for h in room.openings):
            continue
        if not 1.2 < wall.length < 5.0:
            continue
        made = _whole_curtain(work, wall.length, room.height)
        at = wall.start + wall.along * wall.length / 2 + wall.inward * (made.size[1] / 2 + 0.09)
        place = Placed.at(made, at, 0.03, wall.facing, 'curtain')
        if work.plan.fits(place):
            work.add(place)
            return True
    return False


def _whole_curtain(work: ContactFurnisher, width: float, height: float) -> Model:
    """Return a curtain for a wall of `width` x `height` (m)."""
    rng = work.rng
    return until_in_split(
        work.config.split,
        lambda: openings.curtain(
            rng, width - rng.uniform(0.06, 0.3), height - rng.uniform(0.08, 0.3)
        ),
        lambda m: m.size,
    )


def _lay_worktops(work: ContactFurnisher) -> None:
    """Lay a worktop over each row of kitchen units."""
    units = [p for p in work.plan.placed.values() if p.model.name == 'base unit']
    while units:
        row = [units.pop(0)]
        grown = True
        while grown:
            near = [
                u
                for u in units
                if abs(u.z + u.model.size[2] - row[0].z - row[0].model.size[2]) < 0.1
                and any(_is_flush(u, r) for r in row)
            ]
            units = [u for u in units if all(u is not n for n in near)]
            row += near
            grown = bool(near)
        _lay_worktop(work, row)


def _is_flush(a: Placed, b: Placed) -> bool:
    apart = np.hypot(a.x - b.x, a.y - b.y) - (a.model.size[0] + b.model.size[0]) / 2
    turn = abs((a.yaw - b.yaw + np.pi) % (2 * np.pi) - np.pi)
    return abs(apart) < 0.05 and turn < 0.05


def _lay_worktop(work: ContactFurnisher, row: list[Placed]) -> None:
    pose = row[0].room_T_object
    local = [(np.linalg.inv(pose) @ np.array([u.x, u.y, 0, 1]))[0] for u in row]
    low = min(x - u.model.size[0] / 2 for x, u in zip(local, row))
    high = max(x + u.model.size[0] / 2 for x, u in zip(local, row))
    depth = max(u.model.size[1] for u in row)
    model = worktop(work.rng, high - low, depth)
    z = max(u.z + u.model.size[2] for u in row)
    at = row[0].to_room(((low + high) / 2, 0.0))
    place = Placed.at(model, at, z, row[0].yaw, 'worktop', row[0].instance_id)
    # The sill of a window may reach over it.
    windows = {p.instance_id for p in work.plan.placed.values() if p.model.name == 'window'}
    if work.plan.fits(place, frozenset(windows | {u.instance_id for u in row})):
        work.add(place)
