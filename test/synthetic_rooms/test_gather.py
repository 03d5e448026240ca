"""Gaps that placement leaves are closed: rows reach the next wall, no thing is left alone."""

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.synthetic_rooms import PRESETS, RoomsConfig
from rescene4d_ros.synthetic_rooms.clutter.builtins import tall_unit
from rescene4d_ros.synthetic_rooms.clutter.furnish import draw_of_everything, furnisher
from rescene4d_ros.synthetic_rooms.clutter.gather import fill_rows, give_company, NARROWEST_M
from rescene4d_ros.synthetic_rooms.furniture import draw
from rescene4d_ros.synthetic_rooms.layout.floorplan import footprint, Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import make_room


@pytest.fixture
def work():
    """Return what fills a room that holds one cupboard at a wall without door or window."""
    config = make(RoomsConfig, PRESETS['lifelike'])
    rooms = (make_room('bedroom', 20, np.random.default_rng(k), 'any') for k in range(99))
    room, wall = next(
        (room, wall)
        for room in rooms
        for k, wall in enumerate(room.walls)
        if len(room.walls) == 4 and all(h.wall != k for h in room.openings)
    )
    found = furnisher(room, (), config, np.random.default_rng(6), 1)
    model = tall_unit(np.random.default_rng(7))
    at = wall.start + wall.along * wall.length / 2 + wall.inward * (model.size[1] / 2 + 0.02)
    found.add(Placed.at(model, at, 0.0, wall.facing, 'tall unit'))
    return found


def test_a_row_reaches_from_wall_to_wall(work):
    """Units stand flush; at its ends less is free than the narrowest unit takes."""
    (first,) = work.plan.placed.values()
    fill_rows(work, 40)
    row = list(work.plan.placed.values())
    along = np.array([np.cos(first.yaw), np.sin(first.yaw)])
    spans = sorted(tuple((footprint(p) @ along)[[0, 1]]) for p in row)
    low, high = np.sort(np.array(spans), axis=1).T
    assert len(row) >= 3
    assert np.all(np.abs(low[1:] - high[:-1]) < 0.02)
    corners = work.plan.room.outline @ along
    assert low[0] - corners.min() < NARROWEST_M + 0.1
    assert corners.max() - high[-1] < NARROWEST_M + 0.1


def test_no_more_units_than_asked(work):
    """A bound on units holds."""
    fill_rows(work, 2)
    assert len(work.plan.placed) == 3


def test_what_stands_alone_gets_company(work):
    """Something is laid on an armchair and stands at a cupboard, and no more than asked."""
    (cupboard,) = work.plan.placed.values()
    middle = work.plan.room.outline.mean(axis=0)
    chair = work.add(Placed.at(draw('armchair', np.random.default_rng(1)), middle, 0.0, 0.0))
    give_company(work, 1.0, 3, draw_of_everything('any', draw))
    assert len(work.plan.placed) == 3
    give_company(work, 1.0, 30, draw_of_everything('any', draw))
    added = [p for p in work.plan.placed.values() if p not in (cupboard, chair)]
    assert {p.parent for p in added} == {0, chair.instance_id}
    (beside,) = (p for p in added if not p.parent)
    assert np.hypot(beside.x - cupboard.x, beside.y - cupboard.y) < 1.5
