"""Splits by people, repeated in visits that were processed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.point_sets import quick_tree, SAME_SURFACE, share_near
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.editing.rebuild import rename_ids
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import ObjectState
from rescene4d_ros.tracking.records import ObjectRecord, VisitFacts

TAKEN = 0.5  # share of an object's points on another one, from which its place is taken


@dataclass(frozen=True)
class Split:
    """Say that what bore one id bears another from a visit on."""

    object_id: int
    from_visit: int
    new_id: int


def standing_splits(memory: SceneMemory) -> tuple[Split, ...]:
    """Return the splits that were neither undone nor merged again, oldest first."""
    split, undone = JournalAction.OBJECT_SPLIT, JournalAction.CORRECTION_UNDONE
    journal, aliases = memory.journal(split, undone), memory.aliases()
    taken_back = {entry['detail']['entry'] for entry in journal if entry['action'] == undone}
    splits = [
        Split(e['detail']['object'], e['detail']['visit'], e['detail']['new'])
        for e in journal
        if e['action'] == split and e['entry_id'] not in taken_back
    ]
    return tuple(s for s in splits if not {s.object_id, s.new_id} & set(aliases))


def first_one(
    record: ObjectRecord, stamps: Sequence[int], second: np.ndarray
) -> tuple[ObjectRecord, list[ObjectState]]:
    """
    Say what is known of the first of two objects since the second one is there.

    Where the second one stands at its place it must have gone. Anywhere else nothing is known.

    Parameters
    ----------
    record : ObjectRecord
        Of the first one, before.
    stamps : sequence of int, ns since the Unix epoch
        Of the visits since, the one that first shows the second one first.
    second : ndarray (N, 3), float32, m, in map
        Points of the second one at that visit.

    Returns
    -------
    ObjectRecord
        After these visits.
    list of ObjectState
        One per visit.

    """
    taken = share_near(quick_tree(second), record.xyz, SAME_SURFACE) >= TAKEN
    states = [ObjectState.NOT_OBSERVED] * len(stamps)
    if taken:
        states[0] = ObjectState.ABSENT
        record = replace(record, is_gone=True, last_confirmed_absent_ns=stamps[0])
    return replace(record, state=states[-1]), states


def split_again(
    history: Sequence[VisitFacts], before: Mapping[int, ObjectRecord], splits: Sequence[Split]
) -> list[VisitFacts]:
    """
    Part what was split by hand and is one object in new facts.

    Where the new facts hold two objects, or the split lies before them, nothing is to be done.

    Parameters
    ----------
    history : sequence of VisitFacts
        In stamp order.
    before : mapping of object id to ObjectRecord
        What is remembered before the first of these visits.
    splits : sequence of Split
        Oldest first: a later one may part what an earlier one made.

    Returns
    -------
    list of VisitFacts

    """
    history = list(history)
    for split in splits:
        numbers = [facts.visit.visit_id for facts in history]
        known = {split.object_id, split.new_id} & set(history[-1].records)
        if split.from_visit in numbers and len(known) == 1:
            history = _part(history, before, split, known.pop(), numbers.index(split.from_visit))
    return history


def _part(
    history: Sequence[VisitFacts],
    before: Mapping[int, ObjectRecord],
    split: Split,
    whole: int,
    at: int,
) -> list[VisitFacts]:
    """Give one object the first id before a visit, and the second one from that visit on."""
    earlier = [rename_ids(facts, {whole: split.object_id}) for facts in history[:at]]
    shown = [k for k, facts in enumerate(history) if k >= at and whole in facts.linked]
    record = (earlier[-1].records if earlier else before).get(split.object_id)
    first = shown[0] if shown else len(history)
    if record is None:
        return [*earlier, *(rename_ids(facts, {whole: split.new_id}) for facts in history[at:])]
    # Not seen since the split, it is still the first one.
    earlier += [rename_ids(facts, {whole: split.object_id}) for facts in history[at:first]]
    since, later = history[first:], []
    for k, facts in enumerate(since):
        stamps = [other.visit.stamp_ns for other in since[: k + 1]]
        left, states = first_one(
            (earlier[-1].records if earlier else before)[split.object_id],
            stamps,
            since[0].linked[whole].observation.xyz,
        )
        facts = rename_ids(facts, {whole: split.new_id})
        second = replace(
            facts.records[split.new_id],
            first_seen_ns=stamps[0],
            n_observations=sum(n <= first + k for n in shown),
        )
        later.append(
            replace(
                facts,
                states=dict(sorted({**facts.states, split.object_id: states[-1]}.items())),
                records=dict(
                    sorted({**facts.records, split.object_id: left, split.new_id: second}.items())
                ),
            )
        )
    return [*earlier, *later]
