"""Two ids that prove to be one object: the younger becomes an alias of the older, for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rescene4d_ros.geometry.neighbors import share_near
from rescene4d_ros.structures import Change, ChangeKind, VisitInfo
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.visit_view import VisitView

COVERED = 0.85  # share of an object's points on another's observation, to be a part of it
TOUCHING = 0.05  # m; points this near are on the same surface
SAME_KIND = 0.5  # agreement of class posteriors from which two may be one


def find_merges(
    records: Mapping[int, ObjectRecord],
    seen: Mapping[int, Observation],
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
    seen : mapping of object id to Observation
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
        if part_id in seen or part.is_gone or part_id in locked:
            continue
        for whole_id, whole in sorted(seen.items()):
            if whole_id not in records or whole_id in locked or whole_id in merges:
                continue
            alike = np.sqrt(part.class_probs * whole.class_probs).sum() >= SAME_KIND
            if (
                alike
                and share_near(whole.tree, part.xyz, TOUCHING) >= COVERED
                and earlier[0].share_of(whole_id, part.xyz) >= COVERED
            ):
                merges[max(part_id, whole_id)] = min(part_id, whole_id)
                break
    # Of several ids for one object the next visits join the rest.
    return {young: old for young, old in merges.items() if old not in merges}


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
            young,
            class_names[records[young].class_id],
            1.0,
            visit.visit_id,
            records[young].box,
            records[old].box,
            None,
            records[young].last_seen_ns,
            visit.stamp_ns,
            old,
        )
        for young, old in sorted(merges.items())
    )
