"""Undo of corrections: by the rows of before, or later by what can still be separated."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
import json
import zlib

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database import row_access, schema
from rescene4d_ros.memory.database.row_encoding import as_stored, CHECKSUM, decoded, read_rows
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.editing.rebuild import rebuild_records
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import ChangeKind, ObjectState, VisitStatus
from rescene4d_ros.tracking.object_ids import join_merged, merge_events
from sqlalchemy import Connection, select

# What a merge or split cannot be taken back beyond row by row: the memory has built on it.
BUILT_UPON = (
    JournalAction.VISIT_PROCESSED,
    JournalAction.VISITS_REPROCESSED,
    JournalAction.VISIT_DELETED,
    JournalAction.VISIT_EXCLUDED,
    JournalAction.OBJECT_DELETED,
    JournalAction.POINTS_THINNED,
    JournalAction.MEMORY_REPAIRED,
)
# Every table that speaks of objects, and the column by which.
BY_OBJECT = (
    ('objects', 'object_id'),
    ('observations', 'object_id'),
    ('states', 'object_id'),
    ('changes', 'object_id'),
    ('aliases', 'alias_id'),
    ('notes', 'object_id'),
)


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
        There is none, or it is a merge or split and visits have been processed again since.

    """
    with memory.mutex:
        journal = memory.journal()
        correction = _latest(memory, journal)
        if correction is None:
            raise MemoryFormatError(
                f'{memory.path}: expected a correction to undo, found none; '
                'see `rescene4d memory journal`'
            )
        entry = correction['entry_id']
        with memory.database.reading() as connection:
            is_note = _is_note(connection, entry)
        final = [e for e in journal if e['entry_id'] > entry and _is_final(e)]
        if final and not is_note:
            return _undo_late(memory, correction, final)
        undone = JournalAction.CORRECTION_UNDONE
        with memory.database.correcting(undone, {'entry': entry}) as (connection, _):
            _restore(connection, entry)
        return correction['action']


def latest_correction(memory: SceneMemory) -> Mapping | None:
    """Return the entry of the journal that `undo` takes back next; None = there is none."""
    return _latest(memory, memory.journal())


def _latest(memory: SceneMemory, journal: Iterable[Mapping]) -> Mapping | None:
    """Return the latest correction among the entries of a journal."""
    with memory.database.reading() as connection:
        entry = connection.execute(
            select(schema.undo.c.entry_id).order_by(schema.undo.c.entry_id.desc())
        ).scalar()
    return next((e for e in journal if e['entry_id'] == entry), None)


def keep_rows(
    connection: Connection, entry: int, object_ids: Iterable[int], visit_ids: Iterable[int] = ()
) -> None:
    """Store all rows of some objects, and the labels of some visits, under a journal entry."""
    image = [
        (name, column, int(i), _rows(connection, name, column, i))
        for name, column in BY_OBJECT
        for i in object_ids
    ]
    image += [
        ('labels', 'visit_id', int(i), _rows(connection, 'labels', 'visit_id', i))
        for i in visit_ids
    ]
    _store(connection, entry, image)


def keep_notes(connection: Connection, entry: int, object_id: int) -> None:
    """Store only what people said of an object: no visit builds on that."""
    found = _rows(connection, 'notes', 'object_id', object_id)
    _store(connection, entry, [('notes', 'object_id', object_id, found)])


def join(memory: SceneMemory, connection: Connection, alias_id: int, object_id: int) -> None:
    """Make an id the alias of an older one."""
    visit = memory.visits(VisitStatus.DONE)[-1]
    names = memory.metadata.class_names
    changes = merge_events(visit, memory.records, {alias_id: object_id}, names)
    row_access.put_records(connection, [join_merged(memory.records, changes)[object_id]])
    row_access.drop_records(connection, [alias_id])
    row_access.add_aliases(connection, changes)
    row_access.insert_changes(connection, changes, memory.metadata.revision + 1)


