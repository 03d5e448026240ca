"""Where the database of a memory is: inside its folder, or at a URL that the folder remembers."""

from __future__ import annotations

from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write, flush_folder
from rescene4d_ros.errors import ConfigError, MemoryFormatError, StorageError
from sqlalchemy import make_url, URL
from sqlalchemy.exc import ArgumentError

FILE_NAME = 'memory.sqlite3'
LOCATION = 'database.url'
LEFT = 'database.left'  # names the database that a move leaves, until that is deleted
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
        Not a URL, or a database for which one writer at a time cannot be ensured.
    MemoryFormatError
        The folder holds a database of its own, or says that it is elsewhere.

    """
    remembered = (folder / LOCATION).read_text().strip() if is_remembered(folder) else ''
    if not url and not remembered:
        return inside(folder)
    parsed = parse(url or remembered)
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
    except ArgumentError as error:  # what was given may hold a password
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
    return (
        parsed.set(database=str(Path(parsed.database).absolute())) if kind == 'sqlite' else parsed
    )


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
        return Path(one.database).resolve() == Path(other.database).resolve()
    return public(one.set(username=None)) == public(other.set(username=None))


def check_remembered(folder: Path, url: URL) -> None:
    """
    Refuse to write to another database than the one that a folder names.

    Raises
    ------
    MemoryFormatError
        It names another one.

    """
    if is_remembered(folder) and not is_same(locate(folder, None), url):
        raise MemoryFormatError(
            f'{folder}: expected the database that {LOCATION} names, got {public(url)}; leave the '
            'URL out, or `rescene4d memory move`; where only its server has another name now, '
            f'change {LOCATION}'
        )


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
