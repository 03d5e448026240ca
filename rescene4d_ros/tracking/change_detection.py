"""From links and evidence to states and changes: what is there, gone, moved, back, or new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.structures import Change, ChangeKind, ObjectState
from rescene4d_ros.tracking.change_confidence import (
    Confidence,
    evidence_of_arrival,
    evidence_of_difference,
    evidence_of_removal,
)
from rescene4d_ros.tracking.motion import estimate_motion, MotionKind
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.visit_view import VisitContext


def detect_changes(
    context: VisitContext,
    linked: Mapping[int, LinkedObservation],
    places: Mapping[int, PlaceEvidence],
    settings: TrackingSettings,
) -> tuple[dict[int, ObjectState], tuple[Change, ...]]:
    """
    Say of every object whether it is there, and what has changed.

    Parameters
    ----------
    context : VisitContext
        The visit, and the records before it.
    linked : mapping of object id to LinkedObservation
        Known and new objects of the visit.
    places : mapping of object id to PlaceEvidence
        What the visit shows at each old place.
    settings : TrackingSettings

    Returns
    -------
    states : dict of object id to ObjectState
    changes : tuple of Change
        Those that are sure enough to be reported, by rising object id.

    """
    states: dict[int, ObjectState] = {}
    changes = []
    for object_id in sorted(set(context.records) | set(linked)):
        record, link = context.records.get(object_id), linked.get(object_id)
        states[object_id] = ObjectState.PRESENT
        if record is None:
            observation = linked[object_id].observation
            class_id = observation.class_id
            change = _arrival(context, object_id, observation, settings.confidence)
        else:
            class_id, at = record.class_id, places[object_id]
            if link is None:
                states[object_id] = _unseen_state(record, at)
                change = _removal(context, record, at, states[object_id], settings.confidence)
            else:
                change = _difference(context, record, link, at, settings)
        if change is not None and change.confidence >= settings.changes.min_confidence:
            changes.append(replace(change, class_name=context.class_names[class_id]))
    return states, tuple(changes)


def _unseen_state(record: ObjectRecord, at: PlaceEvidence) -> ObjectState:
    """Return the state of an object that no observation shows."""
    if at.place is Place.SEEN_EMPTY:
        return ObjectState.ABSENT
    if at.place is Place.OCCUPIED and not record.is_gone:
        return ObjectState.PRESENT  # its surfaces are there, only the segmenter missed it
    return ObjectState.NOT_OBSERVED


def _removal(
    context: VisitContext,
    record: ObjectRecord,
    at: PlaceEvidence,
    state: ObjectState,
    confidence: Confidence,
) -> Change | None:
    """Return REMOVED where a place is seen empty for the first time."""
    if state != ObjectState.ABSENT or record.is_gone:
        return None
    return Change(
        ChangeKind.REMOVED,
        record.object_id,
        '',
        max(confidence(evidence_of_removal(record, at)), context.left.get(record.object_id, 0.0)),
        context.visit.visit_id,
        record.box,
        None,
        None,
        record.last_seen_ns,
        context.visit.stamp_ns,
    )


def _arrival(
    context: VisitContext, object_id: int, now: Observation, confidence: Confidence
) -> Change | None:
    """
    Return ADDED where an earlier visit looked and did not show the object.

    Nothing came where no visit had looked, unless change regions show that it did.
    """
    if not context.earlier:
        return None
    looked_at, seen_empty_ns = None, None
    for before in context.earlier:
        at = before.was_there(now)
        if at.place is Place.OCCUPIED:
            return None
        if at.place is not Place.UNSEEN:
            looked_at, seen_empty_ns = at, before.scan.stamp_ns
            break
    if looked_at is None and now.came == 0:
        return None
    return Change(
        ChangeKind.ADDED,
        object_id,
        '',
        max(confidence(evidence_of_arrival(now, looked_at)), now.came),
        context.visit.visit_id,
        None,
        now.box,
        None,
        seen_empty_ns,
        context.visit.stamp_ns,
    )


def _difference(
    context: VisitContext,
    record: ObjectRecord,
    link: LinkedObservation,
    at: PlaceEvidence,
    settings: TrackingSettings,
) -> Change | None:
    """Return what changed of an object that was recognized: REAPPEARED, MOVED or DEFORMED."""
    now, before = link.observation, context.earlier[0] if context.earlier else None
    estimate = estimate_motion(record, now, context.view, before, settings.motion)
    if record.is_gone:
        kind, last_ns = ChangeKind.REAPPEARED, record.last_confirmed_absent_ns
    elif estimate.motion is MotionKind.STILL:
        return None
    else:
        kind = ChangeKind.MOVED if estimate.motion is MotionKind.MOVED else ChangeKind.DEFORMED
        last_ns = record.last_seen_ns
    evidence = evidence_of_difference(kind, record, now, at, estimate.confidence, link.confidence)
    return Change(
        kind,
        record.object_id,
        '',
        settings.confidence(evidence),
        context.visit.visit_id,
        record.box,
        now.box,
        None if estimate.motion is MotionKind.DEFORMED else estimate.after_T_before,
        last_ns,
        context.visit.stamp_ns,
    )
