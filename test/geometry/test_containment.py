"""Which views can be of a part of a thing, where the thing and the view are known."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.containment import fit_into
from rescene4d_ros.geometry.point_sets import quick_tree, share_near
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.geometry.surface import Surface


def shell(size, center, seed: int) -> np.ndarray:
    """Return points on the surface of a box."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.5, 0.5, (2000, 3))
    side = rng.integers(0, 3, len(points))
    rows = np.arange(len(points))
    points[rows, side] = np.sign(points[rows, side]) / 2
    return (points * size + center).astype(np.float32)


def chair(seed: int = 0) -> np.ndarray:
    """Return a seat, a backrest and an armrest on one side: no symmetry."""
    return np.concatenate(
        [
            shell((0.45, 0.45, 0.03), (0, 0, 0.45), seed),
            shell((0.03, 0.45, 0.45), (-0.21, 0, 0.7), seed + 1),
            shell((0.3, 0.03, 0.2), (0, 0.21, 0.58), seed + 2),
        ]
    )


def into(part: np.ndarray, whole: np.ndarray) -> float:
    """Fit one view."""
    (share,) = fit_into([Surface(part)], [Surface(whole)])
    return share


@pytest.mark.parametrize('degrees', [0, 40, 100, 175, -75])
@pytest.mark.parametrize('part', ['all', 'upper', 'left', 'few'])
def test_every_part_fits_after_every_motion(degrees, part):
    view = chair(seed=10)
    view = view[
        {
            'all': view[:, 2] > -9,
            'upper': view[:, 2] > 0.5,
            'left': view[:, 1] > 0.05,
            'few': view[:, 2] > 0.85,
        }[part]
    ]
    moved = transform(upright(np.radians(degrees), (3.0, -7.0, 0.0)), view).astype(np.float32)
    assert into(moved, chair()) > 0.8


@pytest.mark.parametrize(
    'other', [shell((1.4, 0.7, 0.05), (3, 3, 0.75), 5), shell((0.4, 0.4, 1.8), (0, 0, 0.9), 6)]
)
def test_other_shapes_do_not(other):
    assert into(other, chair()) < 0.8


def test_motion_changes_nothing():
    view, whole = shell((0.8, 0.4, 0.9), (0, 0, 0.45), 1), chair()
    far = transform(upright(0.0, (40.0, -90.0, 0.0)), view).astype(np.float32)
    assert into(far, whole) == pytest.approx(into(view, whole), abs=0.05)


def test_resting_view_is_at_least_as_good_as_where_it_lies():
    view = chair(seed=3)[::7]
    assert into(view, chair()) >= share_near(quick_tree(chair()), view, 0.05) - 0.02


def test_too_few_points_fit_nothing():
    assert into(chair()[:2], chair()) == 0
    assert into(chair(), chair()[:0]) == 0


def test_pairs_fitted_together_are_as_those_fitted_alone():
    table, few = shell((1.4, 0.7, 0.05), (3, 3, 0.75), 5), chair(seed=4)[::90]
    pairs = [(chair(seed=3)[::7], chair()), (table, chair()), (few, table), (few, chair()[:2])]
    together = fit_into(*([Surface(xyz) for xyz in side] for side in zip(*pairs)))
    assert together.tolist() == pytest.approx([into(*pair) for pair in pairs], abs=0.02)


def test_search_that_ends_early_found_enough():
    parts, wholes = (
        [Surface(chair(seed=3)[::7]), Surface(shell((2, 2, 0.1), (0, 0, 1), 1))],
        [Surface(chair())] * 2,
    )
    full, early = fit_into(parts, wholes), fit_into(parts, wholes, 0.8)
    assert (early <= full).all()
    assert ((early >= 0.8) | (early == full)).all()
