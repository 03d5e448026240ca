"""Evidence of absence in a room whose geometry is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.place_evidence import look_at, looked_past, MISSED_ZONE, Place

STEP = 0.025


def plane(x, y, z) -> np.ndarray:
    """Return points of an axis-parallel patch; each argument is a number or a (low, high)."""
    axes = [
        np.arange(*v, STEP) if isinstance(v, tuple) else np.array([float(v)]) for v in (x, y, z)
    ]
    return np.stack(np.meshgrid(*axes), -1).reshape(-1, 3).astype(np.float32)


FLOOR = plane((0, 4), (0, 4), 0)
WALL = plane((0, 4), 4, (0, 2.5))
CABINET = np.concatenate([plane((1, 2), 3.5, (0.03, 1)), plane((1, 2), (3.5, 4), 1)])
TABLE = np.concatenate(
    [
        plane((1, 2.4), (1, 1.8), 0.75),
        plane((1, 1.05), 1, (0.03, 0.75)),
        plane((2.35, 2.4), 1.8, (0.03, 0.75)),
    ]
)
PICTURE = plane((2, 2.8), 3.97, (1.2, 1.8))


def judge(cloud: np.ndarray, thing: np.ndarray, path=None) -> Place:
    """Return what a cloud shows at a thing's place."""
    return look_at(Cloud(cloud, path), thing, fit_box(thing)).place


@pytest.mark.parametrize('thing', [CABINET, TABLE])
def test_what_stands_there_occupies_its_place(thing):
    assert judge(np.concatenate([FLOOR, WALL, thing]), thing) is Place.OCCUPIED


@pytest.mark.parametrize('thing', [CABINET, TABLE])
def test_bare_floor_is_evidence_of_absence(thing):
    assert judge(np.concatenate([FLOOR, WALL]), thing) is Place.SEEN_EMPTY


@pytest.mark.parametrize('thing', [CABINET, TABLE])
def test_where_nothing_was_scanned_nothing_is_known(thing):
    low, high = thing.min(0) - 0.3, thing.max(0) + 0.3
    room = np.concatenate([FLOOR, WALL])
    missed = ((room[:, :2] > low[:2]) & (room[:, :2] < high[:2])).all(1)
    assert judge(room[~missed], thing) is Place.UNSEEN


def test_a_zone_between_surfaces_was_missed_and_one_behind_a_wall_not_entered():
    around = np.abs(FLOOR[:, :2] - TABLE[:, :2].mean(0)).max(1) > 1.1
    missed = Cloud(np.concatenate([FLOOR[around], WALL]))
    at = look_at(missed, TABLE, fit_box(TABLE))
    assert (at.place, at.unobserved) == (Place.UNSEEN, MISSED_ZONE)
    for beyond in ((0.0, 3.3, 0.0), (-2.6, 0.0, 0.0), (9.0, 9.0, 0.0)):
        thing = TABLE + np.float32(beyond)
        at = look_at(Cloud(np.concatenate([FLOOR, WALL])), thing, fit_box(thing))
        assert (at.place, at.unobserved) == (Place.UNSEEN, 1.0)
    assert judge(FLOOR, TABLE) is Place.SEEN_EMPTY
    assert look_at(Cloud(FLOOR), TABLE, fit_box(TABLE)).unobserved == 0


def test_bare_wall_where_a_picture_hung_is_seen():
    gone = look_at(Cloud(np.concatenate([FLOOR, WALL])), PICTURE, fit_box(PICTURE))
    assert gone.observed > 0.9  # whose surface it is, its color must tell
    unseen = look_at(Cloud(FLOOR), PICTURE, fit_box(PICTURE))
    assert unseen.place is Place.UNSEEN


def test_table_top_is_evidence_for_what_stood_on_it():
    lamp = plane((1.5, 1.7), (1.2, 1.4), (0.78, 1.2))
    room = np.concatenate([FLOOR, WALL, TABLE])
    assert judge(np.concatenate([room, lamp]), lamp) is Place.OCCUPIED
    assert judge(room, lamp) is Place.SEEN_EMPTY


def test_a_wall_that_only_the_missing_cabinet_could_hide_proves_it_gone():
    # The floor below it was not scanned; the wall behind it was, from in front of it.
    front = np.array([[1.5, 1.0, 1.2]], dtype=np.float32)
    behind = WALL[(WALL[:, 0] > 1) & (WALL[:, 0] < 2) & (WALL[:, 2] < 1)]
    shallow = CABINET[CABINET[:, 1] < 3.6]
    assert judge(behind, shallow, None) is Place.UNSEEN
    assert judge(behind, shallow, front) is Place.SEEN_EMPTY


def test_a_wall_that_another_position_saw_past_the_cabinet_proves_nothing():
    path = np.array([[1.5, 1.0, 1.2], [1.5, 3.8, 2.4]], dtype=np.float32)
    behind = WALL[(WALL[:, 0] > 1) & (WALL[:, 0] < 2) & (WALL[:, 2] > 0.9)]
    cabinet = CABINET[CABINET[:, 1] < 3.6]
    assert judge(behind, cabinet, path) is Place.UNSEEN


def test_looked_past_counts_what_is_missing_above_seen_surfaces():
    seat, back = plane((1, 1.5), (1, 1.5), 0.45), plane((1, 1.5), 1.48, (0.5, 1))
    assert looked_past(Cloud(np.concatenate([FLOOR, seat, back])), back) == 0
    assert looked_past(Cloud(np.concatenate([FLOOR, seat])), back) > 0.85
    assert looked_past(Cloud(seat + (2, 2, 0)), back) == 0


def test_within_is_the_brute_force_answer():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 3, (4000, 3)).astype(np.float32)
    cloud = Cloud(xyz, spacing=1e-3)
    low, high = np.array([0.5, 1, 0]), np.array([1.5, 2.2, 3])
    expected = xyz[((xyz >= low) & (xyz <= high)).all(1)]
    found = cloud.within(low, high)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, expected.tolist()))
