"""One visit tracked on its own: no memory, no network, nothing altered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.structures import (
    ChangeKind,
    ObjectState,
    Scan,
    Segmentation,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.tracking.object_ids import NEW
from rescene4d_ros.tracking.regions.discovery import FOUND_BACK
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.track_visit import track_visit
from rescene4d_ros.tracking.visit_view import VisitContext, VisitView

DAY = 86_400 * 10**9
CRATE, TRUNK = ((0.5, 0.5, 0.4), (200, 40, 40)), ((0.9, 0.5, 0.7), (40, 60, 200))
AT_HOME = ((0.4, 0.4), (1.8, 1.6))  # m; corners of crate and trunk


def segmentation(*instances) -> Segmentation:
    """Return boxes as instances that span some visits."""
    labels = tuple((instance - 1).astype(np.int32) for instance in instances)
    n = max(int(label.max()) for label in labels) + 1
    return Segmentation(
        labels,
        np.tile(np.float32([0.9, 0.1]), (n, 1)),
        np.full(n, 0.9, np.float32),
        np.eye(4, dtype=np.float32)[:n],
        tuple((label >= 0).astype(np.float32) for label in labels),
    )


def without_masks(labels) -> Segmentation:
    """Return no instance at all in some visits, as where no network is used."""
    return Segmentation(
        tuple(label - 1 for label in labels),
        np.zeros((0, 2), np.float32),
        np.zeros(0, np.float32),
        np.zeros((0, 0), np.float32),
        tuple(np.zeros(len(label), np.float32) for label in labels),
    )


@pytest.fixture
def visit(boxes_room):
    """Return a function that gives the visit of a day: what it is, its scan and its boxes."""

    def make(day, places):
        boxes = [((*at, 0.0), *box) for at, box in zip(places, (CRATE, TRUNK)) if at]
        scan, instance = boxes_room(boxes, seed=day, stamp_ns=day * DAY)
        info = VisitInfo(day, scan.stamp_ns, VisitStatus.PENDING, '', len(scan))
        return info, scan, instance

    return make


@pytest.fixture
def first(visit):
    """Return the first visit, what it brings, and the visit as one that was processed."""
    info, scan, instance = visit(1, AT_HOME)
    context = VisitContext(info, VisitView(scan), (), ('box', 'other'))
    facts = track_visit(segmentation(instance), context, TrackingSettings())
    return instance, facts, VisitView(scan, facts.object_ids)


def second_visit(first, info, scan, instance, next_id=3):
    """Interpret a visit after the first one."""
    before, facts, view = first
    context = VisitContext(
        info, VisitView(scan), (view,), ('box', 'other'), facts.records, next_id
    )
    return track_visit(segmentation(before, instance), context, TrackingSettings())


def test_first_visit_gives_births_and_no_changes(first):
    instance, facts, _ = first
    assert np.array_equal(facts.object_ids, instance)
    assert facts.changes == ()
    assert {link.reason for link in facts.linked.values()} == {NEW}
    assert facts.states == {1: ObjectState.PRESENT, 2: ObjectState.PRESENT}


def test_moved_box_keeps_its_id_and_nothing_given_is_altered(first, visit):
    given = {i: (repr(record), record.xyz.copy()) for i, record in first[1].records.items()}
    info, scan, instance = visit(2, ((1.9, 0.3), AT_HOME[1]))
    facts = second_visit(first, info, scan, instance)
    assert np.array_equal(facts.object_ids, instance)
    assert [(c.kind, c.object_id) for c in facts.changes] == [(ChangeKind.MOVED, 1)]
    assert facts.records[1].moved_m == pytest.approx(1.5, abs=0.05)
    for i, (text, xyz) in given.items():
        assert repr(first[1].records[i]) == text
        assert np.array_equal(first[1].records[i].xyz, xyz)


def test_facts_of_the_visit_before_keep_no_search_structures_but_what_is_shared(first, visit):
    info, scan, instance = visit(2, AT_HOME)
    later = dict(second_visit(first, info, scan, instance).records)
    facts = first[1]
    later[1] = facts.records[1]  # as of an object that the next visit did not show
    for record in facts.records.values():
        assert record.surface.tree.n == len(record.xyz)
    bare = facts.before(later)
    assert bare.records[1] is facts.records[1]
    assert 'surface' not in vars(bare.records[2])
    assert bare.records[2].xyz is facts.records[2].xyz
    assert not any('surface' in vars(link.observation) for link in bare.linked.values())
    assert list(bare.linked) == list(facts.linked)


def test_missed_box_is_recovered_and_a_removed_one_is_absent(first, visit):
    info, scan, instance = visit(2, AT_HOME)
    facts = second_visit(first, info, scan, np.where(instance == 2, 0, instance))
    assert facts.changes == ()
    standing = (instance == 2) & (scan.xyz[:, 2] > 0.06)  # what is lower may be the floor
    assert (facts.object_ids[standing] == 2).mean() > 0.9
    assert set(np.unique(facts.object_ids[instance != 2])) == {0, 1}
    assert facts.linked[2].observation.score == pytest.approx(0.45)
    info, scan, instance = visit(3, (AT_HOME[0], None))
    facts = second_visit(first, info, scan, instance)
    assert facts.states == {1: ObjectState.PRESENT, 2: ObjectState.ABSENT}
    assert [(c.kind, c.object_id) for c in facts.changes] == [(ChangeKind.REMOVED, 2)]


def test_box_segmented_late_was_there_at_the_visit_before(visit):
    info, scan, instance = visit(1, AT_HOME)
    missed = np.where(instance == 2, 0, instance)
    context = VisitContext(info, VisitView(scan), (), ('box', 'other'))
    facts = track_visit(segmentation(missed), context, TrackingSettings())
    assert set(facts.records) == {1}
    first = missed, facts, VisitView(scan, facts.object_ids)
    facts = second_visit(first, *visit(2, AT_HOME), next_id=2)
    assert facts.changes == ()
    assert facts.linked[2].reason == FOUND_BACK
    assert (facts.records[2].first_seen_ns, facts.records[2].n_observations) == (DAY, 2)
    (link,) = facts.discovered[DAY].values()
    standing = (instance == 2) & (scan.xyz[:, 2] > 0.06)
    assert set(link.observation.points) <= set(np.flatnonzero(instance == 2))
    assert np.isin(np.flatnonzero(standing), link.observation.points).mean() > 0.9


def test_box_that_came_is_not_followed_back(visit):
    info, scan, instance = visit(1, (AT_HOME[0], None))
    context = VisitContext(info, VisitView(scan), (), ('box', 'other'))
    facts = track_visit(segmentation(instance), context, TrackingSettings())
    first = instance, facts, VisitView(scan, facts.object_ids)
    facts = second_visit(first, *visit(2, AT_HOME), next_id=2)
    assert [(c.kind, c.object_id) for c in facts.changes] == [(ChangeKind.ADDED, 2)]
    assert facts.discovered == {}


def test_unsure_observation_is_no_new_object(visit):
    info, scan, instance = visit(1, AT_HOME)
    found = segmentation(instance)
    found.scores[1] = 0.3
    context = VisitContext(info, VisitView(scan), (), ('box', 'other'), next_id=7)
    facts = track_visit(found, context, TrackingSettings(birth_score=0.4))
    assert set(facts.linked) == set(facts.records) == {7}
    assert set(np.unique(facts.object_ids)) == {0, 7}


def test_scan_without_instances_brings_nothing():
    scan = Scan(np.zeros((50, 3), np.float32), DAY)
    none = np.zeros((0, 2), np.float32)
    found = Segmentation(
        (np.full(50, -1, np.int32),), none, none[:, 0], none, (np.zeros(50, np.float32),)
    )
    info = VisitInfo(1, DAY, VisitStatus.PENDING, '', 50)
    facts = track_visit(
        found, VisitContext(info, VisitView(scan), (), ('box', 'other')), TrackingSettings()
    )
    assert (facts.linked, facts.states, facts.changes, facts.records) == ({}, {}, (), {})


@settings(max_examples=3)
@given(st.floats(-np.pi, np.pi), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_any_upright_motion_keeps_the_id_without_masks(boxes_room, turn, x, y):
    """A thing that geometry alone finds, as it moves, is one object of both visits."""
    floor, _ = boxes_room([], floor=4.0)
    seat, _ = boxes_room([((-0.3, -0.3, 0.3), (0.6, 0.6, 0.15), (150, 60, 40))], floor=0.0)
    back, _ = boxes_room([((-0.3, 0.2, 0.45), (0.6, 0.1, 0.5), (150, 60, 40))], floor=0.0)
    thing = np.concatenate([seat.xyz, back.xyz])
    direction = np.concatenate([seat.normals, back.normals])
    motions = upright(0.0, (0.9, 0.9, 0.0)), upright(turn, (2.9 + x, 2.9 + y, 0.0))
    scans = []
    for day, motion in enumerate(motions):
        points = transform(motion, thing).astype(np.float32)
        normals = (direction @ motion[:3, :3].T).astype(np.float32)
        rgb = np.tile(np.uint8([150, 60, 40]), (len(points), 1))
        parts = zip((floor.xyz, floor.rgb, floor.normals), (points, rgb, normals))
        xyz, colors, directions = (np.concatenate(part) for part in parts)
        scans.append(Scan(xyz, day * DAY, colors, directions))
    none = [np.zeros(len(scan), np.int32) for scan in scans]
    info = [VisitInfo(k, s.stamp_ns, VisitStatus.PENDING, '', len(s)) for k, s in enumerate(scans)]
    context = VisitContext(info[0], VisitView(scans[0]), (), ('box', 'other'))
    before = track_visit(without_masks(none[:1]), context, TrackingSettings())
    view = VisitView(scans[0], before.object_ids)
    context = VisitContext(info[1], VisitView(scans[1]), (view,), ('box', 'other'))
    facts = track_visit(without_masks(none), context, TrackingSettings())
    (change,) = facts.changes
    assert (change.kind, change.object_id) == (ChangeKind.MOVED, 1)
    assert (facts.object_ids[len(floor) :] == 1).mean() > 0.9
    assert (facts.object_ids[: len(floor)] == 1).mean() < 0.02
