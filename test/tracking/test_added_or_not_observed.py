"""What is new, and what only was not looked at before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.geometry.place_evidence import Place
from rescene4d_ros.structures import ChangeKind, ObjectState, Scan, VisitInfo, VisitStatus
from rescene4d_ros.tracking.change_detection import detect_changes
from rescene4d_ros.tracking.observations import make_observation
from rescene4d_ros.tracking.records import LinkedObservation
from rescene4d_ros.tracking.settings import ChangeConfig, TrackingSettings
from rescene4d_ros.tracking.visit_view import VisitContext, VisitView

DAY = 86_400 * 10**9


def grid(x, y, z) -> np.ndarray:
    """Return points of an axis-parallel patch, 3 cm apart."""
    axes = [
        np.arange(*v, 0.03) if isinstance(v, tuple) else np.array([float(v)]) for v in (x, y, z)
    ]
    return np.stack(np.meshgrid(*axes), -1).reshape(-1, 3).astype(np.float32)


BOX = np.concatenate([grid((3.0, 3.5), (1.0, 1.5), 0.5), grid(3.0, (1.0, 1.5), (0.05, 0.5))])


@pytest.mark.parametrize(
    ('floor_until', 'came', 'kinds'),
    [(4.0, 0.0, [ChangeKind.ADDED]), (2.5, 0.0, []), (2.5, 0.8, [ChangeKind.ADDED])],
)
def test_new_only_where_the_place_was_seen_empty(floor_until, came, kinds):
    """However sure the mask is: where nobody looked, only change regions show an arrival."""
    before = Scan(grid((0, floor_until), (0, 3), 0), DAY)
    after = Scan(np.concatenate([grid((0, 4), (0, 3), 0), BOX]), 2 * DAY)
    points = np.arange(len(after) - len(BOX), len(after))
    seen = make_observation(after, points, np.ones(1), 1.0, np.zeros(0), {})
    seen = replace(seen, came=came)
    visit = VisitInfo(2, after.stamp_ns, VisitStatus.DONE, 'second', len(after))
    earlier = VisitView(before, np.zeros(len(before), np.int64))
    context = VisitContext(visit, VisitView(after), (earlier,), ('box',))
    settings = TrackingSettings()
    states, changes = detect_changes(context, {1: LinkedObservation(seen, 'new')}, {}, settings)
    assert [c.kind for c in changes] == kinds
    assert states == {1: ObjectState.PRESENT}


@pytest.mark.parametrize(('sure', 'kinds'), [(0.41, [ChangeKind.ADDED]), (0.39, [])])
def test_what_is_not_stated_is_there_all_the_same(sure, kinds):
    """A change below the threshold is kept back; the state of its object is not."""
    before = Scan(grid((0, 4), (0, 3), 0), DAY)
    after = Scan(np.concatenate([grid((0, 4), (0, 3), 0), BOX]), 2 * DAY)
    points = np.arange(len(after) - len(BOX), len(after))
    seen = make_observation(after, points, np.ones(1), 0.9, np.zeros(0), {})
    visit = VisitInfo(2, after.stamp_ns, VisitStatus.DONE, 'second', len(after))
    earlier = VisitView(before, np.zeros(len(before), np.int64))
    context = VisitContext(visit, VisitView(after), (earlier,), ('box',))
    settings = TrackingSettings(
        changes=ChangeConfig(min_confidence=0.4), confidence=lambda evidence: sure
    )
    states, changes = detect_changes(context, {1: LinkedObservation(seen, 'new')}, {}, settings)
    assert [(c.kind, c.confidence) for c in changes] == [(k, sure) for k in kinds]
    assert states == {1: ObjectState.PRESENT}


def test_place_is_looked_up_once_for_each_thing():
    scan = Scan(np.concatenate([grid((0, 4), (0, 3), 0), BOX]), DAY)
    points = np.arange(len(scan) - len(BOX), len(scan))
    seen, other = (
        make_observation(scan, points, np.ones(1), 0.9, np.zeros(0), {}) for _ in range(2)
    )
    view = VisitView(Scan(grid((0, 4), (0, 3), 0), DAY))
    visit = VisitInfo(2, 2 * DAY, VisitStatus.PENDING, '', len(scan))
    assert VisitContext(visit, VisitView(scan), (view,), ('box',)).unobserved(seen) == 0
    assert view.was_there(seen) is view.look(seen)
    assert view.look(other) is not view.look(seen)
    assert view.look(other).place is view.look(seen).place is Place.SEEN_EMPTY
