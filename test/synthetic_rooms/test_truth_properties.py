"""What the truth of made rooms promises, checked on their points with the tools of the memory."""

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.place_evidence import is_flat, look_at, Place
from rescene4d_ros.structures import ChangeKind, INSTANCE_CLASSES, ObjectState
from rescene4d_ros.synthetic_rooms import make_sequence, PRESETS, RoomsConfig
from scipy.spatial import cKDTree

SEEDS = (4, 7, 12, 15)
CONFIG = {
    **PRESETS['busy'],
    'visits': 3,
    'views': 14,
    'view_width': 112,
    'view_height': 84,
    'spacing': 0.03,
    'p_hidden_zone': 0.7,
    'registration_m': 0.0,
    'registration_deg': 0.0,
}
CAME = (ChangeKind.MOVED, ChangeKind.ADDED, ChangeKind.REAPPEARED, ChangeKind.DEFORMED)


@pytest.fixture(scope='module')
def made():
    """Return sequences without registration error, so that places can be compared."""
    return [make_sequence(seed, make(RoomsConfig, CONFIG)) for seed in SEEDS]


def points_of(sequence, truth, t, instance_id):
    """Return the points of an object at a visit."""
    return sequence.scans[t].xyz[truth.visits[t].instance == instance_id]


def objects_of(truth, t):
    """Return the objects of a visit by id."""
    return {o.instance_id: o for o in truth.visits[t].objects}


def static_pairs(truth):
    """Yield (visit, id) of objects that stood still since the visit before and are seen twice."""
    for t in range(1, len(truth.visits)):
        before = objects_of(truth, t - 1)
        for k, o in objects_of(truth, t).items():
            old = before.get(k)
            if (
                old is not None
                and o.change == ChangeKind.UNKNOWN
                and o.state == old.state == ObjectState.PRESENT
                and np.allclose(o.map_T_object, old.map_T_object)
            ):
                yield t, k


def disagreement(one, other):
    """Return how far points of one visit are from those of another where both saw the same."""
    return np.percentile(cKDTree(one).query(other)[0], 30)


def test_every_identity_has_one_class_and_one_group(made):
    """Over all visits of a sequence; look-alikes are of one class."""
    for _, truth in made:
        classes, groups = {}, {}
        for visit in truth.visits:
            for o in visit.objects:
                assert classes.setdefault(o.instance_id, o.class_id) == o.class_id
                assert groups.setdefault(o.instance_id, o.ambiguity_group) == o.ambiguity_group
                assert o.class_id < len(INSTANCE_CLASSES)
        for group in set(groups.values()) - {0}:
            members = [k for k in groups if groups[k] == group]
            assert len(members) > 1
            assert len({classes[k] for k in members}) == 1


def test_static_objects_agree_within_noise(made):
    """Two visits put the same surface at the same place, to the distance between points."""
    apart = [
        disagreement(points_of(s, truth, t - 1, k), points_of(s, truth, t, k))
        for s, truth in made
        for t, k in static_pairs(truth)
        if min(len(points_of(s, truth, u, k)) for u in (t - 1, t)) > 150
    ]
    assert len(apart) > 20
    assert np.median(apart) < CONFIG['spacing']
    assert np.mean(np.array(apart) < 2 * CONFIG['spacing']) > 0.9


def test_registration_error_is_within_its_bound():
    """With it, the same surfaces are apart by at most the shift and turn of both visits more."""
    config = make(
        RoomsConfig,
        {
            **CONFIG,
            'visits': 2,
            'registration_m': 0.03,
            'registration_deg': 1.0,
            'p_hidden_zone': 0.0,
        },
    )
    exact = make(RoomsConfig, {**CONFIG, 'visits': 2, 'p_hidden_zone': 0.0})
    off, sequence = make_sequence(5, config)[0], make_sequence(5, exact)[0]
    moved = 0.0
    for t, (a, b) in enumerate(zip(off.scans, sequence.scans)):
        shift = np.linalg.norm(a.xyz - b.xyz, axis=1)
        middle = np.linalg.norm(b.xyz - b.xyz.mean(axis=0), axis=1)
        assert shift.min() < 0.03 + 0.02
        assert (shift <= 0.03 + np.deg2rad(1.0) * (middle + 1.5)).all()
        # A rigid motion: distances within a visit stay.
        some = np.random.default_rng(t).integers(len(a), size=(2, 500))
        np.testing.assert_allclose(
            np.linalg.norm(a.xyz[some[0]] - a.xyz[some[1]], axis=1),
            np.linalg.norm(b.xyz[some[0]] - b.xyz[some[1]], axis=1),
            atol=1e-4,
        )
        moved = max(moved, np.median(shift))
    assert moved > 0.003


def test_place_of_what_left_is_empty(made):
    """Where it stood, and stood free, there are points only of what came there since."""
    looked = 0
    for sequence, truth in made:
        for t, visit in enumerate(truth.visits[1:], start=1):
            before = objects_of(truth, t - 1)
            came = [o.instance_id for o in visit.objects if o.change in CAME]
            rest = sequence.scans[t].xyz[~np.isin(visit.instance, came)]
            for o in visit.objects:
                # The wall shows right behind where a picture hung.
                if (
                    o.change != ChangeKind.REMOVED
                    or is_flat(o.box)
                    or before[o.instance_id].state != ObjectState.PRESENT
                ):
                    continue
                old = points_of(sequence, truth, t - 1, o.instance_id)
                others = sequence.scans[t - 1].xyz[truth.visits[t - 1].instance != o.instance_id]
                free = old[cKDTree(others).query(old)[0] > 0.1]
                if len(free) < 20:
                    continue
                looked += 1
                taken = cKDTree(rest).query(free)[0] < 0.04
                assert taken.mean() < 0.05, (sequence.name, t, o.instance_id)
    assert looked > 5


def test_what_is_not_observed_leaves_no_trace(made):
    """Hardly any points, and nothing seen through its place that it would have hidden."""
    few = make(RoomsConfig, CONFIG).min_points
    hidden, judged = 0, 0
    for sequence, truth in made:
        for t, visit in enumerate(truth.visits):
            cloud = Cloud(sequence.scans[t].xyz, sequence.scans[t].sensor_path)
            for o in visit.objects:
                if o.state != ObjectState.NOT_OBSERVED:
                    continue
                assert len(points_of(sequence, truth, t, o.instance_id)) < few
                hidden += 1
                for u in range(len(truth.visits)):
                    seen = objects_of(truth, u).get(o.instance_id)
                    if (
                        o.in_room
                        and seen is not None
                        and seen.state == ObjectState.PRESENT
                        and np.allclose(seen.map_T_object, o.map_T_object)
                    ):
                        judged += 1
                        told = look_at(cloud, points_of(sequence, truth, u, o.instance_id), o.box)
                        assert told.place != Place.SEEN_EMPTY, (sequence.name, t, o.instance_id)
                        break
    assert hidden > 5
    assert judged > 3
