"""Rows of the tables and the structures that travel; each function inside a given transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from rescene4d_ros.memory.database import memory_metadata, schema
from rescene4d_ros.memory.database.row_encoding import (
    change_rows,
    CHECKSUM,
    read_rows,
    read_rows_again,
    read_rows_in_turn,
)
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.structures import (
    Box,
    Change,
    ChangeKind,
    MemorySnapshot,
    ObjectState,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.tracking.records import ObjectRecord
from sqlalchemy import (
    bindparam,
    ColumnElement,
    Connection,
    func,
    Integer,
    literal,
    literal_column,
    select,
    Table,
    type_coerce,
    union_all,
)

MOST_CHANGED = 500  # visits that are named in a query
RECORD = tuple(field.name for field in fields(ObjectRecord))
# By which queries choose rows, beside primary keys: a row is read by none where one is altered.
CHOSEN_BY = (
    schema.visits.c.stamp_ns,
    schema.changes.c.revision,
    schema.changes.c.visit_id,
    schema.changes.c.object_id,
    schema.changes.c.kind,
    schema.aliases.c.object_id,
)
PRIME = 1_000_003  # so that a sum of times fits its type, and no flip of bits leaves it the same


@dataclass(frozen=True)
class VisitList:
    """
    Hold all visits as they were read, by visit id in stamp order.

    Attributes
    ----------
    state : tuple or None
        Of the database then; see `state_of`.
    marks : mapping of int to tuple
        What is another one after a change of the row.
    infos : mapping of int to VisitInfo
    files : mapping of int to str
        Name of the points file.
    visits : tuple of VisitInfo

    """

    state: tuple | None
    marks: Mapping[int, tuple]
    infos: Mapping[int, VisitInfo]
    files: Mapping[int, str]
    visits: tuple[VisitInfo, ...]


@dataclass(frozen=True)
class StoredObservation:
    """
    Hold what is stored of one observation, beside its points (these are in the labels).

    Attributes
    ----------
    object_id, visit_id : int
    stamp_ns : int, ns since the Unix epoch
    box : Box
    score : float
    reason : str
        Why it was given this id.
    alternatives : tuple of int
        Look-alikes that it may as well be.
    class_probs : ndarray (K,), float32
    feature : ndarray (C,), float32

    """

    object_id: int
    visit_id: int
    stamp_ns: int
    box: Box
    score: float
    reason: str
    alternatives: tuple[int, ...]
    class_probs: np.ndarray
    feature: np.ndarray


def change_visit(connection: Connection, visit_id: int, **values) -> None:
    """Store other values of a visit."""
    change_rows(connection, schema.visits, schema.visits.c.visit_id == visit_id, **values)


def insert_changes(connection: Connection, changes: Sequence[Change], revision: int) -> None:
    """Insert changes under the revision that stores them."""
    newest = connection.execute(select(func.max(schema.changes.c.change_id))).scalar() or 0
    rows = [
        {
            'change_id': newest + number,
            'revision': revision,
            'visit_id': change.visit_id,
            'kind': change.kind,
            'object_id': change.object_id,
            'other_id': change.other_id,
            'class_name': change.class_name,
            'confidence': float(change.confidence),
            'before': change.before,
            'after': change.after,
            'after_t_before': change.after_T_before,
            'evidence_before_ns': change.evidence_before_ns,
            'evidence_after_ns': change.evidence_after_ns,
        }
        for number, change in enumerate(changes, 1)
    ]
    if rows:
        connection.execute(schema.changes.insert(), rows)


def change_of(row) -> Change:
    """Return a row of `changes` as Change."""
    return Change(
        row.kind,
        row.object_id,
        row.class_name,
        row.confidence,
        row.visit_id,
        row.before,
        row.after,
        row.after_t_before,
        row.evidence_before_ns,
        row.evidence_after_ns,
        row.other_id,
    )


def add_aliases(connection: Connection, changes: Iterable[Change]) -> dict[int, int]:
    """Store which ids became aliases and return them; what is an alias already stays one."""
    known, added = aliases(connection), {}
    for change in changes:
        if change.kind == ChangeKind.MERGED and change.object_id not in known:
            connection.execute(
                schema.aliases.insert().values(
                    alias_id=change.object_id, object_id=change.other_id, visit_id=change.visit_id
                )
            )
            added[change.object_id] = change.other_id
    return added


def aliases(connection: Connection) -> dict[int, int]:
    """Read the aliases: alias id to the id that it proved to be."""
    return {
        row.alias_id: row.object_id
        for row in read_rows(
            connection, schema.aliases, select(schema.aliases).order_by(schema.aliases.c.alias_id)
        )
    }


def put_records(connection: Connection, records: Iterable[ObjectRecord]) -> None:
    """Store records over older ones of the same id."""
    rows = [{name: getattr(record, name) for name in RECORD} for record in records]
    if rows:
        drop_records(connection, [row['object_id'] for row in rows])
        connection.execute(schema.objects.insert(), rows)


def drop_records(connection: Connection, object_ids: Iterable[int]) -> None:
    """Take objects out of what is known now."""
    rows = [{'dropped': object_id} for object_id in object_ids]
    if rows:
        connection.execute(
            schema.objects.delete().where(schema.objects.c.object_id == bindparam('dropped')), rows
        )


def records(connection: Connection) -> dict[int, ObjectRecord]:
    """Read all objects, by rising id."""
    query = select(schema.objects).order_by(schema.objects.c.object_id)
    return {
        row.object_id: ObjectRecord(*(row._mapping[name] for name in RECORD))
        for row in read_rows(connection, schema.objects, query)
    }


def visits(connection: Connection, *statuses: VisitStatus) -> tuple[VisitInfo, ...]:
    """Read the visits in stamp order, of some statuses or all."""
    query = select(schema.visits).order_by(schema.visits.c.stamp_ns)
    return tuple(
        _visit_of(row)
        for row in read_rows_again(connection, schema.visits, query)
        # Not in the query: an altered status must not hide a visit.
        if not statuses or row.status in statuses
    )


def visit_list(connection: Connection, state: tuple | None, known: VisitList | None) -> VisitList:
    """
    Read all visits, of those that were read before only what tells whether they changed.

    Each visit is followed by several readings, and a memory of a thousand would spend a fifth of
    a visit's time on rows that are the same.

    Parameters
    ----------
    connection : Connection
        In a transaction that writes nothing.
    state : tuple or None
        Of the database now; see `state_of`.
    known : VisitList or None
        The result before; None reads every row.

    """
    table = schema.visits
    columns: list[ColumnElement] = [table.c.visit_id, table.c.checksum]
    if state is None:
        columns.append(literal_column('xmin::text'))  # another after every change of the row
    # Of SQLite this holds while no other connection writes.
    is_same = known is not None and (state is None or state[:2] == (known.state or ())[:2])
    before = known.marks if known is not None and is_same else {}
    found = connection.execute(select(*columns).order_by(table.c.stamp_ns)).all()
    marks = {row[0]: tuple(row[1:]) for row in found}
    changed = [i for i, mark in marks.items() if before.get(i) != mark]
    infos, files = ({}, {}) if known is None or not before else (known.infos, known.files)
    if changed:
        query = select(table)
        if len(changed) <= MOST_CHANGED:
            query = query.where(table.c.visit_id.in_(changed))
        infos, files = dict(infos), dict(files)
        for row in read_rows(connection, table, query):
            infos[row.visit_id] = _visit_of(row)
            files[row.visit_id] = row.file
    return VisitList(
        state,
        marks,
        {i: infos[i] for i in marks},
        {i: files[i] for i in marks},
        tuple(infos[i] for i in marks),
    )


def _visit_of(row) -> VisitInfo:
    return VisitInfo(row.visit_id, row.stamp_ns, row.status, row.name, row.n_points)


def newest_done_ns(connection: Connection) -> int | None:
    """Read the stamp of the newest processed visit; None where none is processed."""
    query = select(schema.visits).order_by(schema.visits.c.stamp_ns.desc())
    newest_first = read_rows_in_turn(connection, schema.visits, query)
    # Not in the query: an altered status must not hide a visit.
    return next((row.stamp_ns for row in newest_first if row.status == VisitStatus.DONE), None)


def visit_row(connection: Connection, visit_id: int):
    """Read the row of a visit; None where there is none."""
    query = select(schema.visits).where(schema.visits.c.visit_id == visit_id)
    return next(iter(read_rows(connection, schema.visits, query)), None)


def labels(connection: Connection, visit_id: int) -> np.ndarray | None:
    """Read the object of every point (N,) int64 of a visit; None where it is not processed."""
    query = select(schema.labels).where(schema.labels.c.visit_id == visit_id)
    return next((r.object_ids for r in read_rows(connection, schema.labels, query)), None)


def put_labels(connection: Connection, visit_id: int, object_ids: np.ndarray) -> None:
    """Store other labels of a processed visit."""
    where = schema.labels.c.visit_id == visit_id
    change_rows(connection, schema.labels, where, object_ids=object_ids)


def histories(
    connection: Connection, object_ids: Collection[int] | None = None
) -> dict[int, tuple[tuple[int, ObjectState], ...]]:
    """Read (visit id, state) of some objects or all, from their first visit on, by stamp."""
    query = (
        select(schema.states)
        .join(schema.visits, schema.visits.c.visit_id == schema.states.c.visit_id)
        .order_by(schema.states.c.object_id, schema.visits.c.stamp_ns)
    )
    if object_ids is not None:
        query = query.where(schema.states.c.object_id.in_(object_ids))
    states: dict[int, list[tuple[int, ObjectState]]] = {}
    for row in read_rows(connection, schema.states, query):
        states.setdefault(row.object_id, []).append((row.visit_id, row.state))
    return {object_id: tuple(past) for object_id, past in states.items()}


def changes(connection: Connection, since_revision: int = 0) -> tuple[Change, ...]:
    """Read the changes stored after a revision, in the order they were found."""
    query = (
        select(schema.changes)
        .where(schema.changes.c.revision > since_revision)
        .order_by(schema.changes.c.change_id)
    )
    return tuple(change_of(row) for row in read_rows(connection, schema.changes, query))


def observations(
    connection: Connection, visit_id: int | None = None
) -> tuple[StoredObservation, ...]:
    """Read what one visit or all showed of each object, by stamp, then object."""
    table, visits = schema.observations.c, schema.visits.c
    query = (
        select(schema.observations, visits.stamp_ns)
        .join(schema.visits, visits.visit_id == table.visit_id)
        .order_by(visits.stamp_ns, table.object_id)
    )
    if visit_id is not None:
        query = query.where(table.visit_id == visit_id)
    return tuple(
        StoredObservation(
            row.object_id,
            row.visit_id,
            row.stamp_ns,
            row.box,
            row.score,
            row.link_reason,
            row.alternatives,
            row.class_probs,
            row.feature,
        )
        for row in read_rows(connection, schema.observations, query)
    )


def names(connection: Connection) -> dict[int, str]:
    """Read the names that people gave to objects."""
    found = read_rows(connection, schema.notes, select(schema.notes))
    return {row.object_id: row.name for row in found if row.name}


def locked(connection: Connection) -> frozenset[int]:
    """Read the ids that people have locked."""
    found = read_rows(connection, schema.notes, select(schema.notes))
    return frozenset(row.object_id for row in found if row.is_locked)


def add_entry(
    connection: Connection,
    revision: int,
    visit_id: int | None,
    action: JournalAction,
    detail: dict,
) -> int:
    """Append to the journal; return the number of the entry."""
    entry = newest_entry(connection) + 1
    connection.execute(
        schema.journal.insert().values(
            entry_id=entry, revision=revision, visit_id=visit_id, action=action, detail=detail
        )
    )
    return entry


def newest_entry(connection: Connection) -> int:
    """Read the number of the newest entry of the journal; 0 where there is none."""
    return connection.execute(select(func.max(schema.journal.c.entry_id))).scalar() or 0


def tally(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Count the rows of each table, and add up the keys by which queries choose them."""
    parts = [
        select(literal(table.name), func.count(), _sum_of_keys(table)).select_from(table)
        for table in schema.tables.sorted_tables
    ]
    found = connection.execute(union_all(*parts)).all()
    return {n: int(rows) for n, rows, _ in found}, {n: int(keys or 0) for n, _, keys in found}


