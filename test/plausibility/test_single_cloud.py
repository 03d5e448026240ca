"""Units, axes, stray points and people of one cloud."""

import numpy as np
import pytest
from rescene4d_ros.geometry.floor.structure import floor_without_normals
from rescene4d_ros.plausibility.check import check_scan, checked_scan
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.plausibility.foreign_points import find_people
from rescene4d_ros.structures import Finding, Scan, Severity

from .conftest import FURNITURE, make_person, make_room, scan_of


def codes(found):
    """Return code and severity of each finding."""
    return [(f.code, f.severity) for f in found.findings]


def test_a_room_is_as_expected(room):
    """Nothing to say, nothing dropped."""
    found = check_scan(scan_of(room))
    assert not found.findings
    assert found.kept.all()
    assert found.reference_T_scan is None


@pytest.mark.parametrize('axes', [(0, 1, 2), (0, 2, 1)])
@pytest.mark.parametrize('every', [1, 40])
@pytest.mark.parametrize(
    ('scale', 'unit'), [(1000, 'millimeters'), (100, 'centimeters'), (39.37, 'inches')]
)
def test_other_units_are_refused(room, scale, unit, every, axes):
    """With the unit that it looks like; dense or sparse, z or y up."""
    found = check_scan(scan_of(room[::every, axes] * scale))
    (refusal,) = found.refusals()
    assert refusal.code == 'unit'
    assert f'these look like {unit}: divide the coordinates by {scale}' in refusal.remedy
    assert not found.refusals(frozenset({'unit'}))


@pytest.mark.parametrize('scale', [1e-3, 0])
def test_what_has_no_extent_is_refused(room, scale):
    """A room in kilometers, and points at one place; a small part of a room is only told."""
    (refusal,) = check_scan(scan_of(room * scale)).refusals()
    assert refusal.code == 'unit'
    assert 'scale the coordinates' in refusal.remedy
    assert codes(check_scan(scan_of(room * (0.2 / np.ptp(room, axis=0).max())))) == [
        ('unit', Severity.WARNING)
    ]


@pytest.mark.parametrize('scale', [(1e-5, 1e-5, 1), (1, 1e-3, 1e-3)])
def test_what_has_one_extent_is_refused(room, scale):
    """Degrees of latitude and longitude with a height in meters, and all points on a line."""
    (refusal,) = check_scan(scan_of(room * scale)).refusals()
    assert refusal.code == 'unit'
    assert 'project degrees' in refusal.remedy


@pytest.mark.parametrize('scale', [(1, 1, 1e-3), (1e-3, 1, 1)])
def test_a_floor_and_a_wall_are_places(room, scale):
    """Two extents of a room are enough."""
    assert not check_scan(scan_of(room * scale)).refusals()


def test_long_places_are_told():
    """A corridor of 260 m, however dense its points are."""
    rng = np.random.default_rng(0)
    points = rng.uniform((0, 0, 0), (260, 4, 2.5), (60_000, 3))
    side = np.arange(len(points)) % 4
    points[side == 0, 2], points[side == 1, 2] = 0, 2.5
    points[side == 2, 1], points[side == 3, 1] = 0, 4
    found = check_scan(scan_of(points))
    assert ('extent', Severity.WARNING) in codes(found)
    assert not found.refusals()


def test_feet_are_told(room):
    """Not refused: there are halls of that height."""
    found = check_scan(scan_of(room / 0.3048))
    assert ('unit', Severity.WARNING) in codes(found)
    assert 'multiply the coordinates by 0.3048' in found.findings[0].remedy


def test_dense_centimeters_are_refused(room):
    """Points 2 mm apart are 0.2 apart in centimeters, which meters could be."""
    few = room[:200]
    rng = np.random.default_rng(0)
    near = np.concatenate([few + rng.normal(0, 0.003, few.shape) for _ in range(100)])
    found = check_scan(scan_of(np.concatenate([near, room[::50]]) * 100))
    assert [f.code for f in found.refusals()] == ['unit']


def test_duplicated_points_hide_no_unit(room):
    """Sensors give some points twice: the nearest neighbor says nothing."""
    found = check_scan(scan_of(np.repeat(room * 1000, 3, axis=0)))
    assert found.refusals()


def test_few_points_of_a_room_are_told_not_refused():
    """64 points in 5 m are sparse, but in meters."""
    xyz = np.random.default_rng(0).uniform(-2, 3, (64, 3))
    found = check_scan(scan_of(xyz))
    assert codes(found) == [('density', Severity.WARNING)]
    assert found.kept.all()


