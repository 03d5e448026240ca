"""How one visit, or the proof that two ids are one object, changes what is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.neighbors import evenly, near, share_near, thin
from rescene4d_ros.geometry.se3 import size_of, transform
from rescene4d_ros.geometry.visibility import SAME_SURFACE
from rescene4d_ros.structures import Change, ChangeKind, ObjectState
from rescene4d_ros.tracking.records import MAX_POINTS, ObjectRecord, Observation, POINT_SPACING

APPEARANCE_MEMORY = 5.0  # observations after which the oldest appearance starts to fade
CARRY_CONFIDENCE = 0.5  # of a motion; below it old points are not carried along
ELSEWHERE = 0.2  # share of a view on known points below which it stands elsewhere, even
ELSEWHERE_POINTS = 300  # where nobody is sure enough to state a motion; told from so many points


def remember(
    records: Mapping[int, ObjectRecord],
    stamp_ns: int,
    cloud: Cloud,
    observations: Mapping[int, Observation],
    reasons: Mapping[int, str],
    states: Mapping[int, ObjectState],
    changes: tuple[Change, ...],
    alternatives: Mapping[int, tuple[int, ...]],
) -> dict[int, ObjectRecord]:
    """
    Fold one visit into the records of all objects.

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
    observations, reasons, states, changes, alternatives
        As in `VisitFacts`.

    Returns
    -------
    dict of object id to ObjectRecord
        After the visit, by rising id.

    """
    records = join_merged(records, changes)
    moves = {c.object_id: c for c in changes if c.after_T_before is not None}
    deformed = {c.object_id for c in changes if c.kind == ChangeKind.DEFORMED}
    after = {}
    for object_id in sorted(set(records) | set(observations)):
        record, seen = records.get(object_id), observations.get(object_id)
        if seen is None:
            absent = states[object_id] == ObjectState.ABSENT
            after[object_id] = replace(
                record,
                state=states[object_id],
                is_gone=record.is_gone or absent,
                last_confirmed_absent_ns=stamp_ns if absent else record.last_confirmed_absent_ns,
            )
        elif record is None:
            after[object_id] = _born(object_id, stamp_ns, seen, reasons[object_id])
        else:
            known = None if object_id in deformed else _known_here(record, seen)
            move = moves.get(object_id)
            moved_m = record.moved_m
            if move is not None:
                moved_m += size_of(move.after_T_before, record.box.center)[0]
                known = (
                    transform(move.after_T_before, record.xyz).astype(np.float32)
                    if move.confidence >= CARRY_CONFIDENCE
                    else None
                )
            after[object_id] = _seen_again(
                record,
                stamp_ns,
                seen,
                reasons[object_id],
                _merge(seen.xyz, known, cloud),
                moved_m,
                alternatives.get(object_id, ()),
            )
    return after


def join_merged(
    records: Mapping[int, ObjectRecord], changes: Iterable[Change]
) -> dict[int, ObjectRecord]:
    """Return the records with those of ids that became aliases in the ones they are."""
    joined = dict(records)
    for change in changes:
        if change.kind == ChangeKind.MERGED and {change.object_id, change.other_id} <= set(joined):
            young = joined.pop(change.object_id)
            joined[change.other_id] = fold_records(joined[change.other_id], young)
    return joined


def fold_records(older: ObjectRecord, younger: ObjectRecord) -> ObjectRecord:
    """Return the record of one object that was remembered as two."""
    xyz = np.concatenate([older.xyz, younger.xyz])
    xyz = xyz[thin(xyz, POINT_SPACING)]
    xyz = xyz[evenly(len(xyz), MAX_POINTS)]
    latest = max(older, younger, key=lambda record: record.last_seen_ns)
    return replace(
        older,
        state=latest.state,
        is_gone=latest.is_gone,
        box=fit_box(xyz),
        xyz=xyz,
        first_seen_ns=min(older.first_seen_ns, younger.first_seen_ns),
        last_seen_ns=latest.last_seen_ns,
        n_observations=older.n_observations + younger.n_observations,
    )


def _born(object_id: int, stamp_ns: int, seen: Observation, reason: str) -> ObjectRecord:
    """Return the record of an object at its first sight."""
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
        reason,
        seen.class_probs,
        seen.feature,
        seen.color,
        seen.xyz[evenly(len(seen.xyz), MAX_POINTS)],
    )


def _seen_again(
    record: ObjectRecord,
    stamp_ns: int,
    seen: Observation,
    reason: str,
    xyz: np.ndarray,
    moved_m: float,
    alternatives: tuple[int, ...],
) -> ObjectRecord:
    """Return the record with one more observation in its means."""
    weight = min(record.n_observations, APPEARANCE_MEMORY)

    def mean(old, new):
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
        link_reason=reason,
        class_probs=mean(record.class_probs, seen.class_probs),
        feature=(feature / norm).astype(np.float32) if norm > 0 else feature,
        color=mean(record.color, seen.color),
        xyz=xyz,
        alternatives=alternatives,
    )


def _known_here(record: ObjectRecord, seen: Observation) -> np.ndarray | None:
    """Return the known points; None where what is seen has hardly a point on them."""
    few = seen.xyz[evenly(len(seen.xyz), ELSEWHERE_POINTS)]
    return record.xyz if share_near(record.tree, few, SAME_SURFACE) >= ELSEWHERE else None


def _merge(new: np.ndarray, known: np.ndarray | None, cloud: Cloud) -> np.ndarray:
    """Join the newest points with older ones of sides that this visit did not see."""
    if known is not None and len(known):
        hidden = ~near(cloud.tree, known, SAME_SURFACE)
        new = np.concatenate([new, known[hidden]])
        new = new[thin(new, POINT_SPACING)]
    return new[evenly(len(new), MAX_POINTS)]
