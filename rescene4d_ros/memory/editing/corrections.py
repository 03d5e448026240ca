"""What people know better: names, locks, merges and splits of objects, each journalled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database import schema, tables
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.database.stored_rows import change_rows
from rescene4d_ros.memory.editing.reapply_splits import first_one
from rescene4d_ros.memory.editing.rebuild import rebuild_records, scan_or_boxes
from rescene4d_ros.memory.editing.undo import join, keep_notes, keep_rows
from rescene4d_ros.memory.store import check_name, SceneMemory
from rescene4d_ros.structures import ObjectState, VisitStatus
from sqlalchemy import Connection


def rename(memory: SceneMemory, object_id: int, name: str) -> None:
    """
    Give an object a name for people; an empty one takes it away.

    The journal does not hold the name, so that deleting the object deletes it.

    Raises
    ------
    ConfigError
        The name is too long, or has control characters.
    MemoryFormatError
        There is no such object.

    """
    check_name(name, 'an object')
    object_id = memory.known_id(object_id)
    action = JournalAction.OBJECT_RENAMED
    with memory.database.correcting(action, {'object': object_id}) as (connection, entry):
        keep_notes(connection, entry, object_id)
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
    action = JournalAction.OBJECT_LOCKED if is_locked else JournalAction.OBJECT_UNLOCKED
    with memory.database.correcting(action, {'object': object_id}) as (connection, entry):
        keep_notes(connection, entry, object_id)
        _annotate(connection, object_id, is_locked=is_locked)


def merge(memory: SceneMemory, one: int, other: int) -> tuple[int, int]:
    """
    Say that two ids are one object: the younger becomes an alias of the older.

    Returns
    -------
    tuple of int
        The alias, and the id to use.

    Raises
    ------
    MemoryFormatError
        There is no such object, they are one already, or one is locked.

    """
    with memory.mutex:
        object_id, alias_id = sorted((memory.known_id(one), memory.known_id(other)))
        if object_id == alias_id:
            raise MemoryFormatError(
                f'{memory.path}: expected two objects, but {one} and {other} '
                f'are one already: {object_id}'
            )
        _refuse_locked(memory, (object_id, alias_id))
        detail = {'object': alias_id, 'into': object_id}
        action = JournalAction.OBJECTS_MERGED
        with memory.database.correcting(action, detail) as (connection, entry):
            keep_rows(connection, entry, [object_id, alias_id])
            join(memory, connection, alias_id, object_id)
        return alias_id, object_id


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
        since = [
            s for s in memory.observations() if s.object_id == object_id and s.visit_id in later
        ]
        before = rebuild_records(memory, earlier).get(object_id)
        if before is None or not since:
            raise MemoryFormatError(
                f'{memory.path}: expected object {object_id} to be seen before visit {from_visit} '
                'and since; choose a later or an earlier visit, see `rescene4d memory history`'
            )
        new_id, record = memory.metadata.next_object_id, memory.records[object_id]
        first = since[0].visit_id
        left, states = first_one(
            before,
            [visit.stamp_ns for visit in done if visit.stamp_ns >= since[0].stamp_ns],
            scan_or_boxes(memory, first).xyz[memory.labels(first) == object_id],
        )
        later = later[-len(states) :]
        detail = {'object': object_id, 'visit': from_visit, 'new': new_id}
        action = JournalAction.OBJECT_SPLIT
        with memory.database.correcting(action, detail) as (connection, entry):
            keep_rows(connection, entry, [object_id, new_id], later)
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
            memory.database.advance(connection, next_object_id=new_id + 1)
        return new_id


def _annotate(connection: Connection, object_id: int, **values) -> None:
    """Store values in the notes of an object."""
    if not change_rows(connection, schema.notes, schema.notes.c.object_id == object_id, **values):
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
    connection: Connection, object_id: int, new_id: int, visits: Mapping[int, ObjectState]
) -> None:
    """Give what some visits say of one id to another, and say how the first one was there."""
    for visit_id, state in visits.items():
        for table in (schema.observations, schema.states, schema.changes):
            of_one = table.c.visit_id == visit_id, table.c.object_id == object_id
            change_rows(connection, table, *of_one, object_id=new_id)
        connection.execute(
            schema.states.insert().values(visit_id=visit_id, object_id=object_id, state=state)
        )
        labels = tables.labels(connection, visit_id)
        labels[labels == object_id] = new_id
        tables.put_labels(connection, visit_id, labels)
