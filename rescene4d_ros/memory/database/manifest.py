"""What the folder of a memory says of its database: where it is, and how far it had come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
import hashlib
import json
import logging
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write, flush_folder
from rescene4d_ros.errors import ConfigError, MemoryDamagedError, MemoryFormatError, StorageError
from rescene4d_ros.memory.database.engine import file_of, refuse_foreign
from rescene4d_ros.memory.database.memory_metadata import Metadata
from rescene4d_ros.memory.visit_files import POINTS, refuse_link, VisitFiles
from sqlalchemy import make_url, URL
from sqlalchemy.exc import ArgumentError

log = logging.getLogger(__name__)

FILE_NAME = 'memory.sqlite3'
LOCATION = 'database.url'  # where the database is, unless in the folder
LEFT = 'database.left'  # names the database that a move leaves, until that is deleted
DRIVERS = {'postgresql': 'postgresql+psycopg', 'postgres': 'postgresql+psycopg'}
COUNTERS = ('revision', 'entry', 'next_visit_id', 'next_object_id')  # they only grow
LONGEST = 4096  # characters of a URL
STORED = 'stored.json'  # how far the database had come


def locate(folder: Path, url: str | None) -> URL:
    """
    Return where the database of a memory is.

    Parameters
    ----------
    folder : path
        Directory of the memory.
    url : str or None
        SQLAlchemy URL; None or empty = where the folder says, else SQLite inside the folder.

    Raises
    ------
    ConfigError
        Not a URL, a database for which one writer at a time cannot be ensured, or a server that
        only the folder names; see `refuse_foreign`.
    MemoryFormatError
        The folder holds a database of its own, or says that it is elsewhere.

    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f'{str(folder)!a}: expected a folder whose name is UTF-8, got other bytes; rename it'
        ) from None
    refuse_link(folder / FILE_NAME)
    remembered = _remembered(folder)
    if not url and not remembered:
        return inside(folder)
    parsed = parse(url or remembered)
    if not url:
        refuse_foreign(folder, parsed)
    # What a move left there does not count: the folder says which database does.
    if not remembered and parsed != inside(folder) and (folder / FILE_NAME).is_file():
        raise MemoryFormatError(
            f'{folder}: expected no database in the folder of a memory at {parsed}, found '
            f'{FILE_NAME}; leave the URL out, use another folder, or `rescene4d memory move`'
        )
    if remembered and parsed == inside(folder):
        raise MemoryFormatError(
            f'{folder}: expected the database that {LOCATION} names, got {FILE_NAME}; leave the '
            'URL out, or `rescene4d memory move`'
        )
    return parsed


