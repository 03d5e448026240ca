"""The database engine, set so that a commit survives a power cut, and its errors with remedies."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rescene4d_ros.errors import MemoryFormatError, StorageError
from sqlalchemy import create_engine, Engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

FILE_NAME = 'memory.sqlite3'
BUSY_TIMEOUT_S = 30.0


def make_engine(path: Path, url: str | None) -> Engine:
    """
    Make the engine of a memory's database.

    Parameters
    ----------
    path : path
        Directory of the memory.
    url : str or None
        SQLAlchemy URL; None = SQLite inside the directory.

    """
    engine = create_engine(url or f'sqlite:///{path / FILE_NAME}',
                           connect_args={'timeout': BUSY_TIMEOUT_S} if url is None else {})
    if engine.dialect.name == 'sqlite':
        @event.listens_for(engine, 'connect')
        def _set_up(connection, _):
            for pragma in ('journal_mode=WAL', 'synchronous=FULL', 'foreign_keys=ON',
                           'secure_delete=ON'):     # what people had deleted must not stay
                connection.execute(f'PRAGMA {pragma}')
    return engine


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the database says of the disk into an error with a remedy."""
    try:
        yield
    except OperationalError as error:
        raise StorageError(
            f'{path}: the database refused ({error.orig}); free or remount the disk, or check '
            'the rights of the folder, then try again; what was stored before is kept') from error
    except DatabaseError as error:
        if type(error) is not DatabaseError:     # a broken constraint is a fault of ours
            raise
        raise MemoryFormatError(f'{path}: expected a database of this package, got: {error.orig};'
                                ' restore the memory from a backup') from error