def _undo_late(memory: SceneMemory, correction: Mapping, final: Sequence[Mapping]) -> str:
    """Take back a merge or a split that the memory has built on; return what was done."""
    action, detail, entry = (correction[key] for key in ('action', 'detail', 'entry_id'))
    rebuilt = [e['action'] for e in final if e['action'] != JournalAction.VISIT_PROCESSED]
    if rebuilt:
        raise MemoryFormatError(
            f'{memory.path}: {action.value!r} cannot be undone: {rebuilt[0].value!r} came after '
            'it, and the observations from before are no more; correct the objects as they are '
            'now: `rescene4d memory split` parts one, `merge` joins two'
        )
    if action == JournalAction.OBJECTS_MERGED:
        since = [e['visit_id'] for e in final]
        object_id = _part(memory, entry, detail['object'], since)
        return (
            f'{action}; {detail["object"]} has its earlier observations again, what visits '
            f'{", ".join(map(str, since))} showed stays with {object_id}'
        )
    object_id, alias_id = sorted(map(memory.known_id, (detail['object'], detail['new'])))
    undone = {'entry': entry, 'object': alias_id, 'into': object_id}
    with memory.database.correcting(JournalAction.CORRECTION_UNDONE, undone) as (connection, _):
        if alias_id != object_id:
            join(memory, connection, alias_id, object_id)
        _drop(connection, entry)
    return f'{action}; {detail["new"]} is an alias of {object_id} from now on'


def _part(memory: SceneMemory, entry: int, alias_id: int, since: Sequence[int]) -> int:
    """
    Make two objects of what was merged by hand, each with its own earlier observations.

    Visits since the merge saw one object. What they showed, and what they said had changed, stays
    with the older id, which is returned; of the other one they say that it was not observed.
    Nobody can tell from them which of the two they saw.
    """
    object_id = memory.known_id(alias_id)
    records = rebuild_records(memory, memory.visits(VisitStatus.DONE), apart=[alias_id])
    detail = {'entry': entry, 'object': alias_id, 'from': object_id, 'visits': list(since)}
    with memory.database.correcting(JournalAction.CORRECTION_UNDONE, detail) as (connection, _):
        changes, aliases = schema.changes.c, schema.aliases.c
        connection.execute(schema.aliases.delete().where(aliases.alias_id == alias_id))
        connection.execute(
            schema.changes.delete().where(
                changes.object_id == alias_id, changes.kind == ChangeKind.MERGED
            )
        )
        state = {'object_id': alias_id, 'state': ObjectState.NOT_OBSERVED}
        connection.execute(schema.states.insert(), [{'visit_id': i, **state} for i in since])
        row_access.put_records(connection, [records[object_id], records[alias_id]])
        _drop(connection, entry)
    return object_id


def _is_final(entry: Mapping) -> bool:
    """Return whether the memory has built on what was before; thinning by policy waits for it."""
    return entry['action'] in BUILT_UPON and not entry['detail'].get('policy')


def _is_note(connection: Connection, entry: int) -> bool:
    """Return whether the rows of a journal entry are only what people said, or none."""
    return {name for name, *_ in _image(connection, entry)} <= {'notes'}


def _restore(connection: Connection, entry: int) -> None:
    """Put the rows of a journal entry back in the place of what is there now, and drop them."""
    image = [
        (schema.tables.tables[name], column, value, found)
        for name, column, value, found in _image(connection, entry)
    ]
    # All deletions first: a row may bear another object's id now.
    for table, column, value, _ in image:
        connection.execute(table.delete().where(table.c[column] == value))
    for table, _, _, found in image:
        if found:  # rows of older versions have no checksum, so it is computed
            rows = [
                decoded(table, {k: v for k, v in row.items() if k != CHECKSUM}) for row in found
            ]
            connection.execute(table.insert(), rows)
    _drop(connection, entry)


def _drop(connection: Connection, entry: int) -> None:
    """Drop the rows of a journal entry."""
    connection.execute(schema.undo.delete().where(schema.undo.c.entry_id == entry))


def _store(connection: Connection, entry: int, image: list) -> None:
    """Store rows, packed, under a journal entry."""
    packed = zlib.compress(json.dumps(image, default=_as_text).encode())
    connection.execute(schema.undo.insert().values(entry_id=entry, before=packed))


def _image(connection: Connection, entry: int) -> list:
    """Return (table, column, value, rows) of a journal entry."""
    query = select(schema.undo).where(schema.undo.c.entry_id == entry)
    packed = read_rows(connection, schema.undo, query)[0].before
    return json.loads(zlib.decompress(packed), object_hook=_as_bytes)


def _rows(connection: Connection, name: str, column: str, value: int) -> list[dict]:
    """Return the rows of a table with one value, as the database holds them."""
    table = as_stored(schema.tables.tables[name])
    found = connection.execute(select(table).where(table.c[column] == value))
    return [dict(row._mapping) for row in found]


def _as_text(data: bytes) -> dict[str, str]:
    """Return bytes as JSON can hold them."""
    return {'base64': base64.b64encode(data).decode()}


def _as_bytes(value: dict):
    """Return the bytes of `_as_text`, and any other mapping as it is."""
    return base64.b64decode(value['base64']) if value.keys() == {'base64'} else value
