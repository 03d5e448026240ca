"""Confidences of changes: the model by hand, what speaks for a change, the file of weights."""

from dataclasses import replace
from itertools import pairwise
import math

import numpy as np
import pytest
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.structures import ChangeKind, ObjectState, Scan
from rescene4d_ros.tracking.change_confidence import (
    ChangeEvidence,
    ConfidenceModel,
    evidence_of_arrival,
    evidence_of_difference,
    evidence_of_removal,
    TERMS,
)
from rescene4d_ros.tracking.observations import make_observation
from rescene4d_ros.tracking.record_update import update_records
from rescene4d_ros.tracking.records import LinkedObservation
from rescene4d_ros.tracking.settings import shipped_weights

DAY = 86_400 * 10**9
FULL = {
    'shown': 1.0,
    'link': 1.0,
    'score': 1.0,
    'occupied': 0.0,
    'overlap': 0.2,
    'agreement': 1.0,
    'points': 3.0,
    'unlike': 0.1,
}


def flat_weights(**named):
    """Return weights of all kinds: those named, else 0."""
    return ConfidenceModel(
        {
            kind: {
                'bias': named.get('bias', 0.0),
                **{name: named.get(name, 0.0) for name in terms},
            }
            for kind, terms in TERMS.items()
        }
    )


def seen_box(low, size, score=0.9, step=0.03):
    """Return an observation of the surface of a box."""
    axes = [np.arange(a, a + s + step / 2, step) for a, s in zip(low, size)]
    grid = np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, 3)
    high = np.array([axis[-1] for axis in axes])
    xyz = grid[((grid == np.array(low)) | (grid == high)).any(1)].astype(np.float32)
    return make_observation(
        Scan(xyz, DAY), np.arange(len(xyz)), np.array([0.8, 0.2]), score, np.zeros(0), {}
    )


def record_of(seen, others=None):
    """Return what is remembered of an observation after its first visit."""
    cloud = Cloud(seen.xyz if others is None else np.concatenate([seen.xyz, others]))
    return updated({}, DAY, cloud, seen)


def updated(records, stamp_ns, cloud, seen):
    """Return what is remembered of object 1 after a visit that shows it."""
    linked, states = {1: LinkedObservation(seen, '')}, {1: ObjectState.PRESENT}
    return update_records(records, stamp_ns, cloud, linked, states, ())[1]


def at(place, occupied, observed, n=1):
    """Return what a visit showed at a place."""
    return PlaceEvidence(place, occupied, observed, np.zeros(n, dtype=bool))


def test_odds_by_hand():
    """One half without evidence for either; 1 / (1 + exp(-(b + w x))) else."""
    assert flat_weights()(ChangeEvidence(ChangeKind.MOVED)) == 0.5
    model = flat_weights(bias=-1.0, shown=2.0, link=0.5)
    evidence = ChangeEvidence(ChangeKind.MOVED, shown=0.9, link=0.4)
    assert model(evidence) == pytest.approx(1 / (1 + math.exp(-(-1 + 1.8 + 0.2))))


@pytest.mark.parametrize('weight', [-1e6, 1e6])
def test_no_weight_overflows(weight):
    """However large the odds, a probability comes out."""
    told = flat_weights(bias=weight)(ChangeEvidence(ChangeKind.ADDED))
    assert told == pytest.approx(float(weight > 0))


@pytest.mark.parametrize(
    ('kind', 'name', 'rises'),
    [
        (ChangeKind.ADDED, 'score', True),
        (ChangeKind.ADDED, 'occupied', False),
        (ChangeKind.ADDED, 'unseen', False),
        (ChangeKind.REMOVED, 'shown', True),
        (ChangeKind.MOVED, 'shown', True),
        (ChangeKind.MOVED, 'link', True),
        (ChangeKind.DEFORMED, 'overlap', False),
        (ChangeKind.DEFORMED, 'score', True),
    ],
)
def test_shipped_model_goes_the_way_of_reason(kind, name, rises):
    """What speaks for a change makes it likelier, and what speaks against it less likely."""
    evidence = ChangeEvidence(kind, **FULL)
    told = [
        shipped_weights().changes(replace(evidence, **{name: x})) for x in np.linspace(0, 1, 7)
    ]
    assert all((b > a) == rises and a != b for a, b in pairwise(told))
    assert 0 < min(told) < max(told) < 1


