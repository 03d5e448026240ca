"""Boxes against closed forms and counted volumes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.geometry.boxes import bounds, contains, corners, fit_box, iou, most_iou
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.structures import Box

boxes = st.builds(
    Box,
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.tuples(*[st.floats(0.2, 2)] * 3),
    st.floats(-3.1, 3.1),
)


def grid_of(box: Box, n: int = 24) -> np.ndarray:
    """Return points that fill a box evenly, borders included."""
    axes = [np.linspace(-s / 2, s / 2, n) for s in box.size]
    return transform(box.map_T_box, np.stack(np.meshgrid(*axes), -1).reshape(-1, 3))


@settings(max_examples=40)
@given(boxes)
def test_fit_finds_the_box_that_made_the_points(box):
    fitted = fit_box(grid_of(box), trim=0.0)
    assert fitted.center == pytest.approx(box.center, abs=1e-6)
    assert sorted(fitted.size[:2]) == pytest.approx(sorted(box.size[:2]), rel=2e-2)
    assert fitted.size[2] == pytest.approx(box.size[2])
    assert fitted.size[0] >= fitted.size[1]
    assert -np.pi / 2 <= fitted.yaw < np.pi / 2
    assert iou(fitted, box) > 0.95


def test_fit_ignores_a_few_strays():
    box = Box((1, 2, 0.5), (1.0, 0.6, 1.0), 0.4)
    points = np.concatenate([grid_of(box), [[9, 9, 9], [-9, 2, 0]]])
    assert iou(fit_box(points), box) > 0.9


@pytest.mark.parametrize('n', [1, 2, 3])
def test_fit_of_few_points_is_a_box_with_extent(n):
    assert min(fit_box(np.eye(3)[:n]).size) > 0


def test_fit_of_no_points_says_so():
    with pytest.raises(ValueError, match='at least one point'):
        fit_box(np.zeros((0, 3)))


@settings(max_examples=30)
@given(boxes, boxes)
def test_iou_is_the_counted_one(a, b):
    low = np.minimum(bounds(a)[0], bounds(b)[0])
    high = np.maximum(bounds(a)[1], bounds(b)[1])
    points = np.random.default_rng(0).uniform(low, high, (40_000, 3))
    in_a, in_b = contains(a, points), contains(b, points)
    counted = (in_a & in_b).sum() / max((in_a | in_b).sum(), 1)
    assert iou(a, b) == pytest.approx(counted, abs=0.03)
    assert iou(a, b) == pytest.approx(iou(b, a), abs=1e-9)


@given(boxes)
def test_iou_with_itself_is_one_and_with_a_far_one_zero(box):
    far = Box((50.0, 0.0, 0.0), box.size, box.yaw)
    assert iou(box, box) == pytest.approx(1)
    assert iou(box, far) == 0


def test_corners_turn_with_the_box():
    turned = corners(Box((1, 1, 0), (2, 1, 1), np.pi / 2))
    assert turned == pytest.approx(np.array([[1.5, 0], [1.5, 2], [0.5, 2], [0.5, 0]]))


@given(st.lists(st.tuples(boxes, boxes), min_size=1, max_size=4))
def test_iou_is_never_more_than_by_axis_aligned_bounds(pairs):
    most = most_iou(*zip(*pairs))
    assert (most <= 1 + 1e-9).all()
    assert all(iou(*pair) <= at_most + 1e-9 for pair, at_most in zip(pairs, most))
