"""Copies of a memory that may be in use: a folder that is a memory itself, with an SQLite file."""

from __future__ import annotations

from contextlib import closing
import os
from pathlib import Path
import shutil
import sqlite3

from rescene4d_ros.atomic_write import flush_folder
from rescene4d_ros.errors import MemoryFormatError, RescenError, StorageError
from rescene4d_ros.memory.database import manifest, memory_metadata, row_access
from rescene4d_ros.memory.database.engine import file_of, make_engine, translated
from rescene4d_ros.memory.database.manifest import inside
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.maintenance.relocate import copy_rows, move
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.visit_files import POINTS
from rescene4d_ros.memory.zones import FILE as ZONES

DRAFT = '.part'  # how the name of a folder ends that is not complete


def back_up(path: Path | str, out: Path | str, url: str | None = None) -> tuple[str, ...]:
    """
    Copy a memory, also while a node writes to it.

    The database is copied as of one moment, from SQLite by its backup, from a server row by row
    in one transaction; then the points that it names.

    Parameters
    ----------
    path : path
        Folder of the memory.
    out : path
        New folder; appears when it is complete.
    url : str, optional
        Of its database, where it needs a password.

    Returns
    -------
    tuple of str
        What is wrong with the memory, and so with the copy; empty where all is well.

    Raises
    ------
    MemoryFormatError
        There is no memory, it is damaged, or `out` is there already.
    StorageError
        The disk refuses, or points were thinned or deleted meanwhile; nothing is at `out`.

    """
    out = Path(out)
    draft = _new_folder(out)
    try:
        with SceneMemory.inspect(path, url) as memory:
            _copy_database(memory, draft)
            return _copy_points(memory, draft, out)
    except OSError as error:
        raise StorageError(
            f'{out}: cannot write the copy ({error.strerror}); free the disk or choose another'
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def restore(backup: Path | str, path: Path | str, url: str | None = None) -> None:
    """
    Make a memory of a copy.

    Parameters
    ----------
    backup : path
        Folder that `back_up` made; stays as it is.
    path : path
        New folder of the memory; one that is damaged is moved away first, by a person.
    url : str, optional
        Database for it; default is SQLite in the folder.

    Raises
    ------
    MemoryFormatError
        The copy is damaged, or `path` is there already.
    StorageError
        The disk refuses.

    """
    path = Path(path)
    draft = _new_folder(path)
    try:
        with SceneMemory.inspect(backup) as memory:
            faults = find_faults(memory)
            if faults:
                raise MemoryFormatError(
                    f'{backup}: expected a copy that is whole, found {"; ".join(faults[:3])}; use '
                    'another one, or `rescene4d memory repair` a copy of it'
                )
            _copy_database(memory, draft)
            _copy_points(memory, draft, path)
    except OSError as error:
        raise StorageError(
            f'{path}: cannot write the memory ({error.strerror}); free the disk or choose another'
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if url:
        move(path, url)


def _new_folder(out: Path) -> Path:
    """Make a folder beside a new one, to be given its name when it is complete."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MemoryFormatError(
            f'{out}: expected a folder that is not there yet, found one; choose another, or move '
            'it away'
        )
    draft = out.with_name(f'{out.name}.{os.getpid()}{DRAFT}')
    try:
        shutil.rmtree(draft, ignore_errors=True)
        (draft / POINTS).mkdir(parents=True)
    except OSError as error:
        raise StorageError(
            f'{out}: cannot make the folder ({error.strerror}); choose one that may be written'
        ) from error
    return draft


def _copy_database(memory: SceneMemory, folder: Path) -> None:
    """Write the rows of a memory into an SQLite file in a folder."""
    target = inside(folder)
    if memory.database.url.get_backend_name() == 'sqlite':
        with (
            memory.database.reading() as connection,
            closing(sqlite3.connect(file_of(target))) as copy,
        ):
            source = connection.connection.driver_connection
            if source is None:
                raise StorageError(f'{memory.path}: expected an open database; open it again')
            try:
                source.backup(copy)
            except sqlite3.Error as error:
                raise StorageError(
                    f'{folder}: cannot write the copy ({error}); free the disk or choose another'
                ) from error
    else:
        engine = make_engine(target)
        with memory.database.reading() as rows, translated(folder), engine.begin() as into:
            copy_rows(rows, into)
        engine.dispose()
    engine = make_engine(target)
    with translated(folder), engine.connect() as connection:
        found = memory_metadata.load(connection, str(folder))
        entry, tally = row_access.newest_entry(connection), row_access.tally(connection)
        manifest.note_stored(folder, found, entry, *tally)
    engine.dispose()


def _copy_points(memory: SceneMemory, draft: Path, out: Path) -> tuple[str, ...]:
    """Copy zones and the points that a copied database names, then give the folder its name."""
    faults = []
    if (memory.path / ZONES).is_file():
        shutil.copyfile(memory.path / ZONES, draft / ZONES)
    with SceneMemory.inspect(draft) as copy:
        for visit_id, name in copy.keys().items():
            try:
                copy.files.copy(memory.files, name)
            except RescenError as error:
                faults.append(f'visit {visit_id}: {error}')
    if out.is_dir():
        out.rmdir()
    os.replace(draft, out)
    flush_folder(out.absolute().parent)
    return tuple(faults)
