"""Going back in time: records as of an earlier visit, and old ids for reprocessed objects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
import logging

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.memory.database.row_access import StoredObservation
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Change, ChangeKind, ObjectState, Scan, VisitInfo
from rescene4d_ros.tracking.object_ids import join_merged
from rescene4d_ros.tracking.observations import make_observation
from rescene4d_ros.tracking.record_update import update_records
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, VisitFacts
from rescene4d_ros.tracking.regions.discovery import with_discovered
from scipy.optimize import linear_sum_assignment

log = logging.getLogger(__name__)


def rebuild_records(
    memory: SceneMemory, visits: Sequence[VisitInfo], apart: Collection[int] = ()
) -> dict[int, ObjectRecord]:
    """
    Fold the stored facts of some visits, from the first on, into records.

    Needs no segmenter: what it said is stored. Gives what the memory held after the last of
    these visits.

    Parameters
    ----------
    memory : SceneMemory
    visits : sequence of VisitInfo
        Processed ones, in stamp order, none left out.
    apart : collection of int
        Ids that became aliases, to be objects of their own: not observed by visits since.

    Returns
    -------
    dict of object id to ObjectRecord

    """
    records: dict[int, ObjectRecord] = {}
    changes: dict[int, list[Change]] = {}
    for change in memory.changes():
        if change.kind != ChangeKind.MERGED or change.object_id not in apart:
            changes.setdefault(change.visit_id, []).append(change)
    shown: dict[int, list[StoredObservation]] = {}
    for stored in memory.observations():
        shown.setdefault(stored.visit_id, []).append(stored)
    for visit in visits:
        scan, labels = scan_or_boxes(memory, visit.visit_id), memory.labels(visit.visit_id)
        linked = {}
        for stored in shown.get(visit.visit_id, ()):
            observation = make_observation(
                scan,
                np.flatnonzero(labels == stored.object_id),
                stored.class_probs,
                stored.score,
                stored.feature,
                {},
            )
            linked[stored.object_id] = LinkedObservation(
                observation, stored.reason, alternatives=stored.alternatives
            )
        states = {
            i: dict(past)[visit.visit_id]
            for i, past in memory.past.items()
            if visit.visit_id in dict(past)
        }
        # What a person merged was two while its latest visit was processed.
        stated = changes.get(visit.visit_id, [])
        by_hand = [c for c in stated if c.kind == ChangeKind.MERGED and c.object_id in states]
        states |= dict.fromkeys({*apart} & {*records} - {*states}, ObjectState.NOT_OBSERVED)
        records = update_records(
            records,
            visit.stamp_ns,
            Cloud.of(scan),
            linked,
            states,
            tuple(c for c in stated if c not in by_hand),
        )
        records = join_merged(records, by_hand)
    return records


def scan_or_boxes(memory: SceneMemory, visit_id: int) -> Scan:
    """
    Read the points of a visit; where its file is lost or damaged, points on its objects' boxes.

    So what is known of objects can be corrected without the file: boxes, labels, classes and
    features are in the database. Points of no object are in the middle of the first box.
    """
    try:
        return memory.scan(visit_id)
    except FileFormatError as error:
        log.warning('%s; the boxes of its objects stand for its points', error)
    visit = next(v for v in memory.visits() if v.visit_id == visit_id)
    labels, shown = memory.labels(visit_id), memory.observations(visit_id)
    rng = np.random.default_rng(visit_id)
    xyz = np.zeros((len(labels), 3))
    if shown:
        xyz += shown[0].box.center
    for stored in shown:
        points = np.flatnonzero(labels == stored.object_id)
        on_cube = rng.uniform(-0.5, 0.5, (len(points), 3))
        side = rng.integers(0, 3, len(points))
        on_cube[np.arange(len(points)), side] = rng.choice([-0.5, 0.5], len(points))
        map_T_box = stored.box.map_T_box
        xyz[points] = on_cube * stored.box.size @ map_T_box[:3, :3].T + map_T_box[:3, 3]
    return Scan(
        xyz.astype(np.float32), visit.stamp_ns, frame_id=memory.metadata.frame_id, name=visit.name
    )


def carry_ids(
    history: Sequence[VisitFacts],
    old_labels: Callable[[int], np.ndarray],
    old_ids: frozenset[int],
    next_id: int,
) -> list[VisitFacts]:
    """
    Give reprocessed objects the ids of those they were before, by the points they share.

    Parameters
    ----------
    history : sequence of VisitFacts
        New facts; objects born in them have ids from `next_id` on.
    old_labels : callable
        Return the ids (N,), int64, of the same points before, of a visit by its id.
    old_ids : frozenset of int
        All objects known before.
    next_id : int
        Smallest id never given.

    Returns
    -------
    list of VisitFacts
        The same facts; new objects that are old ones bear the old id, the rest follow each
        other from `next_id` on.

    """
    merged = {
        c.object_id
        for facts in history
        for c in facts.changes
        if c.kind == ChangeKind.MERGED and c.object_id >= next_id
    }
    alive = sorted(i for i in history[-1].records if i >= next_id)
    free = sorted(old_ids - set(history[-1].records))
    shared = np.zeros((len(alive), len(free)))
    row, column = {i: k for k, i in enumerate(alive)}, {i: k for k, i in enumerate(free)}
    discovered: dict[int, dict[int, LinkedObservation]] = {}
    for facts in history:
        for stamp_ns, linked in facts.discovered.items():
            discovered.setdefault(stamp_ns, {}).update(linked)
    for facts in history:
        new_labels = with_discovered(facts.object_ids, discovered.get(facts.visit.stamp_ns, {}))
        pairs, counts = np.unique(
            np.stack([new_labels, old_labels(facts.visit.visit_id)]), axis=1, return_counts=True
        )
        for new, old, count in zip(*pairs.tolist(), counts):
            if new in row and old in column:
                shared[row[new], column[old]] += count
    names = {}
    for k, j in zip(*linear_sum_assignment(-shared)):
        if shared[k, j] > 0:
            names[alive[k]] = free[j]
    for i in sorted({*alive, *merged}):
        if i not in names:
            names[i], next_id = next_id, next_id + 1
    return [rename_ids(facts, names) for facts in history]


def rename_ids(facts: VisitFacts, names: Mapping[int, int]) -> VisitFacts:
    """Return the facts with some objects under other ids: old one to new one."""

    def keys(mapping):
        return dict(sorted((names.get(i, i), value) for i, value in mapping.items()))

    labels = facts.object_ids.copy()
    for old, new in names.items():
        labels[facts.object_ids == old] = new

    def others(ids):
        return tuple(sorted(names.get(i, i) for i in ids))

    records = {
        i: replace(record, object_id=i, alternatives=others(record.alternatives))
        for i, record in keys(facts.records).items()
    }
    linked = {
        i: replace(link, alternatives=others(link.alternatives))
        for i, link in keys(facts.linked).items()
    }
    discovered = {stamp: keys(links) for stamp, links in facts.discovered.items()}
    changes = tuple(
        sorted(
            (
                replace(
                    c,
                    object_id=names.get(c.object_id, c.object_id),
                    other_id=names.get(c.other_id, c.other_id),
                )
                for c in facts.changes
            ),
            key=lambda c: c.object_id,
        )
    )
    return replace(
        facts,
        linked=linked,
        states=keys(facts.states),
        records=records,
        changes=changes,
        object_ids=labels,
        discovered=discovered,
    )
