"""Facts of some objects or of some time, found by indexes: what questions read, and no more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rescene4d_ros.memory.database import schema, tables
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState
from sqlalchemy import (
    and_,
    BigInteger,
    bindparam,
    Column,
    Connection,
    func,
    Integer,
    ScalarSelect,
    select,
    Table,
)

IDS = range(1, 2**31)  # what a column of ids holds
NANOSECONDS = 2**63 - 1  # what one of times holds, in either direction
# Since one of these an object is where it is, or gone.
TURNS = (ChangeKind.ADDED, ChangeKind.MOVED, ChangeKind.REAPPEARED, ChangeKind.REMOVED)


@dataclass(frozen=True)
class LastKnown:
    """
    Hold what visits up to a time say of an object, whichever of its ids it bore.

    Attributes
    ----------
    state : ObjectState
        At the latest of these visits.
    box : Box
        At the latest that showed it, in map.
    first_seen_ns, last_seen_ns : int, ns since the Unix epoch
    turned_ns : int or None
        The latest that found it elsewhere, back or gone.

    """

    state: ObjectState
    box: Box
    first_seen_ns: int
    last_seen_ns: int
    turned_ns: int | None


@dataclass(frozen=True)
class Event:
    """
    Hold what one visit said of one object.

    Attributes
    ----------
    visit_id : int
    stamp_ns : int, ns since the Unix epoch
    object_id : int
        Under which it was known then.
    state : ObjectState
        UNKNOWN where the visit says no more than what changed.
    box : Box or None
        Where it was seen.
    reason : str
        Why it was known again; with its look-alikes, where there were any.
    changes : tuple of Change

    """

    visit_id: int
    stamp_ns: int
    object_id: int
    state: ObjectState
    box: Box | None
    reason: str
    changes: tuple[Change, ...]


def current_id(connection: Connection, object_id: int) -> int | None:
    """Return the id to use for one that may be an alias; None where no object has it."""
    if object_id not in IDS:
        return None
    alias = schema.aliases
    while (
        older := connection.execute(
            select(alias.c.object_id).where(alias.c.alias_id == object_id)
        ).scalar()
    ) is not None:
        object_id = older
    return connection.execute(
        select(schema.objects.c.object_id).where(schema.objects.c.object_id == object_id)
    ).scalar()


def ids_of(connection: Connection, object_ids: Collection[int]) -> dict[int, int]:
    """Return every id that some objects have had: that id to the one to use."""
    found = {object_id: object_id for object_id in object_ids}
    new = dict(found)
    while new:
        alias = schema.aliases.c
        new = {
            row.alias_id: found[row.object_id]
            for row in connection.execute(
                select(alias.alias_id, alias.object_id).where(alias.object_id.in_(new))
            )
        }
        found |= new
    return found


def class_names(
    connection: Connection, names: tuple[str, ...], object_ids: Collection[int] | None = None
) -> dict[int, str]:
    """Return the most probable class of some objects or all, by rising id."""
    table = schema.objects.c
    query = select(table.object_id, table.class_probs).order_by(table.object_id)
    if object_ids is not None:
        query = query.where(table.object_id.in_(object_ids))
    return {
        row.object_id: names[int(row.class_probs.argmax())] for row in connection.execute(query)
    }


def given_names(connection: Connection, object_ids: Collection[int]) -> dict[int, str]:
    """Return the names that people gave to some objects."""
    table = schema.notes.c
    return {
        row.object_id: row.name
        for row in connection.execute(
            select(table.object_id, table.name).where(table.object_id.in_(object_ids))
        )
        if row.name
    }


def known_of(
    connection: Connection, object_ids: Collection[int], until_ns: int
) -> dict[int, LastKnown]:
    """
    Read what visits up to a time say of some objects.

    Goes back from that time, visit by visit in the order of an index, and stops at the first one
    that speaks of the object.

    Returns
    -------
    dict of object id to LastKnown
        Not those that no visit had seen by then.

    """
    ids = ids_of(connection, object_ids)
    parts: dict[int, list] = {}
    for known_as, now in ids.items():
        row = connection.execute(
            _KNOWN, {'known_as': known_as, 'until': within_columns(until_ns)}
        ).one()
        if row.seen_ns is not None:
            parts.setdefault(now, []).append((known_as, row))
    found = {}
    for now, stated in parts.items():
        latest = max(
            stated,
            key=lambda part: (part[1].state_ns, part[1].state == ObjectState.PRESENT, -part[0]),
        )[1]
        shown = max(stated, key=lambda part: (part[1].seen_ns, -part[0]))[1]
        turns = [row.turned_ns for _, row in stated if row.turned_ns is not None]
        found[now] = LastKnown(
            latest.state,
            shown.box,
            min(row.first_ns for _, row in stated),
            shown.seen_ns,
            max(turns, default=None),
        )
    return found


def events_of(connection: Connection, object_id: int) -> tuple[Event, ...]:
    """Read what each visit says of an object; oldest first, aliases before the id to use."""
    ids = ids_of(connection, [object_id])
    visits, states, seen = schema.visits.c, schema.states.c, schema.observations.c
    changes: dict[tuple[int, int], list[Change]] = {}
    stamps = {}
    for row in connection.execute(
        select(schema.changes, visits.stamp_ns)
        .join(schema.visits, visits.visit_id == schema.changes.c.visit_id)
        .where(schema.changes.c.object_id.in_(ids))
        .order_by(schema.changes.c.change_id)
    ):
        key = row.visit_id, row.object_id
        changes.setdefault(key, []).append(tables.change_of(row))
        stamps[key] = row.stamp_ns
    events = []
    for row in connection.execute(
        select(
            visits.visit_id,
            visits.stamp_ns,
            states.object_id,
            states.state,
            seen.box,
            seen.link_reason,
        )
        .join(schema.states, states.visit_id == visits.visit_id)
        .outerjoin(
            schema.observations,
            and_(seen.visit_id == states.visit_id, seen.object_id == states.object_id),
        )
        .where(states.object_id.in_(ids))
        # So the visits lead the search, and no row of another object is read.
        .order_by(visits.stamp_ns)
    ):
        stated = tuple(changes.pop((row.visit_id, row.object_id), ()))
        events.append(
            Event(
                row.visit_id,
                row.stamp_ns,
                row.object_id,
                row.state,
                row.box,
                row.link_reason or '',
                stated,
            )
        )
    events += [
        Event(key[0], stamps[key], key[1], ObjectState.UNKNOWN, None, '', tuple(stated))
        for key, stated in changes.items()
    ]
    return tuple(sorted(events, key=lambda event: (event.stamp_ns, -event.object_id)))


def changes_between(connection: Connection, after_ns: int, until_ns: int) -> tuple[Change, ...]:
    """Read the changes that visits after a time showed, up to another; by time, then object."""
    changes, stamp_ns = schema.changes.c, schema.visits.c.stamp_ns
    after_ns, until_ns = (within_columns(moment) for moment in (after_ns, until_ns))
    found = connection.execute(
        select(schema.changes)
        .join(schema.visits, schema.visits.c.visit_id == changes.visit_id)
        .where(stamp_ns > after_ns, stamp_ns <= until_ns)
        .order_by(stamp_ns, changes.object_id, changes.kind, changes.change_id)
    )
    return tuple(tables.change_of(row) for row in found)


def within_columns(moment_ns: int) -> int:
    """Return a time that a column can be compared with: the same, or beyond all visits too."""
    return max(-NANOSECONDS, min(moment_ns, NANOSECONDS))


def _stated(value: Column, table: Table, of_oldest: bool = False) -> ScalarSelect:
    """Return what the newest (or oldest) visit up to `until` says of the object `known_as`."""
    visits = schema.visits.c
    order = visits.stamp_ns.asc() if of_oldest else visits.stamp_ns.desc()
    return (
        select(value)
        .select_from(schema.visits)
        .join(table, table.c.visit_id == visits.visit_id)
        .where(
            table.c.object_id == bindparam('known_as', type_=Integer),
            visits.stamp_ns <= bindparam('until', type_=BigInteger),
        )
        .order_by(order)
        .limit(1)
        .scalar_subquery()
    )


_STAMP = schema.visits.c.stamp_ns
_KNOWN = select(
    _stated(schema.states.c.state, schema.states).label('state'),
    _stated(_STAMP, schema.states).label('state_ns'),
    _stated(schema.observations.c.box, schema.observations).label('box'),
    _stated(_STAMP, schema.observations).label('seen_ns'),
    _stated(_STAMP, schema.observations, of_oldest=True).label('first_ns'),
    select(func.max(_STAMP))
    .select_from(schema.changes)
    .join(schema.visits, schema.visits.c.visit_id == schema.changes.c.visit_id)
    .where(
        schema.changes.c.object_id == bindparam('known_as', type_=Integer),
        schema.changes.c.kind.in_(TURNS),
        _STAMP <= bindparam('until', type_=BigInteger),
    )
    .scalar_subquery()
    .label('turned_ns'),
)
