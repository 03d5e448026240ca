"""Whether a database is whole: its structure, and how far it had come as its folder remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
import hashlib
import json
import logging
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.errors import MemoryDamagedError, MemoryFormatError
from rescene4d_ros.memory.database.database_url import is_remembered, public
from rescene4d_ros.memory.database.metadata import Metadata
from rescene4d_ros.memory.visit_files import POINTS, VisitFiles
from sqlalchemy import Connection, text, URL

log = logging.getLogger(__name__)

STORED = 'stored.json'  # in the folder of a memory: how far its database had come


def is_missing(where: URL) -> bool:
    """Return whether a database is a file that is not there."""
    return where.get_backend_name() == 'sqlite' and not Path(where.database).is_file()


def refuse_to_create(path: Path, where: URL, create: bool) -> None:
    """Raise where a database without tables is not one for a new memory."""
    refuse_lost(path, where)
    if not create:
        raise MemoryFormatError(f'{path}: expected a scene memory, found none; check the path')


def refuse_lost(path: Path, where: URL) -> None:
    """Raise where a folder shows that it had a database: a new one would give ids twice."""
    points = len(VisitFiles(path / POINTS).names())
    if not (points or is_remembered(path) or read_stored(path)):
        return
    raise MemoryDamagedError(
        f'{path}: expected the database of this memory at {public(where)}, found none, but '
        f'{points} files of points; restore the database from a backup, `rescene4d memory repair` '
        'to rebuild it from the points, or use another folder for a new memory'
    )


def structure_faults(connection: Connection) -> tuple[str, ...]:
    """Return where tables and indexes of SQLite disagree; a server checks its own pages."""
    if connection.dialect.name != 'sqlite':
        return ()
    found = connection.execute(text('PRAGMA integrity_check')).scalars()
    return tuple(f'database: {line}' for line in found if line != 'ok')


def check_structure(path: Path, connection: Connection) -> None:
    """Raise where the database is damaged in a way that hides rows."""
    faults = structure_faults(connection)
    if faults:
        raise MemoryDamagedError(
            f'{path}: expected a database that is whole, found {len(faults)} faults '
            f'({faults[0]}); restore a backup, or `rescene4d memory repair`'
        )


def note_stored(folder: Path, found: Metadata, entry: int) -> None:
    """
    Write into the folder how far the database has come, for `check_stored`.

    Parameters
    ----------
    folder : path
        Of the memory.
    found : Metadata
        After a transaction.
    entry : int
        Number of the newest entry of the journal.

    """
    text = json.dumps({**asdict(found), 'entry': entry}, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    try:
        with atomic_write(folder / STORED) as file:
            file.write(f'{text}\n{digest}\n'.encode())
    except OSError as error:  # the transaction is stored; a later one writes it again
        log.warning('%s: not written (%s)', folder / STORED, error.strerror)


def read_stored(folder: Path) -> dict:
    """Return what `note_stored` wrote; empty where it is missing or damaged."""
    try:
        text, digest = (folder / STORED).read_text().splitlines()
    except (OSError, ValueError):
        return {}
    if hashlib.blake2b(text.encode(), digest_size=8).hexdigest() != digest:
        return {}
    return json.loads(text)


def check_stored(folder: Path, stored: Mapping, found: Metadata, entry: int) -> None:
    """
    Refuse a database that holds less than it once confirmed to hold.

    Parameters
    ----------
    folder : path
        Of the memory.
    stored : mapping
        Of `read_stored`, read before the database.
    found : Metadata
    entry : int
        Number of the newest entry of the journal.

    Raises
    ------
    MemoryDamagedError
        The database lost transactions, or is another memory's.

    """
    if not stored:
        return
    if stored['map_id'] != found.map_id:
        raise MemoryDamagedError(
            f'{folder}: expected the database of map {stored["map_id"]!r}, found that of '
            f'{found.map_id!r}; it belongs to another folder'
        )
    present = {**asdict(found), 'entry': entry}
    keys = ('revision', 'entry', 'next_visit_id', 'next_object_id')
    behind = [
        f'{key} {stored[key]}, found {present[key]}' for key in keys if present[key] < stored[key]
    ]
    if behind:
        raise MemoryDamagedError(
            f'{folder}: expected {"; ".join(behind)}: what was stored last is lost from the '
            'database (an older copy is in its place, or its log was damaged or deleted); restore '
            'a backup, or `rescene4d memory repair` to go on from what is left'
        )


def forget_stored(folder: Path) -> None:
    """Let the database count as it is from now on; harmless when repeated."""
    (folder / STORED).unlink(missing_ok=True)
