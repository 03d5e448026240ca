"""Objects that a visit makes known, followed back to an earlier visit that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.cloud import Strips
from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.structures import MaskSource, OTHER_OBJECT, Segmentation
from rescene4d_ros.tracking.observations import make_observation, points_on_surface, TRUST
from rescene4d_ros.tracking.record_update import born
from rescene4d_ros.tracking.records import LinkedObservation
from rescene4d_ros.tracking.regions.changed_things import ChangedThing
from rescene4d_ros.tracking.regions.fusion import Discovery, Fused, OUTLINE
from rescene4d_ros.tracking.thresholds import MIN_POINTS
from rescene4d_ros.tracking.visit_view import VisitContext, VisitView

MOST = 0.5  # share of an object's points in a region that left, from which the object left
REASON = 'found in this visit because it had changed at a later one'
STOOD_HERE = 'its surfaces, of no object then, are where a later visit found it'
FOUND_BACK = 'not segmented before; the visit before shows its surfaces at this place'
Discovered = dict[int, dict[int, LinkedObservation]]


def follow_back(context: VisitContext, fused: Fused) -> tuple[VisitContext, Discovered]:
    """
    Make objects of what earlier visits show of things discovered by their change.

    Parameters
    ----------
    context : VisitContext
    fused : Fused
        The instances of the window, and what was discovered.

    Returns
    -------
    VisitContext
        As if the earlier visits had shown them: with their records and labels.
    dict of stamp to dict of object id to LinkedObservation
        What the earlier visits show of them, by the stamp of the visit, ns.

    """
    earlier, records = list(context.earlier[::-1]), dict(context.records)
    next_id = context.next_id
    discovered: Discovered = {}
    for one in fused.discoveries:
        view = earlier[one.visit]
        labels = np.zeros(len(view.scan), np.int64) if view.labels is None else view.labels
        link = _as_seen(view, fused.segmentation, one)
        labels = with_discovered(labels, {next_id: link})
        earlier[one.visit] = view.with_labels(labels)
        records[next_id] = born(next_id, view.scan.stamp_ns, link)
        discovered.setdefault(view.scan.stamp_ns, {})[next_id] = link
        next_id += 1
    context = replace(context, records=records, earlier=tuple(earlier[::-1]), next_id=next_id)
    return context, discovered


def follow_births_back(
    context: VisitContext, linked: Mapping[int, LinkedObservation], discovered: Discovered
) -> tuple[VisitContext, dict[int, LinkedObservation], Discovered]:
    """
    Make new objects known to the visit before that shows them unnoticed: they were there first.

    Parameters
    ----------
    context : VisitContext
    linked : mapping of object id to LinkedObservation
        Known and new objects of the visit.
    discovered : dict of stamp to dict of object id to LinkedObservation
        Of `follow_back`.

    Returns
    -------
    VisitContext
        With records of these objects, as if that visit had shown them.
    dict of object id to LinkedObservation
        The same observations; of these objects with that reason.
    dict of stamp to dict of object id to LinkedObservation
        With what the visit before shows of them, by its stamp, ns.

    """
    records, linked, found = dict(context.records), dict(linked), {}
    before = context.earlier[0] if context.earlier else None
    if before is None or before.labels is None:
        return context, linked, discovered
    free, strips = before.labels == 0, None
    for object_id, link in linked.items():
        seen = link.observation
        if object_id in records or before.was_there(seen).place is not Place.OCCUPIED:
            continue
        strips = strips or Strips(before.scan.xyz)
        points = points_on_surface(before.scan, strips, free, seen.box, seen.surface)
        if len(points) < MIN_POINTS:
            continue
        free[points] = False
        observation = make_observation(
            before.scan,
            points,
            seen.class_probs,
            TRUST * seen.score,
            seen.feature,
            {},
            seen.source,
        )
        found[object_id] = LinkedObservation(observation, STOOD_HERE)
        records[object_id] = born(object_id, before.scan.stamp_ns, found[object_id])
        linked[object_id] = replace(link, reason=FOUND_BACK)
    if not found:
        return context, linked, discovered
    labels = with_discovered(before.labels, found)
    earlier = (before.with_labels(labels), *context.earlier[1:])
    context = replace(context, records=records, earlier=earlier)
    stamp_ns = before.scan.stamp_ns
    return context, linked, discovered | {stamp_ns: discovered.get(stamp_ns, {}) | found}


def find_left(context: VisitContext, things: Sequence[ChangedThing]) -> dict[int, float]:
    """
    Return how likely each object left its place, by the regions that hold most of its points.

    Parameters
    ----------
    context : VisitContext
        With what was discovered.
    things : sequence of ChangedThing
        Of the same visits.

    """
    left: dict[int, float] = {}
    for t, view in enumerate(context.earlier[::-1]):
        if view.labels is None:
            continue
        size = np.bincount(view.labels)
        for thing in things:
            inside = np.bincount(view.labels[thing.parts[t]], minlength=len(size))
            for object_id in np.flatnonzero(inside >= MOST * np.maximum(size, 1)).tolist():
                if object_id:
                    left[object_id] = max(left.get(object_id, 0.0), thing.quality)
    return left


def left_places(
    places: Mapping[int, PlaceEvidence], left: Mapping[int, float]
) -> dict[int, PlaceEvidence]:
    """Return the evidence at each place, with those that regions show to be left as empty."""
    return {
        i: replace(at, place=Place.SEEN_EMPTY, observed=max(at.observed, left[i]), unobserved=0.0)
        if i in left and at.place is Place.UNSEEN
        else at
        for i, at in places.items()
    }


def with_discovered(labels: np.ndarray, linked: Mapping[int, LinkedObservation]) -> np.ndarray:
    """Return the ids (N,) of a visit's points with those of discovered objects where none is."""
    if not linked:
        return labels
    labels = labels.copy()
    for object_id, link in linked.items():
        points = link.observation.points
        labels[points[labels[points] == 0]] = object_id
    return labels


def _as_seen(view: VisitView, segmentation: Segmentation, one: Discovery) -> LinkedObservation:
    """Return what an earlier visit shows of a thing; of one that moved, the instance says more."""
    n_classes, n_features = segmentation.class_probs.shape[1], segmentation.features.shape[1]
    probs = np.zeros(n_classes, np.float32)
    probs[min(OTHER_OBJECT, n_classes - 1)] = 1.0
    feature = np.zeros(n_features, np.float32)
    if one.instance is not None:
        probs = segmentation.class_probs[one.instance]
        feature = segmentation.features[one.instance]
    observation = make_observation(
        view.scan, one.points, probs, OUTLINE * one.quality, feature, {}, MaskSource.CHANGE
    )
    return LinkedObservation(observation, REASON)
