"""Two ids that prove to be one object: how that is found, and which id to use from then on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.point_sets import share_near, thin
from rescene4d_ros.structures import Change, ChangeKind, VisitInfo
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord
from rescene4d_ros.tracking.thresholds import (
    COVERED,
    MAX_POINTS,
    POINT_SPACING,
    SAME_CLASS,
    SAME_SURFACE,
)
from rescene4d_ros.tracking.visit_view import VisitView


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
    if not earlier:
        return merges
    for part_id, part in sorted(records.items()):
        if part_id in linked or part.is_gone or part_id in locked:
            continue
        for whole_id, whole in sorted((i, link.observation) for i, link in linked.items()):
            if whole_id not in records or whole_id in locked or whole_id in merges:
                continue
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
