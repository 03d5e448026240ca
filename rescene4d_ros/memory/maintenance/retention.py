"""
Letting go of what a memory need not or must not keep: points, visits, objects.

New files are written first, then one transaction makes them count, then the old ones go. Killed in
between, the memory is as before or as after; files that no visit needs any more are removed by the
next call.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from rescene4d_ros.errors import ConfigError, MemoryFormatError
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.memory.database import row_access, schema
from rescene4d_ros.memory.database.row_encoding import change_rows, read_rows
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.editing.rebuild import scan_or_boxes
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.visit_transactions import erase_facts
from rescene4d_ros.structures import ObjectState, VisitInfo, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve
from rescene4d_ros.tracking.observations import make_observation
from rescene4d_ros.tracking.records import ObjectRecord
from sqlalchemy import or_, select


def thin_visits(memory: SceneMemory, before_ns: int, spacing: float) -> int:
    """
    Keep one point per cube of old visits.

    Parameters
    ----------
    memory : SceneMemory
    before_ns : int, ns since the Unix epoch
        Processed visits with earlier stamps are thinned.
    spacing : float, m
        Edge of a cube. What is remembered of objects has points every 0.03 m.

    Returns
    -------
    int
        Number of points that went.

    Raises
    ------
    ConfigError
        The spacing is not positive.
    StorageError
        The disk refused; the visits are as before.

    """
    if not spacing > 0:
        raise ConfigError(
            f'expected a spacing above 0 m, got {spacing}; 0.03 keeps what is '
            'remembered of objects'
        )
    with memory.mutex:
        keep = {}
        for visit in memory.visits(VisitStatus.DONE):
            if visit.stamp_ns < before_ns and memory.files.has(memory.key(visit.visit_id)):
                kept = thin(memory.scan(visit.visit_id).xyz, spacing)
                if len(kept) < visit.n_points:
                    keep[visit.visit_id] = kept
        gone = sum(memory.labels(i).size - len(kept) for i, kept in keep.items())
        if keep:
            detail = {'visits': sorted(keep), 'spacing': spacing, 'points': gone}
            with rewritten(memory, keep, JournalAction.POINTS_THINNED, detail):
                pass
        return gone


def delete_object(memory: SceneMemory, object_id: int) -> None:
    """
    Delete an object: what is known of it, its past, and its points in every visit.

    Its id is never given again. What undoing corrections would need is deleted with it, and
    cannot be undone any more.

    Raises
    ------
    MemoryFormatError
        There is no such object, or it is locked.
    StorageError
        The disk refused; the object is still there.

    """
    with memory.mutex:
        object_id = memory.known_id(object_id)
        _refuse_locked(memory, {object_id})
        ids = _all_ids(memory, object_id)
        keep = {}
        for visit in memory.visits(VisitStatus.DONE):
            shows = np.isin(memory.labels(visit.visit_id), list(ids))
            if shows.any():
                keep[visit.visit_id] = np.flatnonzero(~shows)
        detail = {'object': object_id}
        with rewritten(memory, keep, JournalAction.OBJECT_DELETED, detail) as connection:
            _delete_rows(connection, ids)


def delete_visit(memory: SceneMemory, visit_id: int) -> None:
    """
    Delete a visit: its points and all that it alone showed.

    Objects that no other visit shows go with it. The records of the others are taken
    from the latest visit that is left.

    Raises
    ------
    MemoryFormatError
        There is no such visit, or a locked object would go with it.
    StorageError
        The disk refused; the visit is still there.

    """
    with memory.mutex:
        file_name = memory.key(visit_id)
        aliases = memory.aliases()
        left: dict[int, list[row_access.StoredObservation]] = {}
        shown = set()
        for stored in memory.observations():
            now = resolve(stored.object_id, aliases)
            if stored.visit_id == visit_id:
                shown.add(now)
            else:
                left.setdefault(now, []).append(stored)
        lost = {i for i in shown if i not in left}
        _refuse_locked(memory, lost)
        records = [
            _from_latest(
                memory,
                memory.records[i],
                left[i],
                [s for v, s in memory.past.get(i, ()) if v != visit_id],
            )
            for i in sorted(shown - lost)
            if i in memory.records
        ]
        detail = {'visit': visit_id}
        with rewritten(memory, {}, JournalAction.VISIT_DELETED, detail) as connection:
            for i in lost:
                _delete_rows(connection, _all_ids(memory, i))
            row_access.put_records(connection, records)
            erase_facts(connection, [visit_id])
            connection.execute(schema.visits.delete().where(schema.visits.c.visit_id == visit_id))
        memory.files.remove(file_name)


def delete_visits_before(memory: SceneMemory, stamp_ns: int) -> tuple[VisitInfo, ...]:
    """Delete all visits with earlier stamps but the newest of all, oldest first; return them."""
    old = [visit for visit in memory.visits()[:-1] if visit.stamp_ns < stamp_ns]
    for visit in old:
        delete_visit(memory, visit.visit_id)
    return tuple(old)


@contextmanager
def rewritten(
    memory: SceneMemory,
    keep: Mapping[int, np.ndarray],
    action: JournalAction,
    detail: dict,
    for_good: bool = True,
):
    """
    Write files with some points only, give the transaction that makes them count.

    Parameters
    ----------
    memory : SceneMemory
    keep : mapping of visit id to ndarray (M,), int
        Points of a visit that stay.
    action, detail
        Entry of the journal.
    for_good : bool
        Whether what goes must be found nowhere any more: corrections can then not be undone, and
        the database overwrites its free space.

    """
    for name in memory.stray_files():  # of a call that was killed
        memory.files.remove(name)
    old, new = [], {}
    for visit_id, kept in keep.items():
        old.append(memory.key(visit_id))
        labels = memory.labels(visit_id)
        if memory.files.has(old[-1]):
            file_name = memory.files.write(memory.scan(visit_id).take(kept))
            new[visit_id] = file_name, labels[kept]
        else:  # its points are lost; what the labels say of them goes nevertheless
            new[visit_id] = old[-1], np.where(np.isin(np.arange(len(labels)), kept), labels, 0)
    with memory.database.correcting(action, detail, reload=for_good) as (connection, _):
        for visit_id, (name, labels) in new.items():
            row_access.change_visit(connection, visit_id, file=name, n_points=len(labels))
            row_access.put_labels(connection, visit_id, labels)
        if for_good:
            connection.execute(schema.undo.delete())
        yield connection
    for name in set(old) - {name for name, _ in new.values()}:
        memory.files.remove(name)
    if for_good:
        memory.database.checkpoint()


def _all_ids(memory: SceneMemory, object_id: int) -> set[int]:
    """Return an id and its aliases."""
    aliases = memory.aliases()
    return {
        object_id,
        *(alias_id for alias_id in aliases if resolve(alias_id, aliases) == object_id),
    }


def _refuse_locked(memory: SceneMemory, ids: set[int]) -> None:
    """Raise where people have locked an object that would go."""
    locked = sorted(ids & memory.locked())
    if locked:
        raise MemoryFormatError(
            f'{memory.path}: expected objects that may go, but {locked} are '
            'locked; `rescene4d memory unlock` them first'
        )


def _delete_rows(connection, ids: set[int]) -> None:
    """Delete every row of some ids."""
    for table in (schema.objects, schema.observations, schema.states, schema.notes):
        connection.execute(table.delete().where(table.c.object_id.in_(ids)))
    for table, columns in (
        (schema.changes, ('object_id', 'other_id')),
        (schema.aliases, ('object_id', 'alias_id')),
    ):
        connection.execute(table.delete().where(or_(*(table.c[k].in_(ids) for k in columns))))
    # Others that it could have been mistaken for must not name it any more.
    for table in (schema.objects, schema.observations):
        for row in read_rows(connection, table, select(table)):
            others = tuple(i for i in row.alternatives if i not in ids)
            if others != row.alternatives:
                keys = (key == row._mapping[key.name] for key in table.primary_key)
                change_rows(connection, table, *keys, alternatives=others)


def _from_latest(
    memory: SceneMemory,
    record: ObjectRecord,
    left: list[row_access.StoredObservation],
    states: list[ObjectState],
) -> ObjectRecord:
    """Return a record as the latest visit that is left shows it, the points included."""
    latest = left[-1]
    scan = scan_or_boxes(memory, latest.visit_id)
    labels = memory.labels(latest.visit_id)
    seen = make_observation(
        scan,
        np.flatnonzero(labels == latest.object_id),
        latest.class_probs,
        latest.score,
        latest.feature,
        {},
    )
    state = states[-1] if states else ObjectState.PRESENT
    return replace(
        record,
        state=state,
        is_gone=record.is_gone or state == ObjectState.ABSENT,
        box=seen.box,
        score=seen.score,
        first_seen_ns=left[0].stamp_ns,
        last_seen_ns=latest.stamp_ns,
        n_observations=len(left),
        link_reason=latest.reason,
        class_probs=seen.class_probs,
        feature=seen.feature,
        color=seen.color,
        xyz=seen.xyz,
        alternatives=latest.alternatives,
    )
