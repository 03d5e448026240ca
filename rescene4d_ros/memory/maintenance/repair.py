"""
A damaged memory made whole: intact rows are kept, the rest is rebuilt from points and journal.

What cannot be rebuilt without the segmenter waits to be processed again. The database of before
is kept beside the memory until a person deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shutil

from rescene4d_ros.errors import ConfigError, MemoryFormatError, RescenError, StorageError
from rescene4d_ros.memory.database import manifest, row_access, schema
from rescene4d_ros.memory.database.engine import file_of, INDEX, LOG, make_engine, translated
from rescene4d_ros.memory.database.manifest import locate
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.database.write_lock import WriteLock
from rescene4d_ros.memory.editing.rebuild import rebuild_records
from rescene4d_ros.memory.maintenance.consistent_rows import consistent_rows, Rows
from rescene4d_ros.memory.maintenance.salvage import Salvage, salvage_file, salvage_server
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.visit_files import POINTS, VisitFiles
from rescene4d_ros.structures import VisitStatus
from sqlalchemy import Connection, Engine

ASIDE = 'damaged'  # how the names of folders begin that keep what was damaged


def repair(path: Path | str, url: str | None = None) -> tuple[str, ...]:
    """
    Make a memory whole again.

    Rows that are as they were stored are kept. Lost rows of visits are restored from their files,
    lost objects from the visits, lost aliases from the changes. A visit of which facts are lost
    waits to be processed again: it is PENDING, or LATE where later ones are processed. Files of
    no visit are removed, unless the database lost visits: then they are these. Numbers that may
    have been given are not given again.

    Parameters
    ----------
    path : path
        Folder of the memory; nobody may have it open.
    url : str, optional
        Of its database, where it needs a password or is a file outside of the folder.

    Returns
    -------
    tuple of str
        What was done, for people; empty where all was well.

    Raises
    ------
    ConfigError
        The database is a file outside of the folder, which only the folder names: it would be
        replaced.
    MemoryLockedError
        Somebody has it open.
    MemoryFormatError
        There is no memory, or nothing tells its map and classes.
    StorageError
        The disk refuses; the memory is as before.

    """
    path = Path(path)
    where = locate(path, url)
    is_file = where.get_backend_name() == 'sqlite'
    if is_file and not url and where != manifest.inside(path):
        raise ConfigError(
            f'{path}: expected the URL of the database to repair, which lies outside of this '
            f'folder, at {str(where.database)[:300]!r}; if it is yours, give it (--url)'
        )
    has_database = not is_file or file_of(where).is_file()
    if not (has_database or VisitFiles(path / POINTS).names() or manifest.read_stored(path)):
        raise MemoryFormatError(
            f'{path}: expected the folder of a memory, found none; check the path'
        )
    engine = make_engine(where)
    with _locked(path, engine) as lock:
        if is_file:
            found = salvage_file(file_of(where))
        else:
            with translated(path), lock.transaction() as connection:
                found = salvage_server(connection)
        _refuse_other_schema(path, found)
        done, rows = consistent_rows(path, found)
        if done:
            with translated(path):
                if is_file:
                    _replace_file(path, file_of(where), rows)
                else:
                    with lock.transaction() as connection:
                        _fill(connection, rows)
            manifest.forget_stored(path)
    with SceneMemory.edit(path, url) as memory:
        return (*done, *_finish(memory, done))


@contextmanager
def _locked(path: Path, engine: Engine) -> Iterator[WriteLock]:
    """Give the right to write a memory, whatever its database says."""
    lock = WriteLock(path, engine)
    try:
        yield lock
    finally:
        engine.dispose()
        lock.release()


def _refuse_other_schema(path: Path, found: Salvage) -> None:
    """Raise where rows are those of another version, whose checksums are other ones."""
    versions = {row['value'] for row in found.rows['meta'] if row['key'] == 'schema'}
    versions |= {manifest.read_stored(path).get('schema', schema.VERSION)} - {None}
    if found.is_older or versions - {schema.VERSION}:
        raise MemoryFormatError(
            f'{path}: expected a memory of schema {schema.VERSION}, found '
            f'{"an older one" if found.is_older else max(versions)}; `rescene4d memory upgrade` '
            'an older one first, update rescene4d_ros for a newer one'
        )


def _fill(connection: Connection, rows: dict[str, Rows]) -> None:
    """Write rows in the place of all that are there."""
    schema.tables.create_all(connection)
    for table in reversed(schema.tables.sorted_tables):
        connection.execute(table.delete())
    for table in schema.tables.sorted_tables:
        if rows[table.name]:
            names = [column.name for column in table.columns if column.name != 'checksum']
            connection.execute(
                table.insert(), [{name: row[name] for name in names} for row in rows[table.name]]
            )


def _replace_file(path: Path, database: Path, rows: dict[str, Rows]) -> None:
    """Write a new SQLite file, set the damaged one aside, and take its place."""
    new = database.with_name(database.name + '.new')
    engine = make_engine(locate(path, None).set(database=str(new)))
    try:
        for end in ('', LOG, INDEX):
            new.with_name(new.name + end).unlink(missing_ok=True)
        with engine.begin() as connection:
            _fill(connection, rows)
        engine.dispose()  # its log goes into the file
        number = 1
        while (aside := path / f'{ASIDE}-{number}').exists():
            number += 1
        aside.mkdir()
        for end in ('', LOG, INDEX):
            part = database.with_name(database.name + end)
            if part.is_file():
                shutil.copy2(part, aside / part.name)
        for end in (LOG, INDEX):
            database.with_name(database.name + end).unlink(missing_ok=True)
        os.replace(new, database)
    except OSError as error:
        raise StorageError(
            f'{path}: cannot write the repaired database ({error.strerror}); free the disk or '
            'check the rights of the folder, then repair again'
        ) from error
    finally:
        engine.dispose()


def _finish(memory: SceneMemory, done: list[str]) -> list[str]:
    """Rebuild lost objects, remove files of no visit, and write the journal."""
    named = {i for i, past in memory.past.items() if past} - set(memory.aliases())
    lost, strangers = named - set(memory.records), set(memory.records) - named
    rebuilt, more = {}, []
    if lost:
        records = rebuild_records(memory, memory.visits(VisitStatus.DONE))
        rebuilt = {i: records[i] for i in sorted(lost) if i in records}
        more.append(f'objects {sorted(rebuilt)} are rebuilt from their visits')
    if strangers:
        more.append(f'objects {sorted(strangers)} were known from lost facts only, and are gone')
    for name in sorted(memory.stray_files()):
        more.append(_clear(memory, name, is_damaged=bool(done)))
    if done or more:
        action, detail = JournalAction.MEMORY_REPAIRED, {'done': [*done, *more]}
        with memory.database.correcting(action, detail) as (connection, _):
            row_access.put_records(connection, rebuilt.values())
            row_access.drop_records(connection, strangers)
    return more


def _clear(memory: SceneMemory, name: str, is_damaged: bool) -> str:
    """Remove a file of no visit; keep it aside where it may be all that is left of one."""
    try:
        memory.files.read(name)
    except RescenError:
        if is_damaged:
            aside = memory.path / f'{ASIDE}-points'
            aside.mkdir(exist_ok=True)
            os.replace(memory.path / POINTS / name, aside / name)
            return f'{name}: damaged, and of no visit; it is kept in {aside.name}'
    memory.files.remove(name)
    return f'{name}: a file of no stored visit is removed'
