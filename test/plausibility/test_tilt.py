"""Tilted rooms are told, ramps and roofs are not."""

import numpy as np
import pytest
from rescene4d_ros.plausibility.check import check_scan, checked_scan
from rescene4d_ros.plausibility.single_cloud import check_tilt, measure_up
from rescene4d_ros.structures import Severity

from .conftest import rectangle, scan_of


def turned(xyz, degrees, axis):
    """Return points turned about the x (0) or y (1) axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    motion = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    order = [0, 1, 2] if axis == 0 else [1, 0, 2]
    return xyz @ motion[np.ix_(order, order)].T


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('degrees', [6, 10, -10, 30])
def test_a_tilted_first_cloud_is_told(room, degrees, axis):
    """With the angle; told once, though it is checked again."""
    scan = scan_of(turned(room, degrees, axis))
    found = check_scan(scan)
    (told,) = (f for f in found.findings if f.code == 'tilt')
    assert told.severity == Severity.WARNING
    angle = float(told.measured.split()[-2])
    assert abs(angle - abs(degrees)) < 0.5
    assert not found.refusals()
    assert check_scan(checked_scan(scan, found)).findings == found.findings


def test_the_up_direction_is_that_of_the_room(room):
    up = measure_up(turned(room, 10, 0))
    expected = turned(np.array([[0, 0, 1.0]]), 10, 0)[0]
    assert np.rad2deg(np.arccos(up @ expected)) < 0.5


@pytest.mark.parametrize('degrees', [0, 1, 2])
def test_a_level_room_is_not_told(room, degrees):
    assert check_tilt(turned(room, degrees, 0)) == []


@pytest.mark.parametrize('slope', [0.1, 0.2, 0.6])
def test_ramps_and_roofs_are_not_told(slope):
    """A sloping floor between upright walls, alone and under a sloping ceiling."""
    rng = np.random.default_rng(0)
    length, width, rise = 6.0, 3.0, 6.0 * slope
    along, across, up = (length, 0, rise), (0, width, 0), (0, 0, 2.5)
    parts = [
        rectangle(rng, (0, 0, 0), along, across, 900),
        rectangle(rng, (0, 0, 0), along, up, 900),
        rectangle(rng, (0, width, 0), along, up, 900),
        rectangle(rng, (0, 0, 0), across, up, 900),
        rectangle(rng, (length, 0, rise), across, up, 900),
    ]
    ramp = np.concatenate(parts)
    roof = rectangle(rng, (0, 0, 2.5), along, across, 900)
    for cloud in (ramp, np.concatenate([ramp, roof]), parts[0]):
        assert check_tilt(cloud + rng.normal(0, 0.005, cloud.shape)) == []
