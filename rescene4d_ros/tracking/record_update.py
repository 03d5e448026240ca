"""How one visit changes what is remembered of each object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.point_sets import evenly, near, share_near, thin
from rescene4d_ros.geometry.se3 import size_of, transform
from rescene4d_ros.structures import Change, ChangeKind, ObjectState
from rescene4d_ros.tracking.object_ids import join_merged
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import MAX_POINTS, POINT_SPACING, SAME_SURFACE

APPEARANCE_MEMORY = 5.0  # observations after which the oldest appearance starts to fade
CARRY_CONFIDENCE = 0.5  # of a motion; below it old points are not carried along
ELSEWHERE = 0.2  # share of a view on known points below which the object stands elsewhere,
ELSEWHERE_POINTS = 300  # even without a motion that is sure enough; of at most so many points


def update_records(
    records: Mapping[int, ObjectRecord],
    stamp_ns: int,
    cloud: Cloud,
    linked: Mapping[int, LinkedObservation],
    states: Mapping[int, ObjectState],
    changes: tuple[Change, ...],
) -> dict[int, ObjectRecord]:
    """
    Update the records of all objects with one visit.

    Pure: live processing and the replay of stored visits go through here, so both give the
    same records.

    Parameters
    ----------
    records : mapping of object id to ObjectRecord
        Before the visit.
    stamp_ns : int
        Of the visit.
    cloud : Cloud
        Its points.
    linked, states, changes
        As in `VisitFacts`.

    Returns
    -------
    dict of object id to ObjectRecord
        After the visit, by rising id.

    """
    records = join_merged(records, changes)
    moves = {
        c.object_id: (c.after_T_before, c.confidence)
        for c in changes
        if c.after_T_before is not None
    }
    deformed = {c.object_id for c in changes if c.kind == ChangeKind.DEFORMED}
    after = {}
    for object_id in sorted(set(records) | set(linked)):
        record, link = records.get(object_id), linked.get(object_id)
        if record is None:
            after[object_id] = born(object_id, stamp_ns, linked[object_id])
        elif link is None:
            absent = states[object_id] == ObjectState.ABSENT
            after[object_id] = replace(
                record,
                state=states[object_id],
                is_gone=record.is_gone or absent,
                last_confirmed_absent_ns=stamp_ns if absent else record.last_confirmed_absent_ns,
            )
        else:
            seen = link.observation
            known = None if object_id in deformed else _known_here(record, seen)
            moved_m = record.moved_m
            if object_id in moves:
                after_T_before, confidence = moves[object_id]
                moved_m += size_of(after_T_before, record.box.center)[0]
                known = (
                    transform(after_T_before, record.xyz).astype(np.float32)
                    if confidence >= CARRY_CONFIDENCE
                    else None
                )
            after[object_id] = _seen_again(
                record, stamp_ns, link, _merge(seen.xyz, known, cloud), moved_m
            )
    return after


def born(object_id: int, stamp_ns: int, link: LinkedObservation) -> ObjectRecord:
    """Return the record of an object at its first sight."""
    seen = link.observation
    return ObjectRecord(
        object_id,
        ObjectState.PRESENT,
        False,
        seen.score,
        seen.box,
        stamp_ns,
        stamp_ns,
        None,
        1,
        0.0,
        link.reason,
        seen.class_probs,
        seen.feature,
        seen.color,
        seen.xyz[evenly(len(seen.xyz), MAX_POINTS)],
    )


def _seen_again(
    record: ObjectRecord, stamp_ns: int, link: LinkedObservation, xyz: np.ndarray, moved_m: float
) -> ObjectRecord:
    """Return the record with one more observation in its means."""
    seen = link.observation
    weight = min(record.n_observations, APPEARANCE_MEMORY)

    def mean(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        if len(old) != len(new):  # one of the two visits had no color, or other weights
            return new if len(new) else old
        return ((weight * old + new) / (weight + 1)).astype(np.float32)

    feature = mean(record.feature, seen.feature)
    norm = np.linalg.norm(feature)
    return replace(
        record,
        state=ObjectState.PRESENT,
        is_gone=False,
        score=seen.score,
        box=fit_box(xyz),
        last_seen_ns=stamp_ns,
        n_observations=record.n_observations + 1,
        moved_m=moved_m,
        link_reason=link.reason,
        class_probs=mean(record.class_probs, seen.class_probs),
        feature=(feature / norm).astype(np.float32) if norm > 0 else feature,
        color=mean(record.color, seen.color),
        xyz=xyz,
        alternatives=link.alternatives,
    )


def _known_here(record: ObjectRecord, seen: Observation) -> np.ndarray | None:
    """Return the known points; None where what is seen has hardly a point on them."""
    known = share_near(record.surface.tree, seen.xyz, SAME_SURFACE, ELSEWHERE_POINTS)
    return record.xyz if known >= ELSEWHERE else None


def _merge(new: np.ndarray, known: np.ndarray | None, cloud: Cloud) -> np.ndarray:
    """Join the newest points with older ones of sides that this visit did not see."""
    if known is not None and len(known):
        hidden = ~near(cloud.tree, known, SAME_SURFACE)
        new = np.concatenate([new, known[hidden]])
        return new[thin(new, POINT_SPACING, MAX_POINTS)]
    return new[evenly(len(new), MAX_POINTS)]
