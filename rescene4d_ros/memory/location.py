"""Where the database of a memory is: inside its folder, or at a URL that the folder remembers."""
from __future__ import annotations

from pathlib import Path

from rescene4d_ros.errors import ConfigError, MemoryFormatError, StorageError
from rescene4d_ros.memory.durable import write_durably
from sqlalchemy import make_url, URL
from sqlalchemy.exc import ArgumentError

FILE_NAME = 'memory.sqlite3'
LOCATION = 'database.url'
DRIVERS = {'postgresql': 'postgresql+psycopg', 'postgres': 'postgresql+psycopg'}


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
        No URL, or of a database that one writer at a time cannot be told from two.
    MemoryFormatError
        The folder holds a database of its own.

    """
    remembered = folder / LOCATION
    if not url and remembered.is_file():
        url = remembered.read_text().strip()
    if not url:
        return _inside(folder)
    try:
        parsed = make_url(url)
    except ArgumentError as error:        # what was given may hold a password
        raise ConfigError('expected the URL of a database as postgresql://user@host/name, got '
                          'something else; see docs/memory.md') from error
    parsed = parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))
    kind = parsed.get_backend_name()
    if kind not in ('sqlite', 'postgresql') or (kind == 'sqlite' and not parsed.database):
        raise ConfigError(f'expected the URL of a PostgreSQL database or of an SQLite file, got '
                          f'{parsed}; see docs/memory.md')
    if parsed != _inside(folder) and (folder / FILE_NAME).is_file():
        raise MemoryFormatError(
            f'{folder}: expected no database in the folder of a memory at {parsed}, found '
            f'{FILE_NAME}; leave the URL out, or use another folder')
    return parsed


def remember_location(folder: Path, url: URL) -> None:
    """
    Write where the database is into the folder, without password.

    Raises
    ------
    StorageError
        The disk refused.

    """
    if url == _inside(folder):
        return
    public = URL.create(url.drivername, url.username, None, url.host, url.port, url.database,
                        {key: value for key, value in url.query.items() if key != 'password'})
    text = public.render_as_string() + '\n'
    file = folder / LOCATION
    try:
        if not file.is_file() or file.read_text() != text:
            write_durably(file, text.encode())
    except OSError as error:
        raise StorageError(f'{file}: cannot write where the database is ({error.strerror}); free '
                           'the disk or check the rights of the folder') from error


def _inside(folder: Path) -> URL:
    """Return the URL of the SQLite file in a folder."""
    return URL.create('sqlite', database=str(folder / FILE_NAME))
