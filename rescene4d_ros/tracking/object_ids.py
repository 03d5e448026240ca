"""Persistent ids: given, merged where two are one object, and resolved where they are aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.point_sets import share_near, thin
from rescene4d_ros.structures import Change, ChangeKind, MaskSource, Scan, VisitInfo
from rescene4d_ros.tracking.association.association import Association
from rescene4d_ros.tracking.observations import join_observations
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import (
    COVERED,
    MAX_POINTS,
    POINT_SPACING,
    SAME_CLASS,
    SAME_SURFACE,
)
from rescene4d_ros.tracking.visit_view import VisitView

NEW = 'new: nothing remembered explains it'
REACH = 1.1 * SAME_SURFACE  # m; surfaces whose ranges are farther apart share nothing


def give_ids(
    scan: Scan,
    observations: Sequence[Observation],
    association: Association,
    next_id: int,
    birth_score: float,
) -> dict[int, LinkedObservation]:
    """
    Give linked and new observations their ids, and join the fragments of split masks.

    Parameters
    ----------
    scan : Scan
        The visit.
    observations : sequence of Observation
    association : Association
        Of these observations.
    next_id : int
        First id that no object had.
    birth_score : float
        Least score of a new object, unless it is one that changed; a known one has its past.

    Returns
    -------
    dict of object id to LinkedObservation

    """
    fragments: dict[int, list[Observation]] = {}
    for fragment, number in association.fragments.items():
        fragments.setdefault(number, []).append(observations[fragment])

    def whole(number: int) -> Observation:
        found = observations[number]
        return join_observations(scan, found, fragments[number]) if number in fragments else found

    linked = {
        link.object_id: LinkedObservation(
            whole(number),
            _with_source(link.reason, observations[number]),
            link.confidence,
            link.alternatives,
        )
        for number, link in sorted(association.links.items(), key=lambda item: item[1].object_id)
    }
    born = [
        k
        for k in association.births
        if observations[k].score >= birth_score or observations[k].source is MaskSource.CHANGE
    ]
    for object_id, number in enumerate(born, next_id):
        linked[object_id] = LinkedObservation(
            whole(number), _with_source(NEW, observations[number])
        )
    return linked


def _with_source(reason: str, seen: Observation) -> str:
    """Return why an observation got its id, with what found it unless the network did."""
    if seen.source is MaskSource.NETWORK:
        return reason
    return f'{reason}; found by: {seen.source.value}'


def use_merged_ids(
    linked: Mapping[int, LinkedObservation], merges: Mapping[int, int]
) -> dict[int, LinkedObservation]:
    """Return the observations under the ids to use; a merge settles what was ambiguous."""
    return {
        merges.get(i, i): replace(link, alternatives=()) if i in merges else link
        for i, link in linked.items()
    }


def ids_of_points(n_points: int, linked: Mapping[int, LinkedObservation]) -> np.ndarray:
    """Return the persistent id of each point (N,), int64; 0 = none."""
    object_ids = np.zeros(n_points, dtype=np.int64)
    for object_id, link in linked.items():
        object_ids[link.observation.points] = object_id
    return object_ids


def resolve(object_id: int, aliases: Mapping[int, int]) -> int:
    """Return the id to use for one that may be an alias of an alias."""
    while object_id in aliases:
        object_id = aliases[object_id]
    return object_id


def resolve_labels(labels: np.ndarray, aliases: Mapping[int, int]) -> np.ndarray:
    """Return labels (N,) int64 with the ids to use in the place of aliases."""
    named = np.arange(int(labels.max(initial=0)) + 1)
    for alias_id in aliases:
        if alias_id < len(named):
            named[alias_id] = resolve(alias_id, aliases)
    return named[labels]


def resolve_records(
    records: Mapping[int, ObjectRecord], aliases: Mapping[int, int]
) -> dict[int, ObjectRecord]:
    """Return records of a time before some ids became aliases, under the ids to use."""
    resolved = dict(records)
    for alias_id in sorted(set(records) & set(aliases), reverse=True):
        object_id, record = resolve(alias_id, aliases), resolved.pop(alias_id)
        resolved[object_id] = (
            fold_records(resolved[object_id], record)
            if object_id in resolved
            else replace(record, object_id=object_id)
        )
    return dict(sorted(resolved.items()))


def find_merges(
    records: Mapping[int, ObjectRecord],
    linked: Mapping[int, LinkedObservation],
    earlier: Sequence[VisitView],
    locked: frozenset[int],
) -> dict[int, int]:
    """
    Find ids that two visits in a row showed to be one object.

    A mask that split at an object's first visit leaves two ids for it. Once is no proof: a mask
    may swallow a neighbor. But where this visit and the one before show one object that covers
    all of another, which both do not show on its own, they are one.

    Parameters
    ----------
    records : mapping of object id to ObjectRecord
        Before the visit.
    linked : mapping of object id to LinkedObservation
        Of the visit.
    earlier : sequence of VisitView
        With labels, newest first.
    locked : frozenset of int
        Ids that people have locked; these stay what they are.

    Returns
    -------
    dict of younger id to older id

    """
    merges: dict[int, int] = {}
    wholes = [i for i in sorted(linked) if i in records and i not in locked]
    if not earlier or not wholes:
        return merges
    limits = np.array([linked[i].observation.surface.limits for i in wholes])
    for part_id, part in sorted(records.items()):
        if part_id in linked or part.is_gone or part_id in locked:
            continue
        low, high = part.surface.limits
        touching = ((limits[:, 0] - REACH <= high) & (low <= limits[:, 1] + REACH)).all(1)
        for whole_id in [wholes[k] for k in np.flatnonzero(touching)]:
            if whole_id in merges:
                continue
            whole = linked[whole_id].observation
            alike = np.sqrt(part.class_probs * whole.class_probs).sum() >= SAME_CLASS
            if (
                alike
                and share_near(whole.surface.tree, part.xyz, SAME_SURFACE) >= COVERED
                and earlier[0].share_of(whole_id, part.xyz) >= COVERED
            ):
                merges[max(part_id, whole_id)] = min(part_id, whole_id)
                break
    # Of several ids for one object the next visits join the rest.
    return {
        alias_id: object_id for alias_id, object_id in merges.items() if object_id not in merges
    }


def merge_events(
    visit: VisitInfo,
    records: Mapping[int, ObjectRecord],
    merges: Mapping[int, int],
    class_names: Sequence[str],
) -> tuple[Change, ...]:
    """Return the changes MERGED of a visit, by rising younger id."""
    return tuple(
        Change(
            ChangeKind.MERGED,
            alias_id,
            class_names[records[alias_id].class_id],
            1.0,
            visit.visit_id,
            records[alias_id].box,
            records[object_id].box,
            None,
            records[alias_id].last_seen_ns,
            visit.stamp_ns,
            object_id,
        )
        for alias_id, object_id in sorted(merges.items())
    )


def join_merged(
    records: Mapping[int, ObjectRecord], changes: Iterable[Change]
) -> dict[int, ObjectRecord]:
    """Return the records with those of ids that became aliases in the ones they are."""
    joined = dict(records)
    for change in changes:
        if change.kind == ChangeKind.MERGED and {change.object_id, change.other_id} <= set(joined):
            alias = joined.pop(change.object_id)
            joined[change.other_id] = fold_records(joined[change.other_id], alias)
    return joined


def fold_records(older: ObjectRecord, younger: ObjectRecord) -> ObjectRecord:
    """Return the record of one object that was remembered as two."""
    xyz = np.concatenate([older.xyz, younger.xyz])
    xyz = xyz[thin(xyz, POINT_SPACING, MAX_POINTS)]
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
