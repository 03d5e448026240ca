"""Still, moved, or of another shape: a cabinet before a wall, its door shut or open."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.structures import ObjectState, Scan
from rescene4d_ros.tracking.motion import estimate_motion, MotionKind
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.settings import MotionConfig
from rescene4d_ros.tracking.visit_view import VisitView

STEP = 0.025
NOTHING = np.zeros(0, np.float32)
MIDDLE = np.array([2.0, 2.0, 0.0])
# A walk in a half circle around the front of the cabinet, 1.8 m away.
ANGLES = np.linspace(0.15, np.pi - 0.15, 20)
PATH = np.c_[2 + 1.8 * np.cos(ANGLES), 0.5 + 1.8 * np.sin(ANGLES), np.full(20, 1.5)]


def patch(x, y, z) -> np.ndarray:
    """Return points of an axis-parallel patch; each argument is a number or a (low, high)."""
    axes = [
        np.arange(*v, STEP) if isinstance(v, tuple) else np.array([float(v)]) for v in (x, y, z)
    ]
    return np.stack(np.meshgrid(*axes), -1).reshape(-1, 3)


ROOM = np.concatenate([patch((0, 4), (0, 4), 0), patch((0, 4), 0, (0, 2.4))])
BODY = np.concatenate(
    [
        patch((1.5, 2.5), (0, 0.5), 1.2),
        patch(1.5, (0, 0.5), (0.03, 1.2)),
        patch(2.5, (0, 0.5), (0.03, 1.2)),
        patch((1.5, 2.0), 0.5, (0.03, 1.2)),
    ]
)
SHUT = np.concatenate([BODY, patch((2.0, 2.5), 0.5, (0.03, 1.2))])
OPEN = np.concatenate(
    [BODY, patch(2.5, (0.5, 1.0), (0.03, 1.2)), patch((2.0, 2.5), 0.05, (0.03, 1.2))]
)


# A leaf of 0.9 m in a wall, and a chair in the middle of the room with a rest at one side.
LEAF = patch((1.0, 1.9), (0, 0.05), (0.03, 2.0))
CHAIR = (
    np.concatenate(
        [
            patch((-0.25, 0.25), (-0.25, 0.25), 0.45),
            patch(-0.25, (-0.25, 0.25), (0.45, 0.95)),
            patch((-0.25, 0.1), 0.25, (0.45, 0.65)),
        ]
    )
    + MIDDLE
)
# A bin without a lid: too small for patches of new surface when it turns.
FRONT, BACK = patch((-0.18, 0.18), -0.13, (0, 0.35)), patch((-0.18, 0.18), 0.13, (0, 0.35))
SIDES = [patch(x, (-0.13, 0.13), (0, 0.35)) for x in (-0.18, 0.18)]
BIN = np.concatenate([FRONT, BACK, *SIDES]) + MIDDLE
AROUND = np.linspace(0, 2 * np.pi, 20, endpoint=False)
RING = np.c_[2 + 1.6 * np.cos(AROUND), 2 + 1.6 * np.sin(AROUND), np.full(20, 1.5)]


def turned(xyz, degrees: float, about) -> np.ndarray:
    """Return points after a turn about an upright axis."""
    about = np.asarray(about, dtype=float)
    return transform(upright(np.radians(degrees), (0, 0, 0)), xyz - about) + about


def estimate(old, new, *, room=ROOM, paths=(PATH, PATH), shift=0.0, seed=0):
    """Return what became of the cabinet between two noisy scans."""
    rng = np.random.default_rng(seed)
    old, new, *rooms = (
        np.float32(x + rng.normal(0, 0.004, x.shape))
        for x in (old, new + (shift, 0, 0), room, room)
    )
    views = [
        VisitView(
            Scan(
                np.concatenate([around, thing]),
                0,
                sensor_path=None if path is None else np.float32(path),
            )
        )
        for around, thing, path in zip(rooms, (old, new), paths)
    ]
    record = ObjectRecord(
        1,
        ObjectState.PRESENT,
        False,
        0.9,
        fit_box(old),
        1,
        1,
        None,
        1,
        0.0,
        '',
        NOTHING,
        NOTHING,
        NOTHING,
        old,
    )
    seen = Observation(np.arange(len(new)), new, fit_box(new), NOTHING, 0.9, NOTHING, NOTHING, {})
    return estimate_motion(record, seen, views[1], views[0], MotionConfig())


@pytest.mark.parametrize(('old', 'new'), [(SHUT, OPEN), (OPEN, SHUT)])
def test_door_that_opened_or_closed_is_another_shape(old, new):
    result = estimate(old, new)
    assert result.motion is MotionKind.DEFORMED
    assert 0.5 <= result.confidence <= 1
    assert np.array_equal(result.after_T_before, np.eye(4))


@pytest.mark.parametrize('shape', [SHUT, OPEN])
@pytest.mark.parametrize('seed', range(2))
def test_same_shape_is_still(shape, seed):
    assert estimate(shape, shape, seed=seed).motion is MotionKind.STILL


@pytest.mark.parametrize('shape', [SHUT, OPEN])
def test_nudge_is_no_other_shape(shape):
    assert estimate(shape, shape, shift=0.09).motion is MotionKind.STILL


@pytest.mark.parametrize('part', [SHUT[:, 0] < 2.2, SHUT[:, 2] > 0.7])
def test_side_that_only_one_visit_scanned_is_no_other_shape(part):
    # Where the sensor did not look, it does not show what would be behind the part either.
    room = ROOM[(ROOM[:, 1] > 0.8) | (np.abs(ROOM[:, 0] - 2) > 1.5)]
    assert estimate(SHUT[part], SHUT, room=room).motion is MotionKind.STILL
    assert estimate(SHUT, SHUT[part], room=room).motion is MotionKind.STILL


def test_larger_shift_is_a_move():
    result = estimate(SHUT, SHUT, shift=0.5)
    assert result.motion is MotionKind.MOVED
    assert result.after_T_before[:3, 3] == pytest.approx((0.5, 0, 0), abs=0.03)


@pytest.mark.parametrize('degrees', [60, -95, 180])
def test_turn_in_place_is_a_move(degrees):
    result = estimate(CHAIR, turned(CHAIR, degrees, MIDDLE), paths=(RING, RING))
    assert result.motion is MotionKind.MOVED
    moved = transform(result.after_T_before, CHAIR)
    assert np.abs(moved - turned(CHAIR, degrees, MIDDLE)).max() < 0.05


@pytest.mark.parametrize('degrees', [40, 90, -50])
@pytest.mark.parametrize('path', [RING, None])
def test_turn_of_a_small_thing_is_a_move(degrees, path):
    result = estimate(BIN, turned(BIN, degrees, MIDDLE), paths=(path, path))
    assert result.motion is MotionKind.MOVED
    moved = transform(result.after_T_before, BIN)
    assert np.abs(moved - turned(BIN, degrees, MIDDLE)).max() < 0.05


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('degrees', [0, 5, 180])
def test_small_thing_that_looks_the_same_is_still(degrees, seed):
    result = estimate(BIN, turned(BIN, degrees, MIDDLE), paths=(None, None), seed=seed)
    assert result.motion is MotionKind.STILL


def test_front_and_back_of_a_box_are_no_turn():
    front, back = (np.concatenate([part, *SIDES]) + MIDDLE for part in (FRONT, BACK))
    assert estimate(front, back, paths=(None, None)).motion is MotionKind.STILL


@pytest.mark.parametrize('hinge', [(1.0, 0, 0), (1.9, 0, 0)])
@pytest.mark.parametrize('degrees', [50, 90])
def test_leaf_that_swings_has_another_shape(hinge, degrees):
    way = degrees if hinge[0] == 1.0 else -degrees
    assert estimate(LEAF, turned(LEAF, way, hinge)).motion is MotionKind.DEFORMED


def test_turn_about_a_corner_of_what_is_no_leaf_is_a_move():
    cube = CHAIR[CHAIR[:, 2] < 0.5]
    result = estimate(CHAIR, turned(CHAIR, 70, cube.min(0)), paths=(RING, RING))
    assert result.motion is MotionKind.MOVED


def test_leaf_that_hangs_elsewhere_has_moved():
    elsewhere = turned(LEAF, 90, (1.0, 0, 0)) + (-0.9, 1.2, 0)
    assert estimate(LEAF, elsewhere).motion is MotionKind.MOVED


@pytest.mark.parametrize(('old', 'new'), [(SHUT, OPEN), (OPEN, SHUT)])
def test_door_is_seen_without_a_sensor_path(old, new):
    assert estimate(old, new, paths=(None, None)).motion is MotionKind.DEFORMED


@pytest.mark.parametrize('shape', [SHUT, OPEN])
def test_same_shape_is_still_without_a_sensor_path(shape):
    assert estimate(shape, shape, paths=(None, None)).motion is MotionKind.STILL


def test_side_that_only_one_visit_scanned_is_no_other_shape_without_a_sensor_path():
    # The visit before stood at the front: it saw neither the back nor floor below and behind.
    behind = (ROOM[:, 1] > 1.8) & (np.abs(ROOM[:, 0] - 2) < 0.6)
    front = np.concatenate(
        [patch((1.5, 2.5), (1.75, 2.25), 0.9), patch((1.5, 2.5), 1.75, (0, 0.9))]
    )
    whole = np.concatenate([front, patch((1.5, 2.5), 2.25, (0.03, 0.9))])
    assert (
        estimate(front, whole, room=ROOM[~behind], paths=(None, None)).motion is MotionKind.STILL
    )
