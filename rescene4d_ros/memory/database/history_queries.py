"""Facts of some objects or of some time, found by indexes: what questions read, and no more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rescene4d_ros.errors import MemoryDamagedError
from rescene4d_ros.memory.database import row_access, schema
from rescene4d_ros.memory.database.row_encoding import read_rows, read_rows_in_turn
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState
from sqlalchemy import (
    and_,
    BigInteger,
    bindparam,
    Connection,
    func,
    Integer,
    Select,
    select,
    Table,
    union_all,
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

    @property
    def since_ns(self) -> int:
        """Return when the latest stored change was found; without one, when it was first seen."""
        return self.first_seen_ns if self.turned_ns is None else self.turned_ns


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
    aliases, objects = schema.aliases, schema.objects
    while older := read_rows(
        connection, aliases, select(aliases).where(aliases.c.alias_id == object_id)
    ):
        object_id = older[0].object_id
    found = read_rows(connection, objects, select(objects).where(objects.c.object_id == object_id))
    return found[0].object_id if found else None


def ids_of(connection: Connection, object_ids: Collection[int]) -> dict[int, int]:
    """Return every id that some objects have had: that id to the one to use."""
    found = {object_id: object_id for object_id in object_ids}
    new, aliases = dict(found), schema.aliases
    while new:
        query = select(aliases).where(aliases.c.object_id.in_(new))
        new = {row.alias_id: found[row.object_id] for row in read_rows(connection, aliases, query)}
        found |= new
    return found


def class_names(
    connection: Connection, names: tuple[str, ...], object_ids: Collection[int] | None = None
) -> dict[int, str]:
    """Return the most probable class of some objects or all, by rising id."""
    table = schema.objects
    query = select(table).order_by(table.c.object_id)
    if object_ids is not None:
        query = query.where(table.c.object_id.in_(object_ids))
    return {
        row.object_id: names[int(row.class_probs.argmax())]
        for row in read_rows(connection, table, query)
    }


def given_names(connection: Connection, object_ids: Collection[int]) -> dict[int, str]:
    """Return the names that people gave to some objects."""
    query = select(schema.notes).where(schema.notes.c.object_id.in_(object_ids))
    return {
        row.object_id: row.name for row in read_rows(connection, schema.notes, query) if row.name
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
    statements: dict[int, list[_Statement]] = {}
    for statement in _statements_of(connection, ids, within_columns(until_ns)):
        statements.setdefault(ids[statement.known_as], []).append(statement)
    found = {}
    for now, stated in statements.items():
        latest = max(
            stated, key=lambda s: (s.state_ns, s.state == ObjectState.PRESENT, -s.known_as)
        )
        shown = max(stated, key=lambda s: (s.seen_ns, -s.known_as))
        found[now] = LastKnown(
            latest.state,
            shown.box,
            min(s.first_ns for s in stated),
            shown.seen_ns,
            max((s.turned_ns for s in stated if s.turned_ns is not None), default=None),
        )
    return found


def events_of(connection: Connection, object_id: int) -> tuple[Event, ...]:
    """Read what each visit says of an object; oldest first, aliases before the id to use."""
    ids = ids_of(connection, [object_id])
    changes: dict[tuple[int, int], list[Change]] = {}
    query = select(schema.changes).where(schema.changes.c.object_id.in_(ids))
    for row in read_rows(connection, schema.changes, query.order_by(schema.changes.c.change_id)):
        changes.setdefault((row.visit_id, row.object_id), []).append(row_access.change_of(row))
    states, seen = (_of_objects(connection, t, ids) for t in (schema.states, schema.observations))
    keys = {*states, *changes}
    stamps = _stamps(connection, {visit_id for visit_id, _ in keys})
    return tuple(
        Event(
            visit_id,
            stamps[visit_id],
            known_as,
            states[visit_id, known_as].state
            if (visit_id, known_as) in states
            else ObjectState.UNKNOWN,
            seen[visit_id, known_as].box if (visit_id, known_as) in seen else None,
            seen[visit_id, known_as].link_reason if (visit_id, known_as) in seen else '',
            tuple(changes.get((visit_id, known_as), ())),
        )
        for visit_id, known_as in sorted(keys, key=lambda key: (stamps[key[0]], -key[1]))
    )


def changes_between(connection: Connection, after_ns: int, until_ns: int) -> tuple[Change, ...]:
    """Read the changes that visits after a time showed, up to another; by time, then object."""
    changes, stamp_ns = schema.changes.c, schema.visits.c.stamp_ns
    after_ns, until_ns = (within_columns(moment) for moment in (after_ns, until_ns))
    query = (
        select(schema.changes)
        .join(schema.visits, schema.visits.c.visit_id == changes.visit_id)
        .where(stamp_ns > after_ns, stamp_ns <= until_ns)
        .order_by(stamp_ns, changes.object_id, changes.kind, changes.change_id)
    )
    rows = read_rows(connection, schema.changes, query)
    _stamps(connection, {row.visit_id for row in rows})  # read to be sure of their order
    return tuple(row_access.change_of(row) for row in rows)


def within_columns(moment_ns: int) -> int:
    """Return a time that a column can be compared with: the same, or beyond all visits too."""
    return max(-NANOSECONDS, min(moment_ns, NANOSECONDS))


@dataclass(frozen=True)
class _Statement:
    """Hold what visits up to a time say of one id; times in ns since the Unix epoch."""

    known_as: int
    state: ObjectState
    state_ns: int
    box: Box
    seen_ns: int
    first_ns: int
    turned_ns: int | None


def _statements_of(
    connection: Connection, ids: Collection[int], until_ns: int
) -> Iterator[_Statement]:
    """Read what visits up to a time say of some ids; nothing of those that none showed."""
    parameters = {'ids': list(ids), 'until': until_ns}
    state, shown, first = (
        {row.object_id: row for row in read_rows(connection, table, query.params(parameters))}
        for table, query in (
            (schema.states, _NEWEST_STATE),
            (schema.observations, _NEWEST_SEEN),
            (schema.observations, _OLDEST_SEEN),
        )
    )
    turns = read_rows(connection, schema.changes, _NEWEST_TURN.params(parameters))
    turned = {row.object_id: row.visit_id for row in turns}
    rows = (*state.values(), *shown.values(), *first.values(), *turns)
    stamps = _stamps(connection, {row.visit_id for row in rows})
    for known_as in sorted(shown):
        if known_as not in state:
            raise MemoryDamagedError(
                f'expected a state of object {known_as}, which visits show, found none; rows are '
                'missing: restore a backup, or `rescene4d memory repair`'
            )
        yield _Statement(
            known_as,
            state[known_as].state,
            stamps[state[known_as].visit_id],
            shown[known_as].box,
            stamps[shown[known_as].visit_id],
            stamps[first[known_as].visit_id],
            stamps[turned[known_as]] if known_as in turned else None,
        )


def absence_of(
    connection: Connection, object_id: int, after_ns: int, until_ns: int
) -> tuple[int, float | None] | None:
    """
    Read when a place was first observed empty between two times.

    Returns
    -------
    tuple of (int, float or None) or None
        Stamp of the visit, and the confidence of the change by which it removed the object; None
        where no visit found the place empty.

    """
    ids = ids_of(connection, [object_id])
    bounds = {'after': within_columns(after_ns), 'until': within_columns(until_ns)}
    query = _STATES_BETWEEN.params(ids=list(ids), **bounds)
    states = read_rows_in_turn(connection, schema.states, query)
    row = next((row for row in states if row.state == ObjectState.ABSENT), None)
    if row is None:
        return None
    changes = schema.changes
    query = (
        select(changes)
        .where(changes.c.visit_id == row.visit_id, changes.c.object_id == row.object_id)
        .order_by(changes.c.change_id)
    )
    found = read_rows(connection, changes, query)
    removed = [c.confidence for c in found if c.kind == ChangeKind.REMOVED]
    return _stamps(connection, {row.visit_id})[row.visit_id], removed[0] if removed else None


def _stamps(connection: Connection, visit_ids: Collection[int]) -> dict[int, int]:
    """Read the stamps of some visits."""
    query = select(schema.visits).where(schema.visits.c.visit_id.in_(visit_ids))
    rows = read_rows(connection, schema.visits, query)
    found = {row.visit_id: row.stamp_ns for row in rows}
    if not found.keys() >= set(visit_ids):
        raise MemoryDamagedError(
            f'expected visits {sorted(visit_ids)[:5]}, found {sorted(found)[:5]}; rows are '
            'missing: restore a backup, or `rescene4d memory repair`'
        )
    return found


def _of_objects(connection: Connection, table: Table, ids: Collection[int]) -> dict:
    """Read the rows of a table with some object ids, by (visit id, object id)."""
    query = (
        select(table)
        .join(schema.visits, schema.visits.c.visit_id == table.c.visit_id)
        .where(table.c.object_id.in_(ids))
        # So the visits lead the search, and no row of another object is read.
        .order_by(schema.visits.c.stamp_ns)
    )
    return {(row.visit_id, row.object_id): row for row in read_rows(connection, table, query)}


_AMONG = bindparam('ids', expanding=True, type_=Integer)
_UNTIL = schema.visits.c.stamp_ns <= bindparam('until', type_=BigInteger)


def _of_each(table: Table, newest: bool) -> Select:
    """Return the query for what the newest or oldest visit up to `until` says of each of `ids`."""
    stamp_ns, objects, aliases = schema.visits.c.stamp_ns, schema.objects, schema.aliases
    asked = union_all(
        select(objects.c.object_id.label('known_as')).where(objects.c.object_id.in_(_AMONG)),
        select(aliases.c.alias_id).where(aliases.c.alias_id.in_(_AMONG)),
    ).subquery('asked')
    said = table.alias('said')
    found = (
        select(said.c.visit_id)
        .select_from(schema.visits)
        .join(said, said.c.visit_id == schema.visits.c.visit_id)
        .where(said.c.object_id == asked.c.known_as, _UNTIL)
        # So the visits lead the search, and it ends at the first that speaks of the object.
        .order_by(stamp_ns.desc() if newest else stamp_ns.asc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(table)
        .select_from(asked)
        .join(table, and_(table.c.object_id == asked.c.known_as, table.c.visit_id == found))
    )


def _newest_turn() -> Select:
    """Return the query for the newest change up to `until` by which each of `ids` turned."""
    changes, visits = schema.changes, schema.visits
    # Not those of the kinds sought: an altered kind must not hide a row.
    others = [kind for kind in ChangeKind if kind not in TURNS]
    newest_first = func.row_number().over(
        partition_by=changes.c.object_id, order_by=visits.c.stamp_ns.desc()
    )
    ordered = (
        select(changes.c.change_id, newest_first.label('place'))
        .join(visits, visits.c.visit_id == changes.c.visit_id)
        .where(changes.c.object_id.in_(_AMONG), changes.c.kind.not_in(others), _UNTIL)
        .subquery('ordered')
    )
    return (
        select(changes)
        .join(ordered, ordered.c.change_id == changes.c.change_id)
        .where(ordered.c.place == 1)
    )


_NEWEST_STATE = _of_each(schema.states, newest=True)
_NEWEST_SEEN = _of_each(schema.observations, newest=True)
_OLDEST_SEEN = _of_each(schema.observations, newest=False)
_NEWEST_TURN = _newest_turn()
_STATES_BETWEEN = (
    select(schema.states)
    .select_from(schema.visits)
    .join(schema.states, schema.states.c.visit_id == schema.visits.c.visit_id)
    .where(
        schema.states.c.object_id.in_(_AMONG),
        schema.visits.c.stamp_ns > bindparam('after', type_=BigInteger),
        _UNTIL,
    )
    .order_by(schema.visits.c.stamp_ns, schema.states.c.object_id.desc())
)