def parse(url: str) -> URL:
    """
    Return the URL of a database that a memory may be in, the path of a file absolute.

    Raises
    ------
    ConfigError
        Not a URL, or a database for which one writer at a time cannot be ensured.

    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # what was given may hold a password
        raise ConfigError(
            'expected the URL of a database as postgresql://user@host/name, got '
            'something else; see docs/guide/memory.md'
        ) from error
    parsed = parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))
    kind = parsed.get_backend_name()
    if kind not in ('sqlite', 'postgresql') or (kind == 'sqlite' and not parsed.database):
        raise ConfigError(
            f'expected the URL of a PostgreSQL database or of an SQLite file, got '
            f'{parsed}; see docs/guide/memory.md'
        )
    return parsed.set(database=str(file_of(parsed).absolute())) if kind == 'sqlite' else parsed


def inside(folder: Path) -> URL:
    """Return the URL of the SQLite file in a folder."""
    return URL.create('sqlite', database=str((folder / FILE_NAME).absolute()))


def public(url: URL) -> str:
    """Return a URL without password."""
    return URL.create(
        url.drivername,
        url.username,
        None,
        url.host,
        url.port,
        url.database,
        {key: value for key, value in url.query.items() if key != 'password'},
    ).render_as_string()


def is_same(one: URL, other: URL) -> bool:
    """Return whether two URLs mean the same database, whoever asks for it."""
    if {one.get_backend_name(), other.get_backend_name()} == {'sqlite'}:
        return file_of(one).resolve() == file_of(other).resolve()
    return public(one.set(username=None)) == public(other.set(username=None))


def check_remembered(folder: Path, url: URL) -> None:
    """
    Refuse to write to another database than the one that a folder names.

    Raises
    ------
    MemoryFormatError
        It names another one.

    """
    remembered = _remembered(folder)
    if remembered and not is_same(parse(remembered), url):
        raise MemoryFormatError(
            f'{folder}: expected the database that {LOCATION} names, got {public(url)}; leave the '
            'URL out, or `rescene4d memory move`; where only its server has another name now, '
            f'change {LOCATION}'
        )


def _remembered(folder: Path) -> str:
    """Return what a folder says of its database; empty = it is inside."""
    if not is_remembered(folder):
        return ''
    return (folder / LOCATION).read_text(errors='replace')[:LONGEST].strip()


def is_remembered(folder: Path) -> bool:
    """Return whether a folder names a database elsewhere."""
    return (folder / LOCATION).is_file()


def remember_location(folder: Path, url: URL) -> None:
    """
    Write where the database is into the folder, without password; at once or not at all.

    Raises
    ------
    StorageError
        The disk refused.

    """
    text = public(url) + '\n'
    file = folder / LOCATION
    try:
        if url == inside(folder):
            if file.is_file():
                file.unlink()
                flush_folder(folder)
        elif not file.is_file() or file.read_text() != text:
            with atomic_write(file, durable=True) as draft:
                draft.write(text.encode())
    except OSError as error:
        raise StorageError(
            f'{file}: cannot write where the database is ({error.strerror}); free '
            'the disk or check the rights of the folder'
        ) from error


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


def note_stored(
    folder: Path, found: Metadata, entry: int, rows: Mapping[str, int], keys: Mapping[str, int]
) -> None:
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
    rows, keys : mapping of str to int
        How many rows each table has then, and the sum of their keys.

    """
    noted = {**asdict(found), 'entry': entry, 'rows': {**rows}, 'keys': {**keys}}
    text = json.dumps(noted, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    try:
        with atomic_write(folder / STORED) as file:
            file.write(f'{text}\n{digest}\n'.encode())
    except OSError as error:  # the transaction is stored; a later one writes it again
        log.warning('%s: not written (%s)', folder / STORED, error.strerror)


def read_stored(folder: Path) -> dict:
    """Return what `note_stored` wrote; empty where it is missing or damaged."""
    if not (folder / STORED).is_file():  # a pipe would be waited for without end
        return {}
    try:
        text, digest = (folder / STORED).read_text().splitlines()
    except (OSError, ValueError):
        return {}
    if hashlib.blake2b(text.encode(), digest_size=8).hexdigest() != digest:
        return {}
    try:
        stored = json.loads(text)
        tallies = stored.get('rows', {}), stored.get('keys', {})
        numbers = [*(stored[key] for key in COUNTERS), *(n for t in tallies for n in t.values())]
        good = isinstance(stored['map_id'], str) and all(type(n) is int for n in numbers)
        return stored if good else {}
    except (ValueError, KeyError, AttributeError, RecursionError):
        return {}


def missing_rows(
    stored: Mapping, entry: int, rows: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Return how many rows were stored and are found of tables that miss some, by table."""
    if stored.get('entry') != entry:  # each transaction adds an entry
        return {}
    return {
        table: (number, rows.get(table, 0))
        for table, number in stored.get('rows', {}).items()
        if rows.get(table, 0) < number
    }


def check_stored(
    folder: Path,
    stored: Mapping,
    found: Metadata,
    entry: int,
    rows: Mapping[str, int],
    keys: Mapping[str, int],
) -> None:
    """
    Refuse a database that holds less than it once confirmed to hold, or rows by other keys.

    Parameters
    ----------
    folder : path
        Of the memory.
    stored : mapping
        Of `read_stored`, read before the database.
    found : Metadata
    entry : int
        Number of the newest entry of the journal.
    rows, keys : mapping of str to int
        How many rows each table has, and the sum of their keys.

    Raises
    ------
    MemoryDamagedError
        The database lost transactions, its keys are altered, or it is another memory's.

    """
    if not stored:
        return
    if stored['map_id'] != found.map_id:
        raise MemoryDamagedError(
            f'{folder}: expected the database of map {stored["map_id"]!r}, found that of '
            f'{found.map_id!r}; it belongs to another folder'
        )
    present = {**asdict(found), 'entry': entry}
    behind = [
        f'{key} {stored[key]}, found {present[key]}'
        for key in COUNTERS
        if present[key] < stored[key]
    ]
    behind += [
        f'{number} rows of {table}, found {left}'
        for table, (number, left) in missing_rows(stored, entry, rows).items()
    ]
    if behind:
        raise MemoryDamagedError(
            f'{folder}: expected {"; ".join(behind)}: what was stored last is lost from the '
            'database (an older copy is in its place, or its log was damaged or deleted); restore '
            'a backup, or `rescene4d memory repair` to go on from what is left'
        )
    # Each transaction that changes keys adds an entry or rows.
    if stored.get('entry') == entry and stored.get('rows') == rows:
        altered = [name for name, total in stored.get('keys', {}).items() if total != keys[name]]
        if altered:
            raise MemoryDamagedError(
                f'{folder}: expected the keys of rows as they were stored, found others in '
                f'{", ".join(altered)}; the disk or another program damaged the database: restore '
                'a backup, or `rescene4d memory repair`'
            )


def forget_stored(folder: Path) -> None:
    """Let the database count as it is from now on; harmless when repeated."""
    (folder / STORED).unlink(missing_ok=True)
