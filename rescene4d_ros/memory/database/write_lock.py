"""One writer at a time: by a lock file, and by a lock of the server where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, ExitStack
import fcntl
import hashlib
import os
from pathlib import Path
import socket

from rescene4d_ros.errors import MemoryLockedError, StorageError
from rescene4d_ros.memory.database.engine import file_of, sqlstate, translated, WRITES
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


class FileLock:
    """
    Hold the right to write what a lock file stands for.

    The lock belongs to the open file, not to the file's existence: after a SIGKILL or a power cut
    nothing has to be cleaned up. The number inside is for people only. A lock file that somebody
    deletes stands for nothing, so the folder is locked as well, and the file is made again.

    Parameters
    ----------
    path : path
        Lock file.
    locks_folder : bool
        Whether its folder is for nobody else either.

    Raises
    ------
    MemoryLockedError
        Another process, or another part of this one, holds it.
    StorageError
        The lock file cannot be made, or the file system knows no locks.

    """

    def __init__(self, path: Path, locks_folder: bool = False):
        self._path, self._folder = path, None
        self._file: int | None = self._take()
        if locks_folder:
            try:
                self._folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
                fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                self.release()
                raise self._locked('another one, whose lock file was deleted,') from error
            except OSError:  # network file systems lock files only
                self._close_folder()

    def renew(self) -> None:
        """
        Make the lock file again where it was deleted.

        Raises
        ------
        MemoryLockedError
            Another process took it meanwhile.
        StorageError
            The lock file cannot be made.

        """
        try:
            held = self._file
            if held is not None and os.path.samestat(os.fstat(held), os.stat(self._path)):
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StorageError(
                f'{self._path}: cannot look at the lock file ({error.strerror}); check that the '
                'disk is mounted'
            ) from error
        file = self._take()
        if held is not None:
            os.close(held)
        self._file = file

    def release(self) -> None:
        """Let the next writer in; harmless when repeated."""
        self._close_folder()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _close_folder(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _take(self) -> int:
        """Return the lock file, open and locked."""
        path = self._path
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise StorageError(
                f'{path}: cannot open the lock file ({error.strerror}); '
                'check that the folder exists and may be written, and that the file is no link'
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode(errors='replace').strip() or 'unknown'
            os.close(file)
            raise self._locked(f'process {holder}') from error
        except OSError as error:
            os.close(file)
            raise StorageError(
                f'{path}: cannot lock the file ({error.strerror}); use a folder on '
                'a file system with locks'
            ) from error
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, f'{os.getpid()}\n'.encode(), 0)
        except OSError:
            pass  # a full disk must not keep a person from opening the memory
        return file

    def _locked(self, holder: str) -> MemoryLockedError:
        return MemoryLockedError(
            f'{self._path.parent}: expected to be the only writer, but {holder} has this '
            'memory open; stop that process or use another memory folder'
        )


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
                file = file_of(engine.url)
                if file.resolve().parent != path.resolve():
                    self._files.append(FileLock(file.with_name(file.name + '.lock')))
                    held.callback(self._files[-1].release)
            self._held = held.pop_all()

    def transaction(self) -> AbstractContextManager[Connection]:
        """Give a transaction that is stored wholly or not at all."""
        if self._server is not None:
            return self._server.transaction()
        return self._engine.execution_options(**{WRITES: True}).begin()

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
