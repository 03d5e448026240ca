"""
A memory taken to another database: copied whole, compared, and only then switched over.

The folder says which database counts, in a file that is replaced at once. Killed at any moment,
the memory is in the old or in the new one; the next call finishes what was begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import hashlib
import json
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write, flush_folder
from rescene4d_ros.errors import MemoryFormatError, StorageError
from rescene4d_ros.memory.database import memory_metadata, schema
from rescene4d_ros.memory.database.engine import file_of, INDEX, LOG, make_engine, translated
from rescene4d_ros.memory.database.manifest import (
    inside,
    is_same,
    LEFT,
    parse,
    public,
    remember_location,
)
from rescene4d_ros.memory.database.memory_database import MemoryDatabase
from rescene4d_ros.memory.database.row_encoding import as_stored
from rescene4d_ros.memory.database.write_lock import WriteLock
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.store import SceneMemory
from sqlalchemy import Connection, inspect, select, URL

HOME = 'sqlite'  # stands for the SQLite file inside the folder
ROWS_AT_ONCE = 100  # of a table; those of `objects` have up to 72 kB

Contents = Mapping[str, tuple[int, str]]


def move(
    path: Path | str,
    to: str,
    url: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """
    Take a memory to another database; its points stay in the folder.

    All tables are written in one transaction of the new database, read back from there and
    compared, row by row; the memory is checked there as `rescene4d memory check` does. Then the
    folder names the new database, and the tables or the file of the old one are deleted. Nobody
    may have the memory open; restart programs that read it.

    Parameters
    ----------
    path : path
        Directory of the memory.
    to : str
        URL of the new database, as for `SceneMemory.open`; 'sqlite' = the file in the folder.
    url : str, optional
        Of the present database, where it needs a password.
    progress : callable, optional
        Called with (rows copied, rows in all).

    Returns
    -------
    str
        Where the memory is now, without password. Moved to where it is already, nothing happens.

    Raises
    ------
    ConfigError
        No such URL can be used.
    MemoryLockedError
        Another lock has the memory, or the new database.
    MemoryFormatError
        The new database holds another memory or other tables of these names, the copy is not
        what it should be, or the memory is damaged; all is as before.
    StorageError
        A disk or server refuses; all is as before.

    """
    path = Path(path)
    where = inside(path) if to == HOME else parse(to)
    with SceneMemory.edit(path, url) as memory:
        _finish(memory, url)
        is_there = is_same(memory.database.url, where)
        if not is_there:
            _copy(memory, where, progress)
            _switch(memory, where)
    if not is_there:
        with SceneMemory.edit(path, None if to == HOME else to) as memory:
            _finish(memory, url)
    return public(where)


def _copy(memory: SceneMemory, where: URL, progress: Callable[[int, int], None] | None) -> None:
    """Write everything to another database, unless a killed call has; raise where it differs."""
    engine = make_engine(where)
    lock = None
    try:
        for name in memory.stray_files():  # of a call that was killed; no facts name them
            memory.files.remove(name)
        lock = WriteLock(memory.path, engine, has_folder=True)
        with (
            memory.database.reading() as source,
            translated(memory.path),
            lock.transaction() as target,
        ):
            contents = _contents(source)
            if not _holds_copy(target, contents, where):
                copy_rows(source, target, sum(rows for rows, _ in contents.values()), progress)
                if _contents(target) != contents:
                    raise MemoryFormatError(
                        f'{memory.path}: expected the same rows in {public(where)} as here, read '
                        'others back; nothing was moved, check that database'
                    )
        faults = find_faults(SceneMemory(memory.path, MemoryDatabase(memory.path, engine, None)))
        if faults:
            with translated(memory.path), lock.transaction() as target:
                schema.tables.drop_all(target)
            raise MemoryFormatError(
                f'{memory.path}: expected a memory that is whole, found: {"; ".join(faults[:3])}; '
                'nothing was moved, restore what is damaged or delete the visit'
            )
    finally:
        engine.dispose()
        if lock is not None:
            lock.release()


def copy_rows(
    source: Connection,
    target: Connection,
    n_rows: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the tables and fill them, those first that others refer to."""
    schema.tables.create_all(target)
    done = 0
    for table in schema.tables.sorted_tables:
        stored = as_stored(table)
        found = source.execute(select(stored), execution_options={'yield_per': ROWS_AT_ONCE})
        for rows in found.mappings().partitions():
            target.execute(stored.insert(), [dict(row) for row in rows])
            done += len(rows)
            if progress is not None:
                progress(done, n_rows)


