"""What can still be read of a damaged database: every row that is as it was stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
import shutil
import sqlite3
from tempfile import TemporaryDirectory
from typing import Any

from rescene4d_ros.errors import RescenError
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.engine import LOG, REFERENCES
from rescene4d_ros.memory.database.row_encoding import as_stored, CHECKSUM, decoded, is_intact
from sqlalchemy import Connection, inspect, select, Table

FILES = ('', LOG)  # of an SQLite database; the index of the log is not needed


@dataclass
class Salvage:
    """
    Hold what is left of a database.

    Attributes
    ----------
    rows : dict of table name to list of dict
        Intact rows, decoded.
    lost : dict of table name to list of dict
        Damaged rows as the database holds them; any value may be wrong.
    notes : list of str
        What could not be read at all, for people.
    is_older : bool
        Whether the tables are of a schema without checksums.

    """

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in schema.tables.tables}
    )
    lost: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in schema.tables.tables}
    )
    notes: list[str] = field(default_factory=list)
    is_older: bool = False
    _keys: set[tuple] = field(default_factory=set)

    def take(self, table: Table, row: dict[str, Any]) -> None:
        """Sort one row of a table, as the database holds it."""
        try:
            values = decoded(table, row)
        except RescenError:
            self.lost[table.name].append(row)
            return
        key = table.name, *(values[column.name] for column in table.primary_key)
        if not is_intact(table, values) or key in self._keys:  # twice, where pages are mixed up
            self.lost[table.name].append(row)
            return
        self._keys.add(key)
        self.rows[table.name].append(values)


def salvage_file(database: Path) -> Salvage:
    """Read an SQLite file, of which any byte may be wrong; the file stays as it is."""
    found = Salvage()
    if not database.is_file():
        found.notes.append(f'{database.name} is missing')
        return found
    with TemporaryDirectory(prefix='rescene4d_') as folder:
        copy = Path(folder) / database.name
        for end in FILES:
            part = database.with_name(database.name + end)
            if part.is_file():
                shutil.copyfile(part, copy.with_name(copy.name + end))
        connection = sqlite3.connect(copy)
        connection.text_factory = lambda data: data.decode(errors='surrogateescape')
        try:
            faults = [row[0] for row in connection.execute('PRAGMA integrity_check')]
            found.notes += [f'{database.name}: {line}' for line in faults if line != 'ok']
            lost = {(row[0], row[2]) for row in connection.execute(REFERENCES)}
            found.notes += [f'rows of {one} belong to none of {other}' for one, other in lost]
        except sqlite3.Error as error:
            found.notes.append(f'{database.name}: {error}')
        found.is_older = _is_older(connection)
        found.notes += _objects_of_others(connection)
        for table in schema.tables.sorted_tables:
            for row in _rows_of_file(connection, table, found):
                found.take(table, row)
        connection.close()
    return found


def salvage_server(connection: Connection) -> Salvage:
    """Read the tables of a server, which answers for its pages; rows may have been altered."""
    found = Salvage()
    tables = inspect(connection)
    present = {name for name in found.rows if tables.has_table(name)}
    if 'meta' in present:
        columns = {column['name'] for column in tables.get_columns('meta')}
        found.is_older = CHECKSUM not in columns
    if found.is_older:
        return found
    for table in schema.tables.sorted_tables:
        if table.name not in present:
            found.notes.append(f'table {table.name} is missing')
            continue
        for row in connection.execute(select(as_stored(table))).all():
            found.take(table, dict(row._mapping))
    return found


def _objects_of_others(connection: sqlite3.Connection) -> list[str]:
    """Say which views and triggers the database has: it would do things by itself."""
    try:
        kinds = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
        return [f'the {kind} {name[:40]!r} is dropped' for kind, name in connection.execute(kinds)]
    except sqlite3.Error:
        return []


def _is_table(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether there is a table of a name, and no view, which may have rows without end."""
    try:
        query = 'SELECT type FROM sqlite_master WHERE name = ?'
        return connection.execute(query, (name,)).fetchall() == [('table',)]
    except sqlite3.Error:
        return True  # what is left of it is tried


def _is_older(connection: sqlite3.Connection) -> bool:
    """Return whether the table `meta` is there and has no checksums."""
    try:
        columns = [row[1] for row in connection.execute('PRAGMA table_info(meta)')]
    except sqlite3.Error:
        return False
    return bool(columns) and CHECKSUM not in columns


def _rows_of_file(
    connection: sqlite3.Connection, table: Table, found: Salvage
) -> Iterator[dict[str, Any]]:
    """Give the rows of a table, from both ends where what is between them cannot be read."""
    names = [column.name for column in table.columns]
    quoted = ', '.join(f'"{name}"' for name in names)
    seen = set()
    if not _is_table(connection, table.name):
        found.notes.append(f'table {table.name}: no such table: {table.name}')
        return
    for order in ('', ' ORDER BY rowid DESC'):
        try:
            # NOT INDEXED: an index that is damaged must not choose the rows.
            query = f'SELECT rowid, {quoted} FROM "{table.name}" NOT INDEXED{order}'
            for rowid, *values in connection.execute(query):
                if rowid not in seen:
                    seen.add(rowid)
                    yield dict(zip(names, values))
            return
        except sqlite3.Error as error:
            note = f'table {table.name}: {error}'
            if note not in found.notes:
                found.notes.append(note)
