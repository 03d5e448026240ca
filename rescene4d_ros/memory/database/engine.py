"""
The database engine: trusted servers, commits that survive a power cut, errors with remedies.

The folder of a memory may come from somebody else, and a server that it names would get the
user's password. So only servers of this machine and those that the user names are connected to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
import ipaddress
import logging
import os
from pathlib import Path
import shutil
import sqlite3
from tempfile import TemporaryDirectory

from rescene4d_ros.errors import ConfigError, MemoryDamagedError, MemoryFormatError, StorageError
from sqlalchemy import Connection, create_engine, Engine, event, text, URL
from sqlalchemy.exc import DatabaseError, OperationalError

logger = logging.getLogger(__name__)

TRUSTED = 'RESCENE4D_DATABASE_HOSTS'  # variable: names of hosts, separated by commas
BUSY_TIMEOUT_S = 30.0
WRITES = 'rescene4d_writes'  # option of engines whose transactions write
LOG, INDEX = '-wal', '-shm'  # beside an SQLite file; both are made by who opens it, readers too
INDEX_SIZE = 1 << 15  # bytes; the least
ROOM = 1 << 20  # bytes; above what the index of a log takes at first
DAMAGED = (
    'malformed',
    'not a database',
    'no such',
    'decode',
    'unsupported file format',
    'corrupt',
)
# Codes of SQLite: statements are ours, so a schema in which one is wrong (ERROR) is damaged too.
DAMAGE_CODES = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_NOTADB,
}
REFERENCES = 'PRAGMA foreign_key_check'
# PostgreSQL: a read-only transaction or server, and no right to do what was asked.
REFUSALS = ('25006', '42501')


def make_engine(url: URL, read_only: bool = False) -> Engine:
    """
    Make the engine of a memory's database; connects to nothing yet.

    Parameters
    ----------
    url : URL
    read_only : bool
        Whether nothing is to be written; an SQLite file may then be on a read-only disk.

    Raises
    ------
    ConfigError
        The driver of this database is not installed.

    """
    if url.get_backend_name() == 'sqlite':
        if read_only and not (_is_writable(url) and _has_room(url)):
            return _sqlite_read_only(url, _is_writable(url))
        return _sqlite(url)
    try:
        # A reader must see one state in all of its questions, and outlive a restart of the server.
        engine = create_engine(url, isolation_level='REPEATABLE READ', pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'expected the driver of {url}, found no {error.name}; pip install "psycopg[binary]"'
        ) from error

    @event.listens_for(engine, 'connect')
    def _set_up(connection, _):
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    return engine


def _sqlite(url: URL) -> Engine:
    """Return an engine whose transactions begin where SQLAlchemy says so, questions included."""
    engine = create_engine(url, connect_args={'timeout': BUSY_TIMEOUT_S})

    @event.listens_for(engine, 'connect')
    def _set_up(connection, _):
        # Left to itself the driver begins at the first write: a reader would see several states,
        # and altered tables would count before the transaction does.
        connection.isolation_level = None
        for pragma in (
            'journal_mode=WAL',
            'synchronous=FULL',
            'foreign_keys=ON',
            'secure_delete=ON',
        ):  # what people had deleted must not stay
            connection.execute(f'PRAGMA {pragma}')

    event.listen(engine, 'begin', _begin)
    return engine


def file_of(url: URL) -> Path:
    """
    Return the file of an SQLite database.

    Raises
    ------
    ConfigError
        The URL names none.

    """
    if url.database is None:
        raise ConfigError(
            'expected the URL of an SQLite file, got one without a path; write '
            'sqlite:////path/to/file'
        )
    return Path(url.database)


def _is_writable(url: URL) -> bool:
    """Return whether SQLite can make its log beside the database."""
    file = file_of(url)
    return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)


def _has_room(url: URL) -> bool:
    """Return whether there is an index of the log, or room for it: without one nothing is read."""
    file = file_of(url)
    index = file.with_name(file.name + INDEX)
    try:
        # A smaller one was begun on a full disk.
        is_there = index.is_file() and index.stat().st_size >= INDEX_SIZE
        return is_there or shutil.disk_usage(file.parent).free >= ROOM
    except OSError:
        return True  # what is wrong there is told when it is opened


def _sqlite_read_only(url: URL, may_be_written: bool) -> Engine:
    """Return an engine for a file in a folder that may not be written, or on a full disk."""
    file = file_of(url)
    log, index = file.with_name(file.name + LOG), file.with_name(file.name + INDEX)
    has_log = log.is_file() and log.stat().st_size > 0
    how, copy = '?mode=ro', None
    if may_be_written or (has_log and not index.is_file()):
        # A writer may come when the disk has room; and what is in the log counts, too.
        copy = _copied(file, log) if has_log else _copied(file)
        if may_be_written:
            logger.warning(
                '%s: the disk is full, so a copy of the database is read, as it is now; free the '
                'disk and open the memory again for later changes',
                file.parent,
            )
        file, how = Path(copy.name) / file.name, ''
    elif not has_log:
        how += '&immutable=1'  # nobody writes: a writer has a log
    engine = create_engine(
        url, creator=lambda: sqlite3.connect(file.as_uri() + how, uri=True, timeout=BUSY_TIMEOUT_S)
    )

    @event.listens_for(engine, 'connect')
    def _set_up(connection, _, keep=copy):  # the copy lives as long as the engine
        connection.isolation_level = None

    event.listen(engine, 'begin', _begin)
    return engine


def _copied(*files: Path) -> TemporaryDirectory:
    """Return a folder with copies of files; it goes with the last reference to it."""
    try:
        folder = TemporaryDirectory(prefix='rescene4d_')
        for file in files:
            shutil.copyfile(file, Path(folder.name) / file.name)
    except OSError as error:
        raise StorageError(
            f'{files[0]}: expected room for a copy, as the disk of the memory is full or '
            f'read-only, got: {error.strerror}; free a disk, or set TMPDIR to one with room'
        ) from error
    return folder


def _begin(connection) -> None:
    """Begin a transaction where SQLAlchemy says so, for questions, too."""
    options = connection.get_execution_options()
    if options.get('isolation_level') != 'AUTOCOMMIT':
        # Where another program holds the lock, only the begin waits: a later write is refused.
        connection.exec_driver_sql('BEGIN IMMEDIATE' if options.get(WRITES) else 'BEGIN')


def state_of(connection: Connection) -> tuple | None:
    """
    Return a value that differs after every change of an SQLite database; None on a server.

    Ask in a transaction that writes nothing: what is taken back later counts as changes, too.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return None
    version = connection.execute(text('PRAGMA data_version')).scalar()  # by other connections
    return driver, version, driver.total_changes


@contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """Turn what the database says of disk or server into an error with a remedy."""
    try:
        yield
    except DatabaseError as error:
        said = ' '.join(str(error.orig).split())
        code = getattr(error.orig, 'sqlite_errorcode', 0) & 0xFF
        is_damage = code in DAMAGE_CODES or any(word in said for word in DAMAGED)
        if is_damage and sqlstate(error) is None:
            raise MemoryDamagedError(
                f'{path}: expected a database that is whole, SQLite says: {said}; restore a '
                'backup, or `rescene4d memory repair`'
            ) from error
        if isinstance(error, OperationalError) or sqlstate(error) in REFUSALS:
            raise StorageError(
                f'{path}: the database refused ({said}); free or remount the disk, check the '
                'rights, or see that the server runs, then try again; what was stored before is '
                'kept'
            ) from error
        if type(error) is not DatabaseError:  # a broken constraint is a fault of ours
            raise
        raise MemoryDamagedError(
            f'{path}: expected a database of this package, got: {said};'
            ' restore a backup, or `rescene4d memory repair`'
        ) from error


def sqlstate(error: DatabaseError) -> str | None:
    """Return the code of PostgreSQL for an error; None where there is none."""
    return getattr(error.orig, 'sqlstate', None)


def is_missing(where: URL) -> bool:
    """Return whether a database is a file that is not there."""
    return where.get_backend_name() == 'sqlite' and not file_of(where).is_file()