def test_surface_that_was_there_speaks_against_new():
    """Except where a wall is all that was there."""
    before = at(Place.SEEN_EMPTY, 0.7, 0.9)
    box = evidence_of_arrival(seen_box((0, 0, 0), (0.5, 0.5, 0.5), score=0.6), before)
    assert (box.occupied, box.score, box.flat, box.unseen) == (0.7, 0.6, 0.0, 0.0)
    picture = evidence_of_arrival(seen_box((0, 0, 1), (0.6, 0.03, 0.5)), before)
    assert (picture.occupied, picture.flat) == (0.0, 1.0)
    assert evidence_of_arrival(seen_box((0, 0, 0), (0.5, 0.5, 0.5)), None).unseen == 1.0


def test_half_a_place_still_taken_is_half_as_empty():
    record = record_of(seen_box((0, 0, 0), (0.5, 0.5, 0.5)))
    evidence = evidence_of_removal(record, at(Place.SEEN_EMPTY, 0.25, 0.8))
    assert evidence.shown == pytest.approx(0.6)


def test_views_that_nest_overlap_wholly():
    """A part of the old view lies on it, whatever else of the object is not seen."""
    whole = seen_box((0, 0, 0), (1.0, 0.5, 0.8))
    half = seen_box((0, 0, 0), (0.5, 0.5, 0.8))
    for old, new in ((whole, half), (half, whole)):
        told = evidence_of_difference(
            ChangeKind.DEFORMED, record_of(old), new, at(Place.OCCUPIED, 0.6, 1.0), 0.9, 0.8
        )
        assert told.overlap > 0.75
        assert told.points == pytest.approx(math.log10(len(half.xyz)))
        assert told.unlike == pytest.approx(math.log(len(whole.xyz) / len(half.xyz)))
        assert told.agreement == pytest.approx(1.0)
    aside = seen_box((3, 0, 0), (1.0, 0.5, 0.8))
    told = evidence_of_difference(
        ChangeKind.MOVED, record_of(whole), aside, at(Place.SEEN_EMPTY, 0.1, 1.0), 0.9, 0.8
    )
    assert (told.overlap, told.shown, told.link) == (0.0, 0.9, 0.8)


def test_old_place_is_forgotten_though_no_motion_is_stated():
    """
    Who stands elsewhere does not stay behind in memory, however unsure the motion was.

    The floor at the old place is not seen by the second visit: its points are no evidence.
    """
    first, second = (seen_box((x, 0, 0), (0.5, 0.5, 0.5)) for x in (0.0, 2.0))
    record = record_of(first)
    after = updated({1: record}, 2 * DAY, Cloud(second.xyz), second)
    assert after.xyz[:, 0].min() > 1.9
    assert after.box.center[0] == pytest.approx(2.25, abs=0.02)


def test_sides_that_are_out_of_sight_stay_remembered():
    """A view of one side of what stands still takes nothing away."""
    whole = seen_box((0, 0, 0), (0.5, 0.5, 0.5))
    side = whole.xyz[whole.xyz[:, 0] < 0.2]
    seen = make_observation(
        Scan(side, 2 * DAY), np.arange(len(side)), np.array([0.8, 0.2]), 0.9, np.zeros(0), {}
    )
    after = updated({1: record_of(whole)}, 2 * DAY, Cloud(side), seen)
    assert np.ptp(after.xyz[:, 0]) == pytest.approx(0.5, abs=0.04)