def test_a_second_check_tells_nothing_twice():
    """As a robot checks a visit, then the worker that takes it."""
    scan = scan_of(np.random.default_rng(0).uniform(-2, 3, (64, 3)))
    checked = checked_scan(scan, check_scan(scan))
    assert checked.findings
    assert check_scan(checked).findings == checked.findings


@pytest.mark.parametrize('offset', [0.0, 1234.5])
@pytest.mark.parametrize('step', [0.02, 0.05, 0.1, 0.25])
def test_rounded_coordinates_are_told(room, step, offset):
    """With their step, and not as lost returns of a sensor, however often a place is repeated."""
    found = check_scan(scan_of(np.round(room / step) * step + offset))
    told = [f for f in found.findings if f.code in ('rounded', 'repeated_points')]
    assert [(f.code, f.severity) for f in told] == [('rounded', Severity.WARNING)]
    assert told[0].measured == f'coordinates rounded to {100 * step:g} cm'
    assert not found.refusals()


def test_fine_steps_and_flat_surfaces_are_not_told(room):
    """Millimeters and centimeters, a floor without noise, and a room with walls without noise."""
    for step in (0.001, 0.01):
        fine = check_scan(scan_of(np.round(room / step) * step))
        assert 'rounded' not in [f.code for f in fine.findings]
    flat = room.copy()
    flat[np.abs(flat) < 0.03] = 0
    assert 'rounded' not in [f.code for f in check_scan(scan_of(flat)).findings]


@pytest.mark.parametrize('axes', [(0, 2, 1), (2, 1, 0)])
def test_rooms_on_their_side_are_told(room, axes):
    """Y up, as of many phones, and x up."""
    found = check_scan(scan_of(room[:, axes]))
    assert codes(found) == [('up_axis', Severity.WARNING)]
    assert f'along {"xyz"[axes.index(2)]}' in found.findings[0].measured


@pytest.mark.parametrize('axes', [(0, 2, 1), (2, 1, 0)])
def test_a_low_part_of_a_room_on_its_side_is_told(axes):
    """A phone that was not held up: no height of a room, but a floor along another axis."""
    rng = np.random.default_rng(0)
    floor = rng.uniform((0, 0, 0), (4, 5, 0.02), (8000, 3))
    furniture = rng.uniform((0.5, 0.5, 0), (3.5, 4.5, 1.5), (8000, 3))
    low = np.vstack([floor, furniture])
    assert not check_scan(scan_of(low)).findings
    assert codes(check_scan(scan_of(low[:, axes]))) == [('up_axis', Severity.WARNING)]


def test_one_wall_is_not_taken_for_a_floor(room):
    wall = room[room[:, 0] < room[:, 0].min() + 0.1]
    assert 'up_axis' not in [f.code for f in check_scan(scan_of(wall)).findings]


@pytest.mark.parametrize('stray', [(30.0, 0, 1), (-1e5, 0, 1), (3, 3, 40)])
def test_a_stray_point_is_dropped(room, stray):
    """Through a window or a mirror; the rest is as without it."""
    found = check_scan(scan_of(np.vstack([room, [stray]])))
    assert codes(found) == [('stray_points', Severity.INFO)]
    assert np.flatnonzero(~found.kept).tolist() == [len(room)]


def test_many_stray_points_are_a_warning(room):
    """A cloud of reflections outside."""
    rng = np.random.default_rng(0)
    outside = rng.uniform((20, -60, 0), (200, 60, 40), (6000, 3))
    found = check_scan(scan_of(np.vstack([room, outside])))
    (stray,) = (f for f in found.findings if f.code == 'stray_points')
    assert stray.severity == Severity.WARNING
    assert found.kept[: len(room)].all()
    assert found.kept[len(room) :].mean() < 0.05


def test_stray_points_inside_have_no_distance(room):
    """A point that hangs free in the middle of a room."""
    empty = room[np.linalg.norm(room - (3, 1.5, 1.6), axis=1) > 1.2]
    found = check_scan(scan_of(np.vstack([empty, [(3, 1.5, 1.6)]])))
    (stray,) = (f for f in found.findings if f.code == 'stray_points')
    assert stray.measured.startswith(f'1 of {len(empty) + 1} points')
    assert stray.measured.endswith('apart from the others')


