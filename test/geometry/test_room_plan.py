"""Walls part rooms, doors do not join them, and large rooms are divided by the grid."""

import numpy as np
import pytest
from rescene4d_ros.geometry.floor import local_views
from rescene4d_ros.geometry.floor.local_views import LocalViews
from rescene4d_ros.geometry.floor.room_plan import plan_rooms

STEP = 0.05  # m


def grid(*axes):
    """Return all points (N, 3) of three axes."""
    return np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, 3)


def floor_of_rooms(width, depth, walls, door=None):
    """Return a floor with walls around, and across at `walls` (x), with a door in each or not."""
    x, y, z = (np.arange(0, size + STEP / 2, STEP) for size in (width, depth, 2.5))
    parts = [grid(x, y, [0.0]), grid(x, [0.0, depth], z), grid([0.0, width], y, z)]
    for at in walls:
        across = grid([at, at + 0.1], y, z)
        if door is not None:
            is_open = (across[:, 1] > door[0]) & (across[:, 1] < door[1]) & (across[:, 2] < 2.0)
            across = across[~is_open]
        parts.append(across)
    return np.concatenate(parts).astype(np.float32)


def room_at(plan, *place):
    """Return the room of a place."""
    return int(plan.room[tuple(plan.cells_of(np.array([place]))[0])])


@pytest.mark.parametrize('door', [None, (1.0, 1.85)])
def test_rooms_end_at_their_walls(door):
    xyz = floor_of_rooms(13.0, 4.0, [4.0, 8.0], door)
    plan = plan_rooms([xyz - (3.0, 2.0, 0.0)], 6.0, 126.0)
    rooms = [room_at(plan, x, y, 1.0) for x, y in [(-2.9, -1.9), (0.8, 1.9), (1.3, 0), (9, 1)]]
    assert rooms[0] == rooms[1]
    assert len({rooms[0], rooms[2], rooms[3]}) == 3
    assert not plan.is_divided.any()
    # Far from everything is the room that is nearest.
    assert room_at(plan, 99.0, 1.0, 1.0) == rooms[3]


def test_storeys_have_rooms_of_their_own():
    low = floor_of_rooms(9.0, 5.0, [4.0])
    plan = plan_rooms([low, low + (0, 0, 3.2)], 6.0, 126.0)
    places = [(x, 2.0, z) for x in (1.0, 7.0) for z in (1.0, 4.2)]
    assert len({room_at(plan, *place) for place in places}) == 4


def test_a_large_room_is_divided_and_the_room_beside_it_is_not():
    plan = plan_rooms([floor_of_rooms(16.0, 8.0, [12.0])], 4.0, 50.0)
    hall = [room_at(plan, x, y, 1.0) for x in (2.0, 6.0, 10.0) for y in (2.0, 6.0)]
    assert len(set(hall)) == 6
    assert plan.is_divided[hall].all()
    assert not plan.is_divided[room_at(plan, 15.0, 7.0, 1.0)]
    assert room_at(plan, 15.0, 1.0, 1.0) == room_at(plan, 15.0, 7.0, 1.0)


def test_where_no_wall_parts_anything_there_is_no_plan():
    open_floor = floor_of_rooms(16.0, 8.0, [])
    assert plan_rooms([open_floor], 4.0, 50.0) is None
    assert plan_rooms([open_floor[open_floor[:, 2] < 0.1]], 4.0, 50.0) is None
    assert plan_rooms([open_floor[:0]], 4.0, 50.0) is None
    far = np.concatenate([open_floor, open_floor + np.float32([1e6, 1e6, 0])])
    assert plan_rooms([far], 4.0, 50.0) is None


def test_what_is_seen_of_a_place_is_seen_from_its_room():
    """A sideboard hides the place from most positions in its room; they count all the same."""
    shell = floor_of_rooms(13.0, 10.0, [6.0])
    sideboard = grid(np.arange(2, 4, STEP), [3.0], np.arange(0, 1.2, STEP)).astype(np.float32)
    inside = np.c_[np.linspace(1, 5, 9), np.full(9, 1.0), np.full(9, 1.4)]
    beside = np.c_[np.full(30, 7.0), np.linspace(1, 9, 30), np.full(30, 1.4)]
    views = LocalViews(np.concatenate([inside, beside]), np.concatenate([shell, sideboard]), 24)
    place = np.array([[3.0, 3.3, 0.5]], np.float32)
    assert len(views.around(place)) == 9
    assert len(views.around(place + np.float32([7, 0, 0]))) == 24


def test_depth_maps_of_few_places_are_kept_and_those_made_again_say_the_same(monkeypatch):
    monkeypatch.setattr(local_views, 'MOST_PLACES', 2)
    shell = floor_of_rooms(21.0, 5.0, [5.0, 10.0, 16.0])
    path = np.c_[np.linspace(0.5, 20.5, 60), np.full(60, 2.0), np.full(60, 1.4)]
    places = [np.array([[x, 3.0, 0.5]], np.float32) for x in (2.0, 7.0, 13.0, 18.0)]
    views = LocalViews(path, shell, 24)
    first = [views.around(place) for place in places]
    for place, before in zip(places, first):
        again = views.around(place)
        assert again[0] is not before[0]  # two other rooms were asked for since
        assert [v.passes(place) for v in again] == [v.passes(place) for v in before]
    assert views.around(places[-1])[0] is again[0]
