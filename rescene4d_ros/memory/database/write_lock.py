"""One writer at a time: by a lock file, and by a lock of the server where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, ExitStack
import hashlib
import os
from pathlib import Path
import socket

from rescene4d_ros.errors import MemoryLockedError
from rescene4d_ros.memory.database.engine import sqlstate, translated
from rescene4d_ros.memory.database.file_lock import FileLock
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError, OperationalError

FILE_NAME = 'writer.lock'
PATIENCE_S = 2.0  # a server takes a moment to notice that a client was killed
LOCK_NOT_AVAILABLE = '55P03'
# After these a server drops a client whose machine has gone without a word.
KEEPALIVE = {'tcp_keepalives_idle': 30, 'tcp_keepalives_interval': 10, 'tcp_keepalives_count': 3}
SET = text('SELECT set_config(:name, :value, :once)')
HOLDER = text("""
    SELECT activity.application_name FROM pg_locks AS held
    JOIN pg_stat_activity AS activity USING (pid)
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (held.classid::bigint << 32) | held.objid::bigint = :key""")


class WriteLock:
    """
    Hold the right to write one memory, whichever database it is in.

    Parameters
    ----------
    path : path
        Directory of the memory.
    engine : Engine
        Of its database.
    has_folder : bool
        Whether this process is the writer of the folder already, as one that moves a memory is.

    Raises
    ------
    MemoryLockedError
        Another writer has the folder or the database.
    StorageError
        Disk or server refuse.

    """

    def __init__(self, path: Path, engine: Engine, has_folder: bool = False):
        self._engine = engine
        self._server: ServerLock | None = None
        self._files: list[FileLock] = []
        with ExitStack() as held:
            if not has_folder:
                self._files.append(FileLock(path / FILE_NAME, locks_folder=True))
                held.callback(self._files[-1].release)
            if engine.dialect.name == 'postgresql':
                self._server = ServerLock(engine, path)
                held.callback(self._server.release)
            else:
                file = Path(engine.url.database)
                if file.resolve().parent != path.resolve():
                    self._files.append(FileLock(file.with_name(file.name + '.lock')))
                    held.callback(self._files[-1].release)
            self._held = held.pop_all()

    def transaction(self) -> AbstractContextManager[Connection]:
        """Give a transaction that is stored wholly or not at all."""
        return self._engine.begin() if self._server is None else self._server.transaction()

    def is_held(self) -> bool:
        """
        Return whether nobody else can have written; a restarted server forgets its writers.

        Raises
        ------
        MemoryLockedError, StorageError
            A lock file was deleted, and cannot be made again.

        """
        for file in self._files:
            file.renew()
        return self._server is None or self._server.is_held()

    def regain(self) -> None:
        """
        Become the writer again; what is remembered of the database may be old then.

        Raises
        ------
        MemoryLockedError, StorageError
            Another writer came first, or the server is still away.

        """
        if self._server is not None:
            self._server.regain()

    def release(self) -> None:
        """Let the next writer in; harmless when repeated."""
        self._held.close()


class ServerLock:
    """
    Hold the right to write one schema of a database.

    The server drops the lock with the connection. So everything is written through that very
    connection: a writer that lost it cannot write beside the next one.

    Parameters
    ----------
    engine : Engine
        Of a PostgreSQL database.
    path : path
        Directory of the memory, for messages.

    Raises
    ------
    MemoryLockedError
        Another writer holds it.
    StorageError
        The server does not answer.

    """

    def __init__(self, engine: Engine, path: Path):
        self._engine, self._path = engine, path
        self._connection = self._take()

    def is_held(self) -> bool:
        """Ask the server whether it still knows this writer."""
        if self._connection.closed or self._connection.invalidated:
            return False  # a query would connect again, without the lock
        try:
            with self._connection.begin():
                self._connection.execute(text('SELECT 1'))
        except DatabaseError:
            return False
        return True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a transaction of the connection that holds the lock."""
        with self._connection.begin():
            yield self._connection

    def regain(self) -> None:
        """
        Take the lock again after the connection was lost.

        Raises
        ------
        MemoryLockedError, StorageError
            As when it was first taken.

        """
        self.release()
        self._connection = self._take()

    def release(self) -> None:
        """Let the next writer in; harmless when repeated."""
        self._connection.close()

    def _take(self) -> Connection:
        """Return a connection that holds the lock."""
        with translated(self._path):
            connection = self._engine.connect()
            connection.detach()  # closed, it must not wait in a pool with the lock
            name = f'rescene4d_ros on {socket.gethostname()}, process {os.getpid()}'
            settings = {'application_name': name[:63], **KEEPALIVE}
            try:
                with connection.begin():
                    for setting, value in settings.items():
                        connection.execute(
                            SET, {'name': setting, 'value': str(value), 'once': False}
                        )
                    key = _key(connection.execute(text('SELECT current_schema()')).scalar())
                    connection.execute(
                        SET,
                        {
                            'name': 'lock_timeout',
                            'once': True,
                            'value': f'{1000 * PATIENCE_S:.0f}ms',
                        },
                    )
                    connection.execute(text('SELECT pg_advisory_lock(:key)'), {'key': key})
                return connection
            except OperationalError as error:
                locked = sqlstate(error) == LOCK_NOT_AVAILABLE
                holder = connection.execute(HOLDER, {'key': key}).scalar() if locked else None
                connection.close()
                if not locked:
                    raise
                raise MemoryLockedError(
                    f'{self._path}: expected to be the only writer, but {holder or "a program"} '
                    'has this memory open; stop it or use another database'
                ) from error


def _key(schema: str | None) -> int:
    """Return the number of the lock of a schema: memories in one database differ in it."""
    digest = hashlib.blake2b(f'rescene4d_ros {schema}'.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