def test_a_room_next_door_is_not_stray(room):
    """Two rooms of a scan with a gap between them."""
    found = check_scan(scan_of(np.vstack([room, room[::5] + (9, 0, 0)])))
    assert found.kept.all()


def test_stray_points_can_be_kept(room):
    """By choice; they are told all the same."""
    config = PlausibilityConfig(drop_stray=False)
    found = check_scan(scan_of(np.vstack([room, [(30, 0, 1)]])), config=config)
    assert found.kept.all()
    assert 'kept' in found.findings[0].remedy


@pytest.mark.parametrize('place', [(3.2, 1.4), (3.6, 3.6)])
def test_a_standing_person_is_dropped(room, place):
    """Wherever free in the room; nothing of the room goes."""
    found = check_scan(scan_of(np.vstack([room, make_person(*place)])))
    assert codes(found) == [('people', Severity.INFO)]
    assert f'({place[0]:.1f}, {place[1]:.1f})' in found.findings[0].measured
    assert found.kept[: len(room)].mean() > 0.999
    assert found.kept[len(room) :].mean() < 0.05
    kept = check_scan(
        scan_of(np.vstack([room, make_person(*place)])),
        config=PlausibilityConfig(drop_people=False),
    )
    assert kept.kept.all()
    assert kept.findings[0].severity == Severity.WARNING


@pytest.mark.parametrize(
    'parts',
    [
        [((2.2, 1.2, 0), (0.6, 0.4, 1.75))],  # a locker
        [((2.2, 1.2, 0), (0.05, 0.05, 1.6))],  # a pole
        [((2.2, 1.2, 0), (0.45, 0.45, 0.9))],  # a stool
        [((1.9, 1.3, 0), (1.2, 0.05, 1.6))],  # a screen
        [  # a lamp: foot, pole, shade, and the shade's top
            ((2.2, 1.2, 0), (0.5, 0.5, 0.1)),
            ((2.43, 1.43, 0), (0.04, 0.04, 1.2)),
            ((2.2, 1.2, 1.1), (0.5, 0.5, 0.25)),
            ((2.3, 1.3, 1.35), (0.3, 0.3, 0.2)),
        ],
    ],
)
def test_furniture_as_high_as_people_stays(parts):
    """It has no shoulders and head, or no trunk."""
    xyz = make_room(furniture=(*FURNITURE, *parts))
    people, places = find_people(xyz.astype(np.float32))
    assert not people.any()
    assert len(places) == 0


def test_floor_without_normals(room):
    """To half a step of 5 cm; also below zero."""
    assert floor_without_normals(room.astype(np.float32)) == pytest.approx(0, abs=0.051)
    below = (room - (0, 0, 7)).astype(np.float32)
    assert floor_without_normals(below) == pytest.approx(-7, abs=0.051)


def test_checked_scan_holds_what_is_kept(room):
    """With the findings, those of reading first; colors follow their points."""
    xyz = np.vstack([[(30, 0, 1)], room]).astype(np.float32)
    rgb = np.arange(len(xyz) * 3).reshape(-1, 3).astype(np.uint8)
    read = Finding('color', Severity.WARNING, 'a', 'b', 'c')
    scan = Scan(xyz, 1, rgb, findings=(read,), origin=(1000.0, 0, 0))
    stored = checked_scan(scan, check_scan(scan))
    np.testing.assert_array_equal(stored.xyz, xyz[1:])
    np.testing.assert_array_equal(stored.rgb, rgb[1:])
    assert [f.code for f in stored.findings] == ['color', 'offset', 'stray_points']
    assert stored.origin == (1000.0, 0, 0)


def test_findings_as_plain_values():
    """There and back, and as a line for people."""
    found = Finding('unit', Severity.REFUSED, '5 km', '5 m', 'divide')
    assert Finding.from_dict(found.as_dict()) == found
    assert str(found) == 'unit: expected 5 m, got 5 km; divide'


def test_zeros_for_lost_returns_are_dropped(room):
    """They would be neighbors of each other without end; a few copies stay."""
    zeros = np.zeros((len(room), 3))
    zeros[::2] = -0.0
    cloud = np.concatenate([zeros, np.repeat(room[:100], 5, axis=0), room + [0, 0, 0.001]])
    found = check_scan(scan_of(cloud))
    assert ('repeated_points', Severity.WARNING) in codes(found)
    assert not found.kept[1 : len(zeros)].any()
    assert found.kept[len(zeros) :].all()
    one = check_scan(scan_of(np.full((100_000, 3), 1.5)))
    assert one.kept.sum() == 1
