"""Corrections by a person: names, locks, merges, splits, and visits left out; all journalled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from rescene4d_ros.errors import ConfigError, MemoryDamagedError, MemoryFormatError
from rescene4d_ros.memory.database import row_access, schema
from rescene4d_ros.memory.database.row_encoding import change_rows
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.editing.reapply_splits import first_one
from rescene4d_ros.memory.editing.rebuild import rebuild_records, scan_or_boxes
from rescene4d_ros.memory.editing.undo import join, keep_notes, keep_rows
from rescene4d_ros.memory.store import check_name, SceneMemory
from rescene4d_ros.memory.visit_transactions import erase_facts
from rescene4d_ros.structures import ObjectState, VisitInfo, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve_records
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


def move_map(memory: SceneMemory, new_T_old: np.ndarray, reason: str = '') -> np.ndarray:
    """
    Say that the map frame moved, as a loop closure does: everything remembered follows.

    Nothing stored is computed again. The memory keeps its own frame, and `map_T_memory` of all
    such motions together says where that is in the map.

    Parameters
    ----------
    memory : SceneMemory
    new_T_old : ndarray (4, 4)
        Takes the old coordinates of a place in the map to the new ones, m.
    reason : str
        For the journal.

    Returns
    -------
    ndarray (4, 4), float64
        `map_T_memory` now.

    Raises
    ------
    ConfigError
        It is no rigid motion, or the reason is too long.

    """
    check_name(reason, 'a reason')
    motion = np.asarray(new_T_old, np.float64)
    if (
        motion.shape != (4, 4)
        or not np.isfinite(motion).all()
        or not np.allclose(motion[:3, :3] @ motion[:3, :3].T, np.eye(3), atol=1e-4)
        or np.linalg.det(motion[:3, :3]) < 0
        or not np.array_equal(motion[3], (0, 0, 0, 1))
    ):
        raise ConfigError(
            'expected a rigid motion: a unit quaternion and a finite translation in m, got '
            f'{np.array2string(motion, precision=3)}; give the motion of the map frame'
        )
    detail = {'new_T_old': motion.tolist(), 'reason': reason}
    with memory.database.correcting(JournalAction.MAP_MOVED, detail) as (connection, entry):
        keep_rows(connection, entry, ())  # none changes, but it can be undone
    return memory.map_T_memory()


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
            row_access.put_records(
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
        labels = row_access.labels(connection, visit_id)
        if labels is None:
            raise MemoryDamagedError(
                f'expected the object of every point of visit {visit_id}, found none; restore a '
                'backup, or `rescene4d memory repair`'
            )
        labels[labels == object_id] = new_id
        row_access.put_labels(connection, visit_id, labels)


def exclude_visit(memory: SceneMemory, visit_id: int) -> int | None:
    """
    Leave a visit out: what it showed is erased, and no reprocess takes it in.

    Of the objects remains what the other visits showed; those that only this visit showed go.

    Returns
    -------
    int or None
        First processed visit after it, from which a reprocess judges anew without it; None where
        there is none, or the visit was not processed.

    Raises
    ------
    MemoryFormatError
        There is no such visit, it is excluded already, or a locked object would go with it.
    FileFormatError
        The points of another visit, which are needed, are missing.

    """
    with memory.mutex:
        visit = _find(memory, visit_id)
        if visit.status == VisitStatus.EXCLUDED:
            raise MemoryFormatError(
                f'{memory.path}: expected a visit that counts, but {visit_id} is excluded already'
            )
        others = [v for v in memory.visits(VisitStatus.DONE) if v.visit_id != visit_id]
        records = dict(memory.records)
        if visit.status == VisitStatus.DONE:
            records = resolve_records(rebuild_records(memory, others), memory.aliases())
        gone = set(memory.records) - set(records)
        locked = sorted(memory.locked() & gone)
        if locked:
            raise MemoryFormatError(
                f'{memory.path}: expected objects that may go with visit {visit_id}, but {locked} '
                'are locked and no other visit showed them; unlock them first'
            )
        action = JournalAction.VISIT_EXCLUDED
        with memory.database.correcting(action, {'visit': visit_id}) as (connection, _):
            erase_facts(connection, [visit_id])
            connection.execute(schema.states.delete().where(schema.states.c.object_id.in_(gone)))
            connection.execute(schema.undo.delete())  # what it holds is of the time before
            row_access.drop_records(connection, gone)
            row_access.put_records(connection, records.values())
            _set_status(connection, visit_id, VisitStatus.EXCLUDED)
        if visit.status != VisitStatus.DONE:
            return None
        return next((v.visit_id for v in others if v.stamp_ns > visit.stamp_ns), None)


def include_visit(memory: SceneMemory, visit_id: int) -> None:
    """
    Take an excluded visit in again, as one that came just now: it may be late.

    Raises
    ------
    MemoryFormatError
        There is no such visit, or it is not excluded.

    """
    with memory.mutex:
        visit = _find(memory, visit_id)
        if visit.status != VisitStatus.EXCLUDED:
            raise MemoryFormatError(
                f'{memory.path}: expected an excluded visit, but {visit_id} is '
                f'{visit.status.name.lower()}'
            )
        newest = max((v.stamp_ns for v in memory.visits(VisitStatus.DONE)), default=0)
        status = VisitStatus.LATE if visit.stamp_ns < newest else VisitStatus.PENDING
        action = JournalAction.VISIT_INCLUDED
        with memory.database.correcting(action, {'visit': visit_id}) as (connection, _):
            _set_status(connection, visit_id, status)


def _find(memory: SceneMemory, visit_id: int) -> VisitInfo:
    visits = {visit.visit_id: visit for visit in memory.visits()}
    if visit_id not in visits:
        raise MemoryFormatError(
            f'{memory.path}: expected a stored visit, got {visit_id}; there are: '
            f'{", ".join(map(str, visits)) or "none yet"}'
        )
    return visits[visit_id]


def _set_status(connection, visit_id: int, status: VisitStatus) -> None:
    row_access.change_visit(connection, visit_id, status=status)
