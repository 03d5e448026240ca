"""Visits that a person leaves out of what is known, and takes in again; their points stay."""

from __future__ import annotations

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database import schema, tables
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.editing.rebuild import rebuild_records
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitInfo, VisitStatus
from rescene4d_ros.tracking.duplicate_objects import resolve_records


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
            tables.erase_facts(connection, [visit_id])
            connection.execute(schema.states.delete().where(schema.states.c.object_id.in_(gone)))
            connection.execute(schema.undo.delete())  # what it holds is of the time before
            tables.drop_records(connection, gone)
            tables.put_records(connection, records.values())
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
    tables.change_visit(connection, visit_id, status=status)