def _contents(connection: Connection) -> Contents:
    """Return the number of rows of every table, and a hash that knows no order of them."""
    contents = {}
    for table in schema.tables.sorted_tables:
        rows = total = 0
        for row in connection.execute(
            select(as_stored(table)), execution_options={'yield_per': ROWS_AT_ONCE}
        ):
            digest = hashlib.blake2b(repr(tuple(row)).encode(), digest_size=32).digest()
            rows, total = rows + 1, (total + int.from_bytes(digest)) % 2**256
        contents[table.name] = rows, f'{total:064x}'
    return contents


def _holds_copy(connection: Connection, contents: Contents, where: URL) -> bool:
    """Return whether a killed call has written everything; raise where others have."""
    present = set(inspect(connection).get_table_names()) & set(schema.tables.tables)
    if not present:
        return False
    if (
        present == set(schema.tables.tables)
        and memory_metadata.exists(connection)
        and memory_metadata.version(connection, public(where)) == schema.VERSION
        and _contents(connection) == contents
    ):
        return True
    raise MemoryFormatError(
        f'{public(where)}: expected a database without a memory, found the tables '
        f'{", ".join(sorted(present))}; choose another database or schema, or drop these'
    )


def _switch(memory: SceneMemory, where: URL) -> None:
    """Let the folder name the new database, and keep in mind which one is to go."""
    left = {'url': public(memory.database.url), 'revision': memory.metadata.revision}
    try:
        with atomic_write(memory.path / LEFT, durable=True) as file:
            file.write(json.dumps(left).encode())
    except OSError as error:
        raise StorageError(
            f'{memory.path / LEFT}: cannot write it ({error.strerror}); free the '
            'disk or check the rights of the folder; nothing was moved'
        ) from error
    remember_location(memory.path, where)


def _finish(memory: SceneMemory, url: str | None) -> None:
    """
    Delete what a move leaves behind, once the memory is elsewhere; harmless when repeated.

    What the folder remembers of the old database has no password; `url` may have.

    """
    note = memory.path / LEFT
    if not note.is_file():
        return
    left = json.loads(note.read_text())
    where = parse(left['url'])
    if url and is_same(parse(url), where):
        where = parse(url)
    try:
        if not is_same(where, memory.database.url):
            _delete(memory, where, left['revision'])
        note.unlink()
        flush_folder(memory.path)
    except OSError as error:
        raise StorageError(
            f'{memory.path}: the memory is at {public(memory.database.url)}, but what it left at '
            f'{public(where)} cannot be deleted ({error.strerror}); check the rights, then move '
            'it there again'
        ) from error


def _delete(memory: SceneMemory, where: URL, revision: int) -> None:
    """Delete the tables or the file that a move left, unless somebody went on with them."""
    is_file = where.get_backend_name() == 'sqlite'
    if is_file and not file_of(where).is_file():
        return
    engine = make_engine(where)
    lock = None
    try:
        lock = WriteLock(memory.path, engine, has_folder=True)
        with translated(memory.path), lock.transaction() as connection:
            if memory_metadata.exists(connection):
                found = memory_metadata.load(connection, public(where)).revision
                if found != revision:
                    raise MemoryFormatError(
                        f'{public(where)}: expected revision {revision} as it was when the memory '
                        f'was moved from there, found {found}; compare the two and delete one, '
                        f'then {memory.path / LEFT}'
                    )
                if not is_file:
                    schema.tables.drop_all(connection)
        engine.dispose()
        if is_file:
            # The file last: as long as it is there, the log of the database belongs to it.
            file = file_of(where)
            for end in (LOG, INDEX, ''):
                file.with_name(file.name + end).unlink(missing_ok=True)
            flush_folder(file.parent)
    finally:
        engine.dispose()
        if lock is not None:
            lock.release()