def _sum_of_keys(table: Table) -> ColumnElement:
    total: ColumnElement = literal(0)
    if table is not schema.meta:  # whose keys are words
        keys = [*table.primary_key, *(key for key in CHOSEN_BY if key.table is table)]
        for weight, key in enumerate(keys, 1):
            total = total + (type_coerce(key, Integer) % PRIME) * weight
    return func.sum(total)


def journal(connection: Connection, *actions: JournalAction) -> tuple[dict, ...]:
    """Read what was done to the memory, oldest first; all or some kinds of actions."""
    query = select(schema.journal).order_by(schema.journal.c.entry_id)
    if actions:
        # Not those that are sought: an altered action must not hide an entry.
        others = [action for action in JournalAction if action not in actions]
        query = query.where(schema.journal.c.action.not_in(others))
    return tuple(
        {name: value for name, value in row._mapping.items() if name != CHECKSUM}
        for row in read_rows(connection, schema.journal, query)
    )


def snapshot(connection: Connection, where: str) -> MemorySnapshot:
    """Read everything that a memory says, as one value."""
    found, states = memory_metadata.load(connection, where), histories(connection)
    given = names(connection)
    return MemorySnapshot(
        found.map_id,
        found.frame_id,
        found.revision,
        found.class_names,
        visits(connection),
        tuple(
            record.as_object(
                found.class_names, states.get(object_id, ()), given.get(object_id, '')
            )
            for object_id, record in records(connection).items()
        ),
        tuple(aliases(connection).items()),
        found.origin or (0.0, 0.0, 0.0),
    )
