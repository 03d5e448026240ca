"""Colors of two visits whose cameras chose other exposures and white balances."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.place_evidence import Place
from rescene4d_ros.structures import Scan, Segmentation, VisitInfo, VisitStatus
from rescene4d_ros.tracking.association.appearance import (
    color_evidence,
    ColorChange,
    fit_colors,
    SPREAD_OF_ONE,
)
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.track_visit import track_visit
from rescene4d_ros.tracking.visit_view import VisitContext, VisitView

DAY = 86_400 * 10**9
SIZE = (0.4, 0.4, 0.5)
PLACES = [(x, y) for x in (0.3, 1.1, 1.9) for y in (0.3, 0.9, 1.5, 2.1)]
COLORS = np.random.default_rng(3).integers(30, 226, (len(PLACES), 3))


def dark(rgb: np.ndarray) -> np.ndarray:
    """Return colors as a camera with a short exposure and another white balance shows them."""
    return (255 * (rgb / 255) ** 2.2 * np.array([0.55, 0.4, 0.25])).round().astype(np.uint8)


def overexposed(rgb: np.ndarray) -> np.ndarray:
    """Return colors as a camera shows them that saturates."""
    return np.minimum(rgb * np.array([2.2, 2.0, 1.9]) + 20, 255).astype(np.uint8)


def as_seen(scan: Scan, show) -> Scan:
    """Return a scan in the colors of a camera."""
    return Scan(scan.xyz, scan.stamp_ns, show(scan.rgb), scan.normals)


def track(scans, instances):
    """Track two visits of the same boxes and return the facts of the second, and its context."""
    n = max(int(instance.max()) for instance in instances)
    probs = np.tile(np.float32([0.9, 0.1]), (n, 1))
    features = np.zeros((n, 4), np.float32)
    facts, context = None, None
    for k, scan in enumerate(scans):
        labels = tuple((i - 1).astype(np.int32) for i in instances[: k + 1])
        found = Segmentation(
            labels,
            probs,
            np.full(n, 0.9, np.float32),
            features,
            tuple((label >= 0).astype(np.float32) for label in labels),
        )
        info = VisitInfo(k + 1, scan.stamp_ns, VisitStatus.PENDING, '', len(scan))
        earlier = (VisitView(scans[0], facts.object_ids),) if facts else ()
        records = facts.records if facts else {}
        context = VisitContext(
            info, VisitView(scan), earlier, ('box', 'other'), records, len(records) + 1
        )
        facts = track_visit(found, context, TrackingSettings())
    return facts, context


@pytest.mark.parametrize('show', [dark, overexposed])
def test_another_exposure_changes_no_object(boxes_room, show):
    boxes = [((*at, 0.0), SIZE, tuple(rgb)) for at, rgb in zip(PLACES, COLORS)]
    (scan, instance), (again, its) = (boxes_room(boxes, seed=k, stamp_ns=k * DAY) for k in (1, 2))
    facts, context = track([scan, as_seen(again, show)], [instance, its])
    assert facts.changes == ()
    assert np.array_equal(facts.object_ids, its)
    fresh = VisitView(context.view.scan)
    places = fresh.places_of(context.records)
    assert any(at.place is not Place.OCCUPIED for at in places.values())  # not measured yet
    fresh.compare_colors(context.records.values())
    assert {at.place for at in fresh.places_of(context.records).values()} == {Place.OCCUPIED}


def test_box_of_another_color_is_another_one_in_half_the_light(boxes_room):
    boxes = [((*at, 0.0), SIZE, tuple(rgb)) for at, rgb in zip(PLACES[:-1], COLORS)]
    one, other = ([*boxes, ((*PLACES[-1], 0.0), SIZE, c)] for c in ((220, 60, 60), (60, 110, 220)))
    scan, instance = boxes_room(one, seed=1, stamp_ns=DAY)
    again, its = boxes_room(other, seed=2, stamp_ns=2 * DAY)
    _, context = track([scan, as_seen(again, lambda rgb: rgb // 2)], [instance, its])
    places = context.view.places_of(context.records)
    assert [i for i, at in places.items() if at.place is not Place.OCCUPIED] == [len(PLACES)]


def test_evidence_is_weighed_by_what_things_in_place_show():
    rng = np.random.default_rng(0)
    before = rng.normal(0, 0.3, (40, 6))
    shift = np.array([0.1, -0.2, 1.0, 0.05, 0.1, -0.3])
    change = fit_colors(before + shift + rng.normal(0, 0.001, (40, 6)), before)
    assert change.shift == pytest.approx(shift, abs=0.01)
    assert change.spread == pytest.approx(SPREAD_OF_ONE)
    assert change.telling == pytest.approx(1.0)
    vague = fit_colors(before + rng.normal(0, 3.0, (40, 6)), before)
    assert vague.telling == pytest.approx(0.0)
    assert color_evidence(before, before[::-1], vague) == pytest.approx(0.0, abs=1e-9)
    few = fit_colors(before[:7] + shift, before[:7])
    assert np.array_equal(few.shift, ColorChange().shift)
