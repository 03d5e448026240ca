"""Whether a cloud lies on what is remembered, and the motion that would lay it there."""

import numpy as np
import pytest
from rescene4d_ros.geometry.se3 import invert, transform, upright
from rescene4d_ros.geometry.surface_registration import moved_by
from rescene4d_ros.plausibility.check import check_scan, checked_scan
from rescene4d_ros.plausibility.registered import Reference
from rescene4d_ros.structures import Scan, Severity
from scipy.spatial.transform import Rotation

from .conftest import make_room, scan_of


@pytest.fixture(scope='module')
def reference(room):
    """Return what is remembered of the first visit."""
    return Reference.of_points(room.astype(np.float32))


def test_a_registered_visit_is_as_expected(later, reference):
    """Furniture that moved is no reason, nor is a registration 3 cm and 1 degree off."""
    assert not check_scan(scan_of(later), reference).findings
    off = transform(upright(np.deg2rad(0.5), (0.02, -0.02, 0.01)), later)
    assert not check_scan(scan_of(off), reference).findings


@pytest.mark.parametrize(
    ('turn', 'shift'),
    [
        (35, (1.2, -0.8, 0.1)),
        (180, (6, 4.5, 0)),
        (-90, (0, 5, 0)),
        (0, (0.3, 0, 0)),
        (0, (0, 1.4, 0)),
        (0, (0, 0, 0.3)),
        (5, (0, 0, 0)),
    ],
)
def test_a_visit_that_is_not_registered_is_refused(later, reference, turn, shift):
    """The motion that is named lays it where it belongs."""
    motion = upright(np.deg2rad(turn), shift)
    found = check_scan(scan_of(transform(motion, later)), reference)
    (refusal,) = found.refusals()
    assert refusal.code == 'registration'
    assert '--register' in refusal.remedy
    back = transform(found.reference_T_scan @ motion, later)
    assert np.abs(back - later).max() < 0.05


def test_register_moves_points_normals_and_path(later, reference):
    """All into the map; the findings tell of it."""
    motion = upright(np.deg2rad(35), (1.2, -0.8, 0.1))
    path = np.array([[3, 1.5, 1.2], [2, 1, 1.2]])
    normals = np.tile((1.0, 0, 0), (len(later), 1))
    scan = Scan(
        transform(motion, later).astype(np.float32),
        1,
        normals=(normals @ motion[:3, :3].T).astype(np.float32),
        sensor_path=transform(motion, path).astype(np.float32),
    )
    found = check_scan(scan, reference)
    moved = checked_scan(scan, found, register=True)
    assert np.abs(moved.xyz - later).max() < 0.05
    assert np.abs(moved.normals - normals).max() < 0.02
    assert np.abs(moved.sensor_path - path).max() < 0.05
    assert [f.code for f in moved.findings] == ['registration']
    np.testing.assert_array_equal(checked_scan(scan, found).xyz, scan.xyz)


def test_another_room_of_the_map_is_taken(reference):
    """Where nothing is remembered, nothing can be compared."""
    other = make_room(3, furniture=())
    rng = np.random.default_rng(0)
    walls = rng.uniform((0, 0, 0), (9, 2.2, 2.5), (60_000, 3))
    walls[:30_000, 1] = np.where(rng.random(30_000) < 0.5, 0, 2.2)
    walls[30_000:, 2] = 0
    found = check_scan(scan_of(walls + (20, 20, 0)), reference)
    assert [(f.code, f.severity) for f in found.findings] == [('overlap', Severity.INFO)]
    # One that looks alike is told of, and taken.
    found = check_scan(scan_of(other + (20, 0, 0)), reference)
    assert [(f.code, f.severity) for f in found.findings] == [('registration', Severity.WARNING)]
    assert not found.refusals()


def test_a_place_that_fits_nowhere_is_told(reference):
    """Another room at the same place."""
    rng = np.random.default_rng(0)
    turn = rng.uniform(0, 2 * np.pi, 40_000)
    round_room = np.stack(
        [3 + 2.3 * np.cos(turn), 2.2 + 2.3 * np.sin(turn), rng.uniform(0, 2.5, 40_000)], 1
    )
    floor = rng.uniform((1, 0.5, 0), (5, 4, 0.01), (20_000, 3))
    found = check_scan(scan_of(np.vstack([round_room, floor])), reference)
    assert [(f.code, f.severity) for f in found.findings] == [('residual', Severity.WARNING)]
    assert found.reference_T_scan is None


def test_the_motion_takes_the_scan_to_the_reference(room, reference):
    """Not the other way round."""
    motion = upright(0.4, (0.5, 0, 0))
    found = check_scan(scan_of(transform(motion, room)), reference)
    np.testing.assert_allclose(found.reference_T_scan, invert(motion), atol=0.02)


@pytest.mark.parametrize('seed', range(3))
def test_a_tilted_scan_is_refused_with_its_motion(later, reference, seed):
    """Ten degrees about a level axis, which no upright motion lays down, with 10 cm of shift."""
    rng = np.random.default_rng(seed)
    axis, along = rng.normal(size=(2, 3)) * [[1, 1, 0], [1, 1, 1]]
    off = np.eye(4)
    off[:3, :3] = Rotation.from_rotvec(np.deg2rad(10) * axis / np.linalg.norm(axis)).as_matrix()
    middle = np.array([3.0, 2.0, 1.0])
    off[:3, 3] = middle + 0.1 * along / np.linalg.norm(along) - off[:3, :3] @ middle
    found = check_scan(scan_of(transform(off, later)), reference)
    (told,) = found.refusals()
    assert told.code == 'registration'
    assert 'turned by 10.' in told.expected or 'turned by 9.9' in told.expected
    assert moved_by(found.reference_T_scan @ off, later.mean(0)) == pytest.approx((0, 0), abs=0.01)
