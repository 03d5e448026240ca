"""What people know better: names, locks, merges and splits of objects, each journalled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database import codecs, schema, tables, undo_log
from rescene4d_ros.memory.editing.reapply_splits import ACTION as SPLIT
from rescene4d_ros.memory.editing.reapply_splits import first_one, UNDONE
from rescene4d_ros.memory.editing.rebuild import replay
from rescene4d_ros.memory.editing.undo_merge import part
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import ObjectState, VisitStatus
from rescene4d_ros.tracking.duplicate_objects import join_merged, merge_events
from sqlalchemy import Connection, select, update

# What a correction cannot be undone beyond row by row: the memory has drawn conclusions from it.
PROCESSED = 'visit processed'
FINAL = (PROCESSED, 'visits reprocessed', 'visit deleted', 'object deleted', 'points thinned')
MERGED = 'objects merged'


def rename(memory: SceneMemory, object_id: int, name: str) -> None:
    """
    Give an object a name for people; an empty one takes it away.

    The journal does not hold the name, so that deleting the object deletes it.

    Raises
    ------
    MemoryFormatError
        There is no such object.

    """
    object_id = memory.known_id(object_id)
    with memory.correcting('object renamed', {'object': object_id}) as (connection, entry):
        undo_log.keep_notes(connection, entry, object_id)
        _annotate(connection, object_id, name=name)


def lock(memory: SceneMemory, object_id: int, is_locked: bool = True) -> None:
    """
    Lock an object, or unlock it.

    A locked object is never merged, split or deleted, neither by the memory nor by a command.

    Raises
    ------
    MemoryFormatError
        There is no such object.

    """
    object_id = memory.known_id(object_id)
    action = 'object locked' if is_locked else 'object unlocked'
    with memory.correcting(action, {'object': object_id}) as (connection, entry):
        undo_log.keep_notes(connection, entry, object_id)
        _annotate(connection, object_id, is_locked=int(is_locked))


def merge(memory: SceneMemory, one: int, other: int) -> tuple[int, int]:
    """
    Say that two ids are one object: the younger becomes an alias of the older.

    Returns
    -------
    tuple of int
        Younger id, older id.

    Raises
    ------
    MemoryFormatError
        There is no such object, they are one already, or one is locked.

    """
    with memory.mutex:
        old, young = sorted((memory.known_id(one), memory.known_id(other)))
        if old == young:
            raise MemoryFormatError(
                f'{memory.path}: expected two objects, but {one} and {other} '
                f'are one already: {old}'
            )
        _refuse_locked(memory, (old, young))
        with memory.correcting(MERGED, {'object': young, 'into': old}) as (connection, entry):
            undo_log.keep(connection, entry, [old, young])
            _join(memory, connection, young, old)
        return young, old


def split(memory: SceneMemory, object_id: int, from_visit: int) -> int:
    """
    Say that from one visit on it is another object that bears an id; give that one a new id.

    Returns
    -------
    int
        The new id.

    Raises
    ------
    MemoryFormatError
        There is no such object or visit, it is locked, or it was not seen both before and since.

    """
    with memory.mutex:
        object_id = memory.known_id(object_id)
        _refuse_locked(memory, (object_id,))
        done = memory.visits(VisitStatus.DONE)
        numbers = [visit.visit_id for visit in done]
        if from_visit not in numbers:
            raise MemoryFormatError(
                f'{memory.path}: expected a processed visit, got {from_visit}; there are {numbers}'
            )
        earlier = done[: numbers.index(from_visit)]
        later = numbers[len(earlier) :]
        since = [s for s in memory.sightings() if s.object_id == object_id and s.visit_id in later]
        before = replay(memory, earlier).get(object_id)
        if before is None or not since:
            raise MemoryFormatError(
                f'{memory.path}: expected object {object_id} to be seen before visit {from_visit} '
                'and since; choose a later or an earlier visit, see `rescene4d memory history`'
            )
        new_id, record = memory.header.next_object_id, memory.records[object_id]
        shown = since[0].visit_id
        left, states = first_one(
            before,
            [visit.stamp_ns for visit in done if visit.stamp_ns >= since[0].stamp_ns],
            memory.scan(shown).xyz[memory.labels(shown) == object_id],
        )
        later = later[-len(states) :]
        with memory.correcting(
            SPLIT, {'object': object_id, 'visit': from_visit, 'new': new_id}
        ) as (connection, entry):
            undo_log.keep(connection, entry, [object_id, new_id], later)
            tables.put_records(
                connection,
                [
                    left,
                    replace(
                        record,
                        object_id=new_id,
                        first_seen_ns=since[0].stamp_ns,
                        n_observations=len(since),
                    ),
                ],
            )
            _hand_over(connection, object_id, new_id, dict(zip(later, states)))
            memory.advance(connection, next_object_id=new_id + 1)
        return new_id


def undo(memory: SceneMemory) -> str:
    """
    Take back the latest correction that is not taken back yet.

    Names and locks are taken back at any time. A merge or a split is taken back row by row until
    the next visit is processed. Later, of a merge the two ids are two again by their own earlier
    observations, and what visits since showed stays with the older one; of a split the new id
    becomes an alias of the first one. Ids that a split gave are not given again.

    Returns
    -------
    str
        What was taken back, as the journal calls it; later, also what became of it.

    Raises
    ------
    MemoryFormatError
        There is none, or it is a merge or split and visits have been worked out anew since.

    """
    with memory.mutex:
        journal = memory.journal()
        with memory.reading() as connection:
            entry = connection.execute(
                select(schema.undo.c.entry_id).order_by(schema.undo.c.entry_id.desc())
            ).scalar()
            is_note = entry is not None and undo_log.is_note(connection, entry)
        if entry is None:
            raise MemoryFormatError(
                f'{memory.path}: expected a correction to undo, found none; '
                'see `rescene4d memory journal`'
            )
        taken_back = next(e for e in journal if e['entry_id'] == entry)
        final = [e for e in journal if e['entry_id'] > entry and e['action'] in FINAL]
        if final and not is_note:
            return _undo_late(memory, taken_back, final)
        with memory.correcting(UNDONE, {'entry': entry}) as (connection, _):
            undo_log.restore(connection, entry)
        return taken_back['action']


def _undo_late(memory: SceneMemory, taken_back: Mapping, final: Sequence[Mapping]) -> str:
    """Take back a merge or a split that the memory has built on; return what was done."""
    action, detail, entry = (taken_back[key] for key in ('action', 'detail', 'entry_id'))
    anew = [e['action'] for e in final if e['action'] != PROCESSED]
    if anew:
        raise MemoryFormatError(
            f'{memory.path}: {action!r} cannot be undone: {anew[0]!r} came after it, and the '
            'observations from before are no more; correct the objects as they are now: '
            '`rescene4d memory split` parts one, `merge` joins two'
        )
    if action == MERGED:
        since = [e['visit_id'] for e in final]
        old = part(memory, entry, detail['object'], since)
        return (
            f'{action}; {detail["object"]} has its earlier observations again, what visits '
            f'{", ".join(map(str, since))} showed stays with {old}'
        )
    old, young = sorted((memory.known_id(detail['object']), memory.known_id(detail['new'])))
    with memory.correcting(UNDONE, {'entry': entry, 'object': young, 'into': old}) as (
        connection,
        _,
    ):
        if young != old:
            _join(memory, connection, young, old)
        undo_log.drop(connection, entry)
    return f'{action}; {detail["new"]} is an alias of {old} from now on'


def _join(memory: SceneMemory, connection: Connection, young: int, old: int) -> None:
    """Make an id the alias of an older one."""
    visit = memory.visits(VisitStatus.DONE)[-1]
    changes = merge_events(visit, memory.records, {young: old}, memory.header.class_names)
    tables.put_records(connection, [join_merged(memory.records, changes)[old]])
    tables.drop_records(connection, [young])
    tables.add_aliases(connection, changes)
    connection.execute(
        schema.changes.insert(),
        [codecs.change_row(memory.header.revision + 1, change) for change in changes],
    )


def _annotate(connection: Connection, object_id: int, **values) -> None:
    """Store values in the notes of an object."""
    changed = connection.execute(
        update(schema.notes).where(schema.notes.c.object_id == object_id).values(**values)
    ).rowcount
    if not changed:
        connection.execute(schema.notes.insert().values(object_id=object_id, **values))


def _refuse_locked(memory: SceneMemory, ids: Iterable[int]) -> None:
    """Raise where one of some objects is locked."""
    locked = sorted(memory.locked() & set(ids))
    if locked:
        raise MemoryFormatError(
            f'{memory.path}: expected objects that may change, but {locked} '
            'are locked; `rescene4d memory unlock` them first'
        )


def _hand_over(
    connection: Connection, old: int, new: int, visits: Mapping[int, ObjectState]
) -> None:
    """Give what some visits say of one id to another, and say how the first one was there."""
    for visit_id, state in visits.items():
        for table in (schema.observations, schema.states, schema.changes):
            connection.execute(
                update(table)
                .where(table.c.visit_id == visit_id, table.c.object_id == old)
                .values(object_id=new)
            )
        connection.execute(
            schema.states.insert().values(visit_id=visit_id, object_id=old, state=int(state))
        )
        labels = codecs.decode_labels(
            connection.execute(
                select(schema.labels.c.object_ids).where(schema.labels.c.visit_id == visit_id)
            ).scalar()
        )
        labels[labels == old] = new
        connection.execute(
            update(schema.labels)
            .where(schema.labels.c.visit_id == visit_id)
            .values(object_ids=codecs.encode_labels(labels))
        )
