"""Rows of some objects as they were before a correction, to bring them back."""

from __future__ import annotations

import base64
from collections.abc import Iterable
import json
import zlib

from rescene4d_ros.memory.database import schema
from sqlalchemy import Connection, select

# Every table that speaks of objects, and the column by which.
BY_OBJECT = (
    ('objects', 'object_id'),
    ('observations', 'object_id'),
    ('states', 'object_id'),
    ('changes', 'object_id'),
    ('aliases', 'alias_id'),
    ('notes', 'object_id'),
)


def keep(
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


def is_note(connection: Connection, entry: int) -> bool:
    """Return whether the rows of a journal entry are only what people said."""
    return {name for name, *_ in _image(connection, entry)} == {'notes'}


def restore(connection: Connection, entry: int) -> None:
    """Put the rows of a journal entry back in the place of what is there now, and drop them."""
    image = [
        (schema.tables.tables[name], column, value, found)
        for name, column, value, found in _image(connection, entry)
    ]
    # All deletions first: a row may bear another object's id now.
    for table, column, value, _ in image:
        connection.execute(table.delete().where(table.c[column] == value))
    for table, _, _, found in image:
        if found:
            connection.execute(table.insert(), found)
    drop(connection, entry)


def drop(connection: Connection, entry: int) -> None:
    """Drop the rows of a journal entry, which is taken back in another way."""
    connection.execute(schema.undo.delete().where(schema.undo.c.entry_id == entry))


def _store(connection: Connection, entry: int, image: list) -> None:
    """Store rows, packed, under a journal entry."""
    packed = zlib.compress(json.dumps(image, default=_as_text).encode())
    connection.execute(schema.undo.insert().values(entry_id=entry, before=packed))


def _image(connection: Connection, entry: int) -> list:
    """Return (table, column, value, rows) of a journal entry."""
    packed = connection.execute(
        select(schema.undo.c.before).where(schema.undo.c.entry_id == entry)
    ).scalar()
    return json.loads(zlib.decompress(packed), object_hook=_as_bytes)


def _rows(connection: Connection, name: str, column: str, value: int) -> list[dict]:
    """Return the rows of a table with one value."""
    table = schema.tables.tables[name]
    found = connection.execute(select(table).where(table.c[column] == value))
    return [dict(row._mapping) for row in found]


def _as_text(data: bytes) -> dict[str, str]:
    """Return bytes as JSON can hold them."""
    return {'base64': base64.b64encode(data).decode()}


def _as_bytes(value: dict):
    """Return the bytes of `_as_text`, and any other mapping as it is."""
    return base64.b64decode(value['base64']) if value.keys() == {'base64'} else value
