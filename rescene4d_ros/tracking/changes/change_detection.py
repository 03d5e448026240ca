"""From links and evidence to states and changes: what is there, gone, moved, back, or new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.visibility import Place, PlaceEvidence
from rescene4d_ros.structures import Change, ChangeKind, ObjectState, VisitInfo
from rescene4d_ros.tracking.changes.change_confidence import (
    Confidence,
    evidence_of_arrival,
    evidence_of_difference,
    evidence_of_removal,
)
from rescene4d_ros.tracking.changes.motion import estimate_motion, Motion, MotionConfig
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.visit_view import VisitView


@dataclass(frozen=True)
class ChangeConfig:
    """Say how sure a change must be to be reported."""

    min_confidence: float = param(
        0.4, 'Less sure changes are not reported; states and ids do not depend on it.', ge=0, le=1
    )


@dataclass(frozen=True)
class Verdict:
    """Hold the states of all objects and the changes of one visit."""

    states: Mapping[int, ObjectState]
    changes: tuple[Change, ...]


def judge(
    visit: VisitInfo,
    records: Mapping[int, ObjectRecord],
    seen: Mapping[int, Observation],
    confidence: Mapping[int, float],
    places: Mapping[int, PlaceEvidence],
    view: VisitView,
    earlier: Sequence[VisitView],
    class_names: tuple[str, ...],
    motion: MotionConfig,
    config: ChangeConfig,
    sure: Confidence,
) -> Verdict:
    """
    Say of every object whether it is there, and what has changed.

    Parameters
    ----------
    visit : VisitInfo
        The newest visit.
    records : mapping of object id to ObjectRecord
        Before the visit.
    seen : mapping of object id to Observation
        Linked and new objects of the visit.
    confidence : mapping of object id to float
        Of the links.
    places : mapping of object id to PlaceEvidence
        What the visit shows at each old place.
    view : VisitView
        The visit.
    earlier : sequence of VisitView
        Newest first; empty at the first visit of the memory, when nothing can be new.
    class_names : tuple of str
    motion, config
        Thresholds.
    sure : callable
        Says how likely a change is, from its evidence.

    Returns
    -------
    Verdict
        Changes by rising object id.

    """
    states, changes = {}, []
    for object_id in sorted(set(records) | set(seen)):
        record, now = records.get(object_id), seen.get(object_id)
        if now is None:
            states[object_id] = _unseen_state(record, places[object_id])
            change = _removal(visit, record, places[object_id], states[object_id], sure)
        elif record is None:
            states[object_id] = ObjectState.PRESENT
            change = _arrival(visit, object_id, now, earlier, sure)
        else:
            states[object_id] = ObjectState.PRESENT
            change = _difference(
                visit,
                record,
                now,
                confidence.get(object_id, 1.0),
                places[object_id],
                view,
                earlier,
                motion,
                sure,
            )
        if change is not None and change.confidence >= config.min_confidence:
            probs = now.class_probs if record is None else record.class_probs
            changes.append(_named(change, class_names[int(np.argmax(probs))]))
    return Verdict(states, tuple(changes))


def _unseen_state(record: ObjectRecord, at: PlaceEvidence) -> ObjectState:
    """Return the state of an object that no observation shows."""
    if at.place is Place.SEEN_EMPTY:
        return ObjectState.ABSENT
    if at.place is Place.OCCUPIED and not record.is_gone:
        return ObjectState.PRESENT  # its surfaces are there, only the segmenter missed it
    return ObjectState.NOT_OBSERVED


def _removal(
    visit: VisitInfo, record: ObjectRecord, at: PlaceEvidence, state: ObjectState, sure: Confidence
) -> Change | None:
    """Return REMOVED where a place is seen empty for the first time."""
    if state != ObjectState.ABSENT or record.is_gone:
        return None
    return Change(
        ChangeKind.REMOVED,
        record.object_id,
        '',
        sure(evidence_of_removal(record, at)),
        visit.visit_id,
        record.box,
        None,
        None,
        record.last_seen_ns,
        visit.stamp_ns,
    )


def _arrival(
    visit: VisitInfo,
    object_id: int,
    now: Observation,
    earlier: Sequence[VisitView],
    sure: Confidence,
) -> Change | None:
    """Return ADDED, unless the object stood there before and was only never segmented."""
    if not earlier:
        return None
    looked_at, seen_empty_ns = None, None
    for before in earlier:
        at = before.was_there(now)
        if at.place is Place.OCCUPIED:
            return None
        if at.place is not Place.UNSEEN:
            looked_at, seen_empty_ns = at, before.stamp_ns
            break
    return Change(
        ChangeKind.ADDED,
        object_id,
        '',
        sure(evidence_of_arrival(now, looked_at)),
        visit.visit_id,
        None,
        now.box,
        None,
        seen_empty_ns,
        visit.stamp_ns,
    )


def _difference(
    visit: VisitInfo,
    record: ObjectRecord,
    now: Observation,
    link: float,
    at: PlaceEvidence,
    view: VisitView,
    earlier: Sequence[VisitView],
    motion: MotionConfig,
    sure: Confidence,
) -> Change | None:
    """Return what changed of an object that was recognized: REAPPEARED, MOVED or DEFORMED."""
    estimate = estimate_motion(record, now, view, earlier[0] if earlier else None, motion)
    if record.is_gone:
        kind, last_ns = ChangeKind.REAPPEARED, record.last_confirmed_absent_ns
    elif estimate.motion is Motion.STILL:
        return None
    else:
        kind = ChangeKind.MOVED if estimate.motion is Motion.MOVED else ChangeKind.DEFORMED
        last_ns = record.last_seen_ns
    evidence = evidence_of_difference(kind, record, now, at, estimate.confidence, link)
    moved = None if estimate.motion is Motion.DEFORMED else estimate.after_T_before
    return Change(
        kind,
        record.object_id,
        '',
        sure(evidence),
        visit.visit_id,
        record.box,
        now.box,
        moved,
        last_ns,
        visit.stamp_ns,
    )


def _named(change: Change, class_name: str) -> Change:
    """Return the change with the object's class."""
    return Change(**{**vars(change), 'class_name': class_name})
