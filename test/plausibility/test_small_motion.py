"""The last centimeters: what stayed in its place decides, and what cannot be told stays."""

import numpy as np
import pytest
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.geometry.surface_registration import moved_by
from rescene4d_ros.plausibility.check import check_scan, checked_scan, laid_exactly
from rescene4d_ros.plausibility.registered import Reference
from rescene4d_ros.plausibility.small_motion import lay_small
from rescene4d_ros.structures import Finding, Severity
from scipy.spatial.transform import Rotation

from .conftest import rectangle, scan_of


@pytest.fixture(scope='module')
def reference(room):
    """Return what is remembered of the first visit."""
    return Reference.of_points(room.astype(np.float32))


def small_motion(seed, shift=0.1, degrees=3.0):
    """Return a motion about the middle of the room, along and about any axis."""
    rng = np.random.default_rng(seed)
    axis, along = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * axis).as_matrix()
    middle = np.array([3.0, 2.0, 1.0])
    motion[:3, 3] = middle + shift * along - motion[:3, :3] @ middle
    return motion


@pytest.mark.parametrize('seed', range(4))
def test_ten_centimeters_and_three_degrees_are_taken_out(later, reference, seed):
    """To 1 cm and 0.3 degrees, although furniture has moved between the visits."""
    off = small_motion(seed)
    found = check_scan(scan_of(transform(off, later)), reference, register=True)
    left = found.reference_T_scan @ off
    distance, angle = moved_by(left, later.mean(0))
    assert distance < 0.01
    assert np.rad2deg(angle) < 0.3
    told = next(f for f in found.findings if f.code == 'laid_on')
    assert 'this motion is taken' in told.remedy
    moved = checked_scan(scan_of(transform(off, later)), found, register=True)
    assert np.abs(moved.xyz - later).max() < 0.03


def test_a_scan_in_its_place_stays(later, reference):
    """Nothing is moved by millimeters that noise explains."""
    found = lay_small(later.astype(np.float32), reference)
    finding, motion = found.finding, found.motion
    assert motion is None
    assert 'lies on it already' in finding.remedy


def test_what_slides_along_a_corridor_stays():
    """Two walls and a floor do not tell where along them the scan belongs."""
    rng = np.random.default_rng(0)
    walls = [
        rectangle(rng, (0, y, 0), (12, 0, 0), v, 900.0)
        for y, v in ((0, (0, 0, 2.5)), (1.6, (0, 0, 2.5)), (0, (0, 1.6, 0)))
    ]
    corridor = np.concatenate(walls)
    reference = Reference.of_points(corridor.astype(np.float32))
    part = corridor[(corridor[:, 0] > 3) & (corridor[:, 0] < 9)] + (0.0, 0.05, 0.0)
    found = lay_small(part.astype(np.float32), reference)
    finding, motion = found.finding, found.motion
    assert motion is None
    assert 'slide' in finding.remedy


def test_a_larger_motion_is_taken_where_it_explains_more(later, reference):
    """Six degrees that the search for upright motions left are taken out."""
    off = small_motion(0, 0.05, 6.0)
    found = lay_small(transform(off, later).astype(np.float32), reference)
    distance, angle = moved_by(found.motion @ off, later.mean(0))
    assert distance < 0.01
    assert np.rad2deg(angle) < 0.3


def test_a_small_motion_is_preferred_to_a_large_one(later, reference):
    """Where the search found another place that explains no more, it has no say."""
    off = small_motion(0)
    far = Finding('registration', Severity.REFUSED, '', '', '')
    away = upright(0.0, (0.5, 0.0, 0.0))
    xyz = transform(off, later).astype(np.float32)
    findings, motion = laid_exactly(xyz, reference, [far], away)
    assert [f.code for f in findings] == ['laid_on']
    assert moved_by(motion @ off, later.mean(0))[0] < 0.01
    back = np.linalg.inv(upright(0.0, (0.6, 0.0, 0.0)))
    xyz = transform(np.linalg.inv(back), later).astype(np.float32)
    findings, motion = laid_exactly(xyz, reference, [far], back)
    assert [f.code for f in findings] == ['registration', 'laid_on']
