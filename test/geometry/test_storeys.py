"""Storeys are told apart by the slab between them, whatever passes through it."""

import numpy as np
import pytest
from rescene4d_ros.geometry.floor.storeys import storey_borders, storey_of
from rescene4d_ros.geometry.point_sets import covers_more


def storey(rng, floor_z, side=8.0, height=2.5):
    """Return points of the floor, the ceiling and the walls of one storey."""
    plan = rng.uniform(0, side, (4000, 2))
    along, up = rng.uniform(0, side, 6000), rng.uniform(0, height, 6000)
    walls = [np.c_[along, np.full(6000, y), up] for y in (0.0, side)]
    walls += [np.c_[np.full(6000, x), along, up] for x in (0.0, side)]
    flat = [np.c_[plan, np.full(len(plan), z)] for z in (0.0, height)]
    return np.concatenate([*walls, *flat]) + (0, 0, floor_z)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_two_storeys_have_one_border_that_visits_agree_on(rng):
    both = np.concatenate([storey(rng, -0.1), storey(rng, 3.4)])
    (border,) = storey_borders([both])
    assert 2.4 < border < 3.4
    # Seen without the ceiling, at another noise, and from two visits of one storey each.
    low = both[(both[:, 2] < 2.0) | (both[:, 2] > 3.0)] + rng.normal(0, 0.01, 3)
    assert storey_borders([low]) == (border,)
    assert storey_borders([storey(rng, -0.1), storey(rng, 3.4)]) == (border,)
    assert storey_of(np.array([0.0, 2.3, 3.5, 5.8]), (border,)).tolist() == [0, 0, 1, 1]


def test_a_staircase_and_stray_points_leave_the_border(rng):
    stairs = np.c_[rng.uniform(3, 5, 3000), rng.uniform(3, 5, 3000), rng.uniform(0, 5, 3000)]
    stray = rng.uniform(-900, 900, (40, 3))
    seen = np.concatenate([storey(rng, 0.0), storey(rng, 3.0), storey(rng, 6.0), stairs, stray])
    found = [z for z in storey_borders([seen]) if 0 < z < 8]
    assert len(found) == 2
    assert 2.5 < found[0] < 3.0
    assert 5.5 < found[1] < 6.0


def test_a_high_room_is_one_storey(rng):
    hall = storey(rng, 0.0, side=20.0, height=9.0)
    shelf = np.c_[rng.uniform(5, 15, (4000, 2)), rng.uniform(0, 4, 4000)]
    assert storey_borders([np.concatenate([hall, shelf])]) == ()
    assert storey_borders([storey(rng, 0.0)]) == ()
    assert storey_borders([np.zeros((0, 3))]) == ()


def test_the_floor_of_every_storey_counts(rng):
    low, high = storey(rng, 0.0), storey(rng, 3.5)
    assert not covers_more([low], 90.0)
    assert covers_more([np.concatenate([low, high])], 90.0)
    assert covers_more([low, high], 90.0)
    assert not covers_more([low, low], 90.0)


def test_sites_far_apart_are_no_error(rng):
    """Nothing lies near the mean height of two sites, and keys of far squares would overflow."""
    both = np.concatenate([storey(rng, 0.0), storey(rng, 3.0)])
    (border,) = storey_borders([both])
    assert storey_borders([both, storey(rng, 20_000.0)[:19_000]]) == (border,)
    assert storey_borders([np.array([[0, 0, 0], [0, 0, 2000]])]) == ()
    for far in (1e9, 1e30):
        strays = np.array([[far, 0, 3], [0, -far, 1], [0, 0, far]])
        assert storey_borders([np.concatenate([both, strays])]) == (border,)
