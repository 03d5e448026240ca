"""How far places overlap: what is left out by ranges and boxes makes no difference."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.boxes import fit_box, iou
from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.geometry.point_sets import evenly, share_near
from rescene4d_ros.structures import ObjectState
from rescene4d_ros.tracking.association.pair_evidence import (
    NUDGED,
    overlap_of_places,
    PLACE_POINTS,
)
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import COVERED, SAME_SURFACE

ENOUGH = 0.5
NONE = np.zeros(0, dtype=np.float32)


def things(seed: int) -> list[np.ndarray]:
    """Return the surfaces of boxes that stand close together, some into each other."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(14):
        points = rng.uniform(-0.5, 0.5, (rng.integers(30, 900), 3))
        side = rng.integers(0, 3, len(points))
        points[np.arange(len(points)), side] = np.sign(points[np.arange(len(points)), side]) / 2
        xyz = points * rng.uniform(0.1, 1.2, 3) + (*rng.uniform(0, 3, 2), 0.4)
        found.append(xyz.astype(np.float32))
    return found


def slow_overlap(seen: Observation, record: ObjectRecord, covered: np.ndarray) -> float:
    """Compare one pair by search trees, whatever the boxes say."""

    def some(xyz):
        return xyz[evenly(len(xyz), PLACE_POINTS)]

    forth = share_near(record.surface.tree, some(seen.xyz), SAME_SURFACE)
    back = share_near(seen.surface.tree, some(record.xyz[covered]), SAME_SURFACE)
    overlap = (forth + back) / 2
    if forth >= COVERED:
        overlap = max(overlap, COVERED * forth)
    return max(overlap, NUDGED * iou(seen.box, record.box)) if overlap < NUDGED else overlap


@pytest.mark.parametrize('seed', range(3))
def test_places_that_overlap_enough_are_those_of_all_pairs(seed):
    rng = np.random.default_rng(seed + 100)
    old = things(seed)
    new = [xyz + rng.normal(0, 0.03, 3).astype(np.float32) for xyz in old]
    observations = [
        Observation(np.arange(len(xyz)), xyz, fit_box(xyz), NONE, 1.0, NONE, NONE, {})
        for xyz in new
    ]
    known = [
        ObjectRecord(
            k,
            ObjectState.PRESENT,
            False,
            1.0,
            fit_box(xyz),
            1,
            1,
            None,
            1,
            0.0,
            '',
            NONE,
            NONE,
            NONE,
            xyz,
        )
        for k, xyz in enumerate(old, 1)
    ]
    places = [PlaceEvidence(Place.OCCUPIED, 1.0, 0.0, rng.random(len(xyz)) < 0.8) for xyz in old]
    quick = overlap_of_places(observations, known, places, ENOUGH)
    slow = np.array(
        [
            [slow_overlap(seen, record, at.covered) for record, at in zip(known, places)]
            for seen in observations
        ]
    )
    same = slow >= ENOUGH
    assert same.sum() >= 10
    assert ((quick >= ENOUGH) == same).all()
    # A third of the points is enough where nearly all of them lie on the other.
    assert quick[same] == pytest.approx(slow[same], abs=0.1)
    assert (np.abs(quick - slow)[same] < 0.01).mean() > 0.5


def test_one_place_overlaps_wholly_and_one_without_points_not_at_all():
    xyz = things(0)[0]
    seen = Observation(np.arange(len(xyz)), xyz, fit_box(xyz), NONE, 1.0, NONE, NONE, {})
    record = ObjectRecord(
        1, ObjectState.PRESENT, False, 1.0, seen.box, 1, 1, None, 1, 0.0, '', NONE, NONE, NONE, xyz
    )
    for covered, overlap in ((True, 1.0), (False, COVERED)):
        places = [PlaceEvidence(Place.OCCUPIED, 1.0, 0.0, np.full(len(xyz), covered))]
        assert overlap_of_places([seen], [record], places, ENOUGH) == pytest.approx(overlap)


def test_nothing_seen_or_known_overlaps_nothing():
    assert overlap_of_places([], [], [], ENOUGH).shape == (0, 0)
