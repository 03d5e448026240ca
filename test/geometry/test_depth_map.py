"""Where a visit looked past a point, in a room of one wall; patches of points by slow search."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.cloud import Cloud, DepthMap, PASSED
from rescene4d_ros.geometry.point_sets import largest_patch

GRID = np.arange(0, 4, 0.025)
Y, Z = (a.ravel() for a in np.meshgrid(GRID, GRID / 1.6))
WALL = np.c_[np.full(Y.size, 3.0), Y, Z].astype(np.float32)
PATH = np.c_[np.zeros(12), np.linspace(1, 3, 12), np.full(12, 1.4)].astype(np.float32)


@pytest.mark.parametrize(
    ('x', 'is_past'),
    [(1.0, True), (3 - 2 * PASSED, True), (3 - PASSED / 2, False), (3.0, False), (3.4, False)],
)
def test_position_looks_past_what_is_clearly_before_the_wall(x, is_past):
    past, in_reach = DepthMap(PATH[5], WALL).passes(np.array([[x, 2.0, 1.2]]))
    assert in_reach.tolist() == [True]
    assert past.tolist() == [is_past]


def test_nothing_is_known_where_no_surface_shows_or_too_far():
    sight = DepthMap(PATH[5], WALL)
    past, in_reach = sight.passes(np.array([[-1.0, 2.0, 1.2], [4.6, 2.0, 1.4]]))
    assert not past.any()
    assert not in_reach.any()


def test_edge_of_a_surface_in_front_hides_what_is_beside_its_silhouette():
    near_by = WALL[WALL[:, 1] < 2] - (1.5, 0, 0)
    sight = DepthMap(np.array([0.0, 2.0, 1.2]), np.concatenate([WALL, near_by]))
    past, _ = sight.passes(np.array([[2.0, 2.01, 1.2], [2.0, 2.5, 1.2]]))
    assert past.tolist() == [False, True]


def test_visit_sees_through_empty_space_but_not_through_what_it_shows():
    points = np.array([[1.0, 2, 1.2], [3.0, 2, 1.2], [3.5, 2, 1.2]], np.float32)
    assert Cloud(WALL, PATH).seen_through(points).tolist() == [True, False, False]


FLOOR = np.c_[Y * 0.75, Z * 1.6, np.zeros(Y.size)].astype(np.float32)


def test_visit_without_path_is_taken_from_where_its_sensor_may_have_been():
    room = np.concatenate([WALL, FLOOR])
    points = np.array([[1.5, 2, 0.8], [3.0, 2, 1.2], [3.5, 2, 1.2], [1.5, 2, -0.5]], np.float32)
    assert Cloud(room).seen_through(points).tolist() == [True, False, False, False]
    assert Cloud(room).revealed(points) == 0  # where it was is no more than likely


def test_visit_without_path_and_floor_and_question_without_points_tell_nothing():
    point = np.array([[1.0, 2, 1.2]], np.float32)
    assert Cloud(WALL).seen_through(point).tolist() == [False]
    assert Cloud(point[:0]).seen_through(point).tolist() == [False]
    assert Cloud(WALL, PATH).seen_through(point[:0]).shape == (0,)


def test_few_of_many_positions_prove_nothing():
    # All but two positions stand behind a screen at x = 1 and cannot see what is beyond it.
    screen = WALL[WALL[:, 1] < 2.0] - (2.0, 0, 0)
    hidden = np.c_[np.full(10, 0.2), np.linspace(1, 1.6, 10), np.full(10, 1.2)]
    path = np.concatenate([hidden, [[0, 3.5, 1.2], [0, 3.7, 1.2]]]).astype(np.float32)
    point = np.array([[2.5, 1.2, 1.2]], np.float32)
    both = np.concatenate([WALL, screen]).astype(np.float32)
    assert Cloud(both, path[10:]).seen_through(point).all()
    assert not Cloud(both, path).seen_through(point).any()


def slow_largest_patch(xyz, radius) -> int:
    """Return the largest connected set by growing one from every point."""
    left, best = set(range(len(xyz))), 0
    while left:
        grown, border = set(), [left.pop()]
        while border:
            k = border.pop()
            grown.add(k)
            close = {j for j in left if np.linalg.norm(xyz[j] - xyz[k]) <= radius}
            left -= close
            border += close
        best = max(best, len(grown))
    return best


@pytest.mark.parametrize('seed', range(4))
def test_largest_patch_equals_slow_search(seed):
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, 1, (80 * seed, 3)).astype(np.float32)
    assert largest_patch(xyz, 0.15) == slow_largest_patch(xyz, 0.15)