def structure_faults(connection: Connection) -> tuple[str, ...]:
    """Return where tables and indexes of SQLite disagree; a server checks its own pages."""
    if connection.dialect.name != 'sqlite':
        return ()
    found = connection.execute(text('PRAGMA integrity_check')).scalars()
    faults = [f'database: {line}' for line in found if line != 'ok']
    if not faults:
        lost = Counter((row[0], row[2]) for row in connection.execute(text(REFERENCES)))
        faults = [
            f'database: {count} rows of {table} belong to rows of {other} that are missing'
            for (table, other), count in lost.items()
        ]
    return tuple(faults)


def check_structure(path: Path, connection: Connection) -> None:
    """Raise where the database is damaged in a way that hides rows, or does things by itself."""
    if connection.dialect.name == 'sqlite':
        kinds = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
        for kind, name in connection.execute(text(kinds)):
            raise MemoryFormatError(
                f'{path}: expected tables of this package, found the {kind} {name[:40]!r}; the '
                'database was altered by another program, restore a backup'
            )
    faults = structure_faults(connection)
    if faults:
        raise MemoryDamagedError(
            f'{path}: expected a database that is whole, found {len(faults)} faults '
            f'({faults[0]}); restore a backup, or `rescene4d memory repair`'
        )


def refuse_foreign(folder: Path, url: URL) -> None:
    """
    Refuse a server that is not on this machine, or a file of another program, that is not trusted.

    Parameters
    ----------
    folder : path
        Of the memory, for the message.
    url : URL
        What the folder says; its user may say it too, and trusts it so.

    Raises
    ------
    ConfigError
        A host, or a libpq service, that the variable `RESCENE4D_DATABASE_HOSTS` does not name; or
        a file that is there and no database of a memory.

    """
    if url.get_backend_name() == 'sqlite':
        file = file_of(url)
        if file.exists() and not _is_memory(file):
            raise ConfigError(
                f'{str(folder)!r}: expected a database of a memory at {str(file)[:300]!r}, which '
                'database.url names, got another file; if it is a damaged one of yours, give the '
                'URL (--url, memory.url)'
            )
        return
    trusted = {name.strip().lower() for name in os.environ.get(TRUSTED, '').split(',')}
    for host in _hosts(url):
        if not _is_here(host) and host.lower() not in trusted:
            raise ConfigError(
                f'{str(folder)!r}: expected a database on this machine, got the server {host!r} '
                'in database.url; if you know it, give the URL (--url, memory.url) or set '
                f'{TRUSTED}={host}'
            )


def _is_memory(file: Path) -> bool:
    """Return whether a file is an SQLite database with the table `meta`; writes nothing."""
    if not file.is_file():
        return False
    try:
        how = f'{file.absolute().as_uri()}?mode=ro&immutable=1'
        with closing(sqlite3.connect(how, uri=True)) as database:
            tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
            found = [database.execute(tables, (t,)).fetchone()[0] for t in ('meta', 'visits')]
            # Of one that is written right now, the tables may still be in its log.
            return all(found) or file.with_name(file.name + LOG).is_file()
    except sqlite3.Error:
        return False


def _hosts(url: URL) -> Iterator[str]:
    """Yield what a connection may go to, as libpq reads it."""
    if url.get_backend_name() != 'postgresql':
        return
    named = [url.host or '']
    for key in ('host', 'hostaddr', 'service', 'servicefile'):
        value = url.query.get(key, ())
        for item in (value,) if isinstance(value, str) else value:
            named.append(f'{key}={item}' if key.startswith('service') else item)
    for hosts in named:
        yield from hosts.split(',')


def _is_here(host: str) -> bool:
    """Return whether a host is this machine: no name, a socket's folder, or loopback."""
    if not host or host[0] in '/@' or host.lower() == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
