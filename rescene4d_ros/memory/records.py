"""What the memory holds of one object, and how one visit changes it."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.neighbors import evenly, near, quick_tree, thin
from rescene4d_ros.geometry.se3 import size_of, transform
from rescene4d_ros.geometry.visibility import Cloud, SAME_SURFACE
from rescene4d_ros.structures import (
    Box,
    Change,
    ChangeKind,
    ObjectState,
    SceneObject,
    VisitInfo,
)
from scipy.spatial import cKDTree

POINT_SPACING = 0.03     # m; grid on which an object's points are remembered
MAX_POINTS = 6000        # of one object; bounds its row to 72 kB
APPEARANCE_MEMORY = 5.0  # observations after which the oldest appearance starts to fade
CARRY_CONFIDENCE = 0.5   # of a motion; below it old points are not carried along


@dataclass(frozen=True)
class Observation:
    """
    Hold what one visit shows of one object.

    Attributes
    ----------
    points : ndarray (N,), int64
        Positions in the visit's scan.
    xyz : ndarray (M, 3), float32, m, in map
        Those points, thinned to `POINT_SPACING`.
    box : Box
    class_probs : ndarray (K,), float32
    score : float
    feature : ndarray (C,), float32
        Query feature of the segmenter, unit length; empty where there is none.
    color : ndarray (6,), float32
        See `appearance.describe_color`; empty without color.
    votes : mapping of object id to float
        How much of the object's old points the same query covers, 0..1.

    """

    points: np.ndarray
    xyz: np.ndarray
    box: Box
    class_probs: np.ndarray
    score: float
    feature: np.ndarray
    color: np.ndarray
    votes: Mapping[int, float]

    @cached_property
    def tree(self) -> cKDTree:
        """Return a search tree over `xyz`."""
        return quick_tree(self.xyz)


@dataclass(frozen=True)
class ObjectRecord:
    """
    Hold one remembered object, with what is needed to know it again.

    Attributes
    ----------
    object_id : int
    state : ObjectState
        At the newest processed visit.
    is_gone : bool
        Whether the last decisive evidence was an empty place; survives NOT_OBSERVED.
    score, box, first_seen_ns, last_seen_ns, last_confirmed_absent_ns, link_reason, class_probs
        As in SceneObject.
    n_observations : int
    moved_m : float, m
        Length of all its moves together.
    feature : ndarray (C,), float32
        Mean query feature, unit length.
    color : ndarray (6,) or (0,), float32
    xyz : ndarray (M, 3), float32, m, in map
        Its points at its latest known place, of all views since it stands there.
    alternatives : tuple of int
        Look-alikes that its latest observation may as well be.

    """

    object_id: int
    state: ObjectState
    is_gone: bool
    score: float
    box: Box
    first_seen_ns: int
    last_seen_ns: int
    last_confirmed_absent_ns: int | None
    n_observations: int
    moved_m: float
    link_reason: str
    class_probs: np.ndarray
    feature: np.ndarray
    color: np.ndarray
    xyz: np.ndarray
    alternatives: tuple[int, ...] = ()

    @cached_property
    def tree(self) -> cKDTree:
        """Return a search tree over `xyz`."""
        return quick_tree(self.xyz)

    @property
    def class_id(self) -> int:
        """Return the most probable class."""
        return int(np.argmax(self.class_probs))

    def as_object(self, class_names: tuple[str, ...],
                  states: tuple[tuple[int, ObjectState], ...] = ()) -> SceneObject:
        """Return what other rooms may know of it."""
        return SceneObject(
            self.object_id, self.class_id, class_names[self.class_id], self.score, self.state,
            self.box, self.first_seen_ns, self.last_seen_ns, self.last_confirmed_absent_ns,
            self.class_probs, states, self.link_reason, self.moved_m, self.alternatives)


@dataclass(frozen=True)
class VisitFacts:
    """
    Hold everything one visit adds to the memory; stored in one transaction.

    Attributes
    ----------
    visit : VisitInfo
    observations : mapping of object id to Observation
    reasons : mapping of object id to str
        Why each observation was given its id.
    states : mapping of object id to ObjectState
        Of every object known after the visit.
    changes : tuple of Change
    object_ids : ndarray (N,), int64
        Persistent id per point of the scan; 0 = none.
    records : mapping of object id to ObjectRecord
        All objects after the visit.
    alternatives : mapping of object id to tuple of int
        Of the ambiguous links: the look-alikes that the observation may as well be.

    """

    visit: VisitInfo
    observations: Mapping[int, Observation]
    reasons: Mapping[int, str]
    states: Mapping[int, ObjectState]
    changes: tuple[Change, ...]
    object_ids: np.ndarray
    records: Mapping[int, ObjectRecord]
    alternatives: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


def remember(records: Mapping[int, ObjectRecord], stamp_ns: int, cloud: Cloud,
             observations: Mapping[int, Observation], reasons: Mapping[int, str],
             states: Mapping[int, ObjectState], changes: tuple[Change, ...],
             alternatives: Mapping[int, tuple[int, ...]]) -> dict[int, ObjectRecord]:
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
                record, state=states[object_id], is_gone=record.is_gone or absent,
                last_confirmed_absent_ns=stamp_ns if absent else record.last_confirmed_absent_ns)
        elif record is None:
            after[object_id] = _born(object_id, stamp_ns, seen, reasons[object_id])
        else:
            known = None if object_id in deformed else record.xyz
            move = moves.get(object_id)
            moved_m = record.moved_m
            if move is not None:
                moved_m += size_of(move.after_T_before, record.box.center)[0]
                known = transform(move.after_T_before, record.xyz).astype(np.float32) \
                    if move.confidence >= CARRY_CONFIDENCE else None
            after[object_id] = _seen_again(record, stamp_ns, seen, reasons[object_id],
                                           _merge(seen.xyz, known, cloud), moved_m,
                                           alternatives.get(object_id, ()))
    return after


def join_merged(records: Mapping[int, ObjectRecord], changes: Iterable[Change]
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
        older, state=latest.state, is_gone=latest.is_gone, box=fit_box(xyz), xyz=xyz,
        first_seen_ns=min(older.first_seen_ns, younger.first_seen_ns),
        last_seen_ns=latest.last_seen_ns,
        n_observations=older.n_observations + younger.n_observations)


def _born(object_id: int, stamp_ns: int, seen: Observation, reason: str) -> ObjectRecord:
    """Return the record of an object at its first sight."""
    return ObjectRecord(object_id, ObjectState.PRESENT, False, seen.score, seen.box, stamp_ns,
                        stamp_ns, None, 1, 0.0, reason, seen.class_probs, seen.feature,
                        seen.color, seen.xyz[evenly(len(seen.xyz), MAX_POINTS)])


def _seen_again(record: ObjectRecord, stamp_ns: int, seen: Observation, reason: str,
                xyz: np.ndarray, moved_m: float, alternatives: tuple[int, ...]
                ) -> ObjectRecord:
    """Return the record with one more observation in its means."""
    weight = min(record.n_observations, APPEARANCE_MEMORY)

    def mean(old, new):
        if len(old) != len(new):      # one of the two visits had no color, or other weights
            return new if len(new) else old
        return ((weight * old + new) / (weight + 1)).astype(np.float32)
    feature = mean(record.feature, seen.feature)
    norm = np.linalg.norm(feature)
    return replace(
        record, state=ObjectState.PRESENT, is_gone=False, score=seen.score,
        box=fit_box(xyz), last_seen_ns=stamp_ns, n_observations=record.n_observations + 1,
        moved_m=moved_m, link_reason=reason,
        class_probs=mean(record.class_probs, seen.class_probs),
        feature=(feature / norm).astype(np.float32) if norm > 0 else feature,
        color=mean(record.color, seen.color), xyz=xyz, alternatives=alternatives)


def _merge(new: np.ndarray, known: np.ndarray | None, cloud: Cloud) -> np.ndarray:
    """Join the newest points with older ones of sides that this visit did not see."""
    if known is not None and len(known):
        hidden = ~near(cloud.tree, known, SAME_SURFACE)
        new = np.concatenate([new, known[hidden]])
        new = new[thin(new, POINT_SPACING)]
    return new[evenly(len(new), MAX_POINTS)]
