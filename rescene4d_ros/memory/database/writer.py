"""The right to write one memory, and its transactions, whichever database holds it."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rescene4d_ros.memory.database.file_lock import FILE_NAME, WriterLock
from rescene4d_ros.memory.database.postgres_lock import ServerLock
from sqlalchemy import Connection, Engine


class Writer:
    """
    Be the one that writes.

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
        with ExitStack() as held:
            if not has_folder:
                held.callback(WriterLock(path / FILE_NAME).release)
            if engine.dialect.name == 'postgresql':
                self._server = ServerLock(engine, path)
                held.callback(self._server.release)
            else:
                file = Path(engine.url.database)
                if file.resolve().parent != path.resolve():
                    held.callback(WriterLock(file.with_name(file.name + '.lock')).release)
            self._held = held.pop_all()

    def transaction(self) -> AbstractContextManager[Connection]:
        """Give a transaction that is stored wholly or not at all."""
        return self._engine.begin() if self._server is None else self._server.transaction()

    def is_held(self) -> bool:
        """Return whether nobody else can have written; a restarted server forgets its writers."""
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
