"""Facts of visits as rows: put in, taken out, read; each function inside a given transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.memory.database import codecs, schema
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, VisitInfo, VisitStatus
from rescene4d_ros.tracking.records import ObjectRecord, VisitFacts
from sqlalchemy import bindparam, Connection, select, update


@dataclass(frozen=True)
class Seen:
    """
    Hold what is stored of one observation, beside its points (these are in the labels).

    Attributes
    ----------
    object_id : int
    class_probs : ndarray (K,), float32
    score : float
    feature : ndarray (C,), float32
    reason : str
        Why it was given this id.
    alternatives : tuple of int
        Look-alikes that it may as well be.

    """

    object_id: int
    class_probs: np.ndarray
    score: float
    feature: np.ndarray
    reason: str
    alternatives: tuple[int, ...]


@dataclass(frozen=True)
class Sighting:
    """
    Hold where one visit showed one object.

    Attributes
    ----------
    object_id, visit_id : int
    stamp_ns : int, ns since the Unix epoch
    box : Box
    score : float
    reason : str
        Why it was given this id.
    alternatives : tuple of int

    """

    object_id: int
    visit_id: int
    stamp_ns: int
    box: Box
    score: float
    reason: str
    alternatives: tuple[int, ...]


def insert(
    connection: Connection, facts: VisitFacts, revision: int, weights_hash: str | None
) -> None:
    """Insert what one visit brought and mark the visit DONE."""
    visit_id = facts.visit.visit_id
    many = (
        (
            schema.observations,
            [
                codecs.observation_row(
                    visit_id, object_id, link.observation, link.reason, link.alternatives
                )
                for object_id, link in facts.linked.items()
            ],
        ),
        (
            schema.states,
            [
                {'visit_id': visit_id, 'object_id': object_id, 'state': int(state)}
                for object_id, state in facts.states.items()
            ],
        ),
        (schema.changes, [codecs.change_row(revision, change) for change in facts.changes]),
    )
    for table, values in many:
        if values:
            connection.execute(table.insert(), values)
    connection.execute(
        schema.labels.insert().values(
            visit_id=visit_id, object_ids=codecs.encode_labels(facts.object_ids)
        )
    )
    connection.execute(
        update(schema.visits)
        .where(schema.visits.c.visit_id == visit_id)
        .values(status=int(VisitStatus.DONE), reason='', weights_hash=weights_hash)
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
    """Read the aliases: younger id to the id that it proved to be."""
    return {
        row.alias_id: row.object_id
        for row in connection.execute(select(schema.aliases).order_by(schema.aliases.c.alias_id))
    }


def drop_records(connection: Connection, object_ids: Iterable[int]) -> None:
    """Take objects out of what is known now."""
    wanted = [{'wanted': object_id} for object_id in object_ids]
    if wanted:
        connection.execute(
            schema.objects.delete().where(schema.objects.c.object_id == bindparam('wanted')),
            wanted,
        )


def erase(connection: Connection, visit_ids: Sequence[int]) -> None:
    """Take out what some visits brought; their points and journal stay."""
    for table in (schema.observations, schema.states, schema.changes, schema.labels):
        for visit_id in visit_ids:
            connection.execute(table.delete().where(table.c.visit_id == visit_id))


def put_records(connection: Connection, records: Iterable[ObjectRecord]) -> None:
    """Store records over older ones of the same id."""
    values = [codecs.record_row(record) for record in records]
    if values:
        drop_records(connection, [value['object_id'] for value in values])
        connection.execute(schema.objects.insert(), values)


def records(connection: Connection) -> dict[int, ObjectRecord]:
    """Read all objects, by rising id."""
    found = connection.execute(select(schema.objects).order_by(schema.objects.c.object_id))
    return {row.object_id: codecs.object_record(row) for row in found}


def visits(connection: Connection, *statuses: VisitStatus) -> tuple[VisitInfo, ...]:
    """Read the visits in stamp order, of some statuses or all."""
    query = select(schema.visits).order_by(schema.visits.c.stamp_ns)
    if statuses:
        query = query.where(schema.visits.c.status.in_([int(s) for s in statuses]))
    return tuple(codecs.visit_info(row) for row in connection.execute(query))


def histories(connection: Connection) -> dict[int, tuple[tuple[int, ObjectState], ...]]:
    """Read the states of every object, by stamp of the visit."""
    query = (
        select(schema.states)
        .join(schema.visits, schema.visits.c.visit_id == schema.states.c.visit_id)
        .order_by(schema.states.c.object_id, schema.visits.c.stamp_ns)
    )
    states: dict[int, list[tuple[int, ObjectState]]] = {}
    for row in connection.execute(query):
        states.setdefault(row.object_id, []).append((row.visit_id, ObjectState(row.state)))
    return {object_id: tuple(past) for object_id, past in states.items()}


def changes(connection: Connection, since_revision: int) -> tuple[Change, ...]:
    """Read the changes stored after a revision, in the order they were found."""
    found = connection.execute(
        select(schema.changes)
        .where(schema.changes.c.revision > since_revision)
        .order_by(schema.changes.c.change_id)
    )
    return tuple(codecs.change_of(row) for row in found)


def seen(connection: Connection, visit_id: int) -> tuple[Seen, ...]:
    """Read the observations of one visit, by rising object id."""
    found = connection.execute(
        select(schema.observations)
        .where(schema.observations.c.visit_id == visit_id)
        .order_by(schema.observations.c.object_id)
    )
    return tuple(
        Seen(
            row.object_id,
            codecs.decode_array(row.class_probs),
            row.score,
            codecs.decode_array(row.feature),
            row.link_reason,
            codecs.decode_ids(row.alternatives),
        )
        for row in found
    )


def sightings(connection: Connection) -> tuple[Sighting, ...]:
    """Read where and when every object was seen, by stamp, then object."""
    table = schema.observations
    query = (
        select(
            table.c.object_id,
            table.c.visit_id,
            schema.visits.c.stamp_ns,
            table.c.box,
            table.c.score,
            table.c.link_reason,
            table.c.alternatives,
        )
        .join(schema.visits, schema.visits.c.visit_id == table.c.visit_id)
        .order_by(schema.visits.c.stamp_ns, table.c.object_id)
    )
    return tuple(
        Sighting(
            row.object_id,
            row.visit_id,
            row.stamp_ns,
            codecs.decode_box(row.box),
            row.score,
            row.link_reason,
            codecs.decode_ids(row.alternatives),
        )
        for row in connection.execute(query)
    )
