"""Nearest points by comparing all pairs, one question or many: as a search tree finds them."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.point_sets import share_near
from rescene4d_ros.geometry.surface import AllPairs, questions, shares_near, Surface


@pytest.mark.parametrize(('known', 'asked'), [(1, 1), (7, 300), (300, 7), (60_000, 20)])
def test_nearest_are_those_of_a_tree(known, asked):
    rng = np.random.default_rng(known)
    surface = Surface(rng.uniform(-1, 1, (known, 3)).astype(np.float32))
    points = rng.uniform(-1.2, 1.2, (asked, 3)).astype(np.float32)
    distance, at = surface.tree.query(points)
    pairs = AllPairs(surface.columns)
    asking = questions(points.T)
    assert pairs.distance(asking) == pytest.approx(distance, abs=2e-3)
    chosen = pairs.points[:, pairs.nearest(asking)].T
    assert np.linalg.norm(chosen - points, axis=1) == pytest.approx(distance, abs=1e-4)
    assert (pairs.nearest(asking) == at).mean() > 0.9


@pytest.mark.parametrize('away', [0.0, 80.0])
def test_share_is_that_of_a_tree_wherever_the_thing_is(away):
    rng = np.random.default_rng(3)
    surface = Surface((rng.uniform(0, 1, (500, 3)) + away).astype(np.float32))
    points = (rng.uniform(0, 1.3, (400, 3)) + away).astype(np.float32)
    assert surface.share_of(points, 0.1) == pytest.approx(
        share_near(surface.tree, points, 0.1), abs=1 / 400
    )
    assert surface.share_of(points[:0], 0.1) == 0


@pytest.mark.parametrize('away', [0.0, 80.0])
def test_many_shares_are_those_asked_one_by_one(away):
    rng = np.random.default_rng(4)
    surfaces = [
        Surface((rng.uniform(0, 2, (size, 3)) + away).astype(np.float32))
        for size in (1, 7000, 300, 40)
    ]
    asked = [
        (rng.uniform(-0.2, 2.2, (count, 3)) + away).astype(np.float32) for count in (50, 120, 0, 3)
    ]
    assert shares_near(asked, surfaces, 0.2) == pytest.approx(
        [share_near(surface.tree, points, 0.2) for surface, points in zip(surfaces, asked)],
        abs=1 / 100,
    )
    assert shares_near([], [], 0.2).shape == (0,)


def test_a_point_is_near_itself():
    surface = Surface(np.random.default_rng(0).uniform(5, 9, (200, 3)).astype(np.float32))
    assert surface.share_of(surface.xyz, 0.005) == 1
    assert (surface.limits[0] <= surface.middle).all()
    assert (surface.middle <= surface.limits[1]).all()
