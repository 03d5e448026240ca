"""The database of one memory: opened by one writer or by readers, changed in transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Self

from rescene4d_ros.errors import MemoryFormatError, StorageError
from rescene4d_ros.memory.database import manifest, memory_metadata, row_access, schema
from rescene4d_ros.memory.database.engine import (
    check_structure,
    is_missing,
    make_engine,
    state_of,
    structure_faults,
    translated,
)
from rescene4d_ros.memory.database.manifest import (
    check_remembered,
    FILE_NAME,
    locate,
    LOCATION,
    remember_location,
)
from rescene4d_ros.memory.database.memory_metadata import Metadata
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.database.write_lock import WriteLock
from rescene4d_ros.structures import ObjectState
from rescene4d_ros.tracking.records import ObjectRecord
from sqlalchemy import Connection, Engine, text, URL


class MemoryDatabase:
    """
    Read and write the tables of one memory in transactions.

    A writer keeps all objects, for it is asked for them at every visit. A reader reads them
    when it is first asked: most questions need few rows.

    Attributes
    ----------
    path : Path
        Folder of the memory.
    mutex : RLock
        Held while something is read, worked out and written that no other thread may change.
    guard : callable(Connection, int) or None
        Called with the revision at the end of each transaction that writes; what it raises
        undoes the transaction.

    """

    def __init__(self, path: Path, engine: Engine, lock: WriteLock | None):
        self.path = path
        self._engine = engine
        self._lock = lock
        self.mutex = RLock()
        self.guard: Callable[[Connection, int], None] | None = None
        self._metadata: Metadata
        self._has_records = self._has_past = False
        self._records: dict[int, ObjectRecord] = {}
        self._past: dict[int, tuple[tuple[int, ObjectState], ...]] = {}
        self._visit_list: row_access.VisitList | None = None
        self.reload(with_records=lock is not None, with_past=lock is not None)

    @classmethod
    def open(
        cls, path: Path, url: str | None, expected: memory_metadata.Expected, create: bool = True
    ) -> Self:
        """
        Open the database of a memory for writing; migrate it if it is old.

        Parameters
        ----------
        path : path
            Folder of the memory; exists.
        url : str or None
            Where the database is, as for `locate`.
        expected : Expected
            What the memory must be of, and what a new one is made for.
        create : bool
            Whether to make tables where there are none.

        Raises
        ------
        ConfigError, MemoryLockedError, MemoryFormatError, StorageError
            As `SceneMemory.open`.

        """
        where = locate(path, url)
        check_remembered(path, where)
        stored = manifest.read_stored(path)
        if is_missing(where):
            manifest.refuse_to_create(path, where, create)
        engine = make_engine(where)
        lock = WriteLock(path, engine)
        try:
            with translated(path), lock.transaction() as connection:
                if memory_metadata.exists(connection):
                    check_structure(path, connection)
                else:
                    manifest.refuse_to_create(path, where, create)
                    schema.tables.create_all(connection)
                    memory_metadata.create(connection, expected)
                memory_metadata.migrate(connection, str(path))
                memory_metadata.check(
                    memory_metadata.load(connection, str(path)), str(path), expected
                )
                memory_metadata.warn_of_other_weights(connection, str(path), expected.weights_hash)
                if expected.weights_hash is not None:
                    memory_metadata.store(connection, {'weights_hash': expected.weights_hash})
            remember_location(path, where)
            database = cls(path, engine, lock)
            database.confirm(stored)
            return database
        except BaseException:
            lock.release()
            raise

    @classmethod
    def inspect(cls, path: Path, url: str | None, verify: bool = True) -> Self:
        """
        Open the database of a memory for reading, also while a writer works on it.

        Parameters
        ----------
        path : path
            Folder of the memory; may be on a read-only disk.
        url : str or None
            Where the database is, as for `locate`.
        verify : bool
            Whether to refuse a database that is damaged.

        Raises
        ------
        MemoryFormatError
            There is no memory, its schema is not this package's, or it is damaged.

        """
        missing = MemoryFormatError(
            f'{path}: expected a scene memory (a folder with {FILE_NAME} '
            f'or {LOCATION}), found none; check the path'
        )
        where, stored = locate(path, url), manifest.read_stored(path)
        if is_missing(where):
            manifest.refuse_lost(path, where)
            raise missing
        engine = make_engine(where, read_only=True)
        with translated(path), engine.connect() as connection:
            if not memory_metadata.exists(connection):
                manifest.refuse_lost(path, where)
                raise missing
            if verify:
                check_structure(path, connection)
        database = cls(path, engine, None)
        if verify:
            database.confirm(stored)
        return database

    def close(self) -> None:
        """Let the next writer in; the database must not be used any more."""
        with self.mutex:
            self._engine.dispose()
            if self._lock is not None:
                self._lock.release()

    @property
    def url(self) -> URL:
        """Return where the database is."""
        return self._engine.url

    @property
    def metadata(self) -> Metadata:
        """Return map, frame, classes, revision and counters."""
        return self._metadata

    @property
    def records(self) -> Mapping[int, ObjectRecord]:
        """Return what is known of every object, by rising id."""
        if not self._has_records:
            self.reload(with_past=False)
        return self._records

    @property
    def past(self) -> Mapping[int, tuple[tuple[int, ObjectState], ...]]:
        """Return (visit id, state) of every object since its first visit, by stamp."""
        if not self._has_past:
            self.reload()
        return self._past

    def visit_list(self) -> row_access.VisitList:
        """Read all visits in stamp order; not again what is the same since."""
        with self.reading() as connection:
            state, found = state_of(connection), self._visit_list
            if found is None or state is None or state != found.state:
                self._visit_list = found = row_access.visit_list(connection, state, found)
        return found

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database."""
        with translated(self.path), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction that is stored wholly or not at all."""
        if self._lock is None:
            raise StorageError(f'{self.path}: opened with inspect, which only reads; use open')
        if not self._lock.is_held():
            self._regain(self._lock)
        with translated(self.path), self._lock.transaction() as connection:
            connection.info.pop('metadata', None)
            yield connection
            stored = connection.info.pop('metadata', self._metadata)
            if self.guard is not None:
                self.guard(connection, stored.revision)
            entry, tally = row_access.newest_entry(connection), row_access.tally(connection)
        self._metadata = stored
        manifest.note_stored(self.path, stored, entry, *tally)

    @contextmanager
    def correcting(
        self, action: JournalAction, detail: dict, reload: bool = True
    ) -> Iterator[tuple[Connection, int]]:
        """
        Give a journalled transaction that raises the revision, and the number of its entry.

        Records are read again afterwards, where `reload`: any row may have changed.

        """
        with self.mutex:
            with self.writing() as connection:
                entry = self.note(connection, None, action, detail)
                yield connection, entry
                self.advance(connection, revision=self._metadata.revision + 1)
            if reload:
                self.reload()

    def note(
        self, connection: Connection, visit_id: int | None, action: JournalAction, detail: dict
    ) -> int:
        """Append to the journal; return the number of the entry."""
        return row_access.add_entry(connection, self._metadata.revision, visit_id, action, detail)

    def advance(self, connection: Connection, **values) -> None:
        """Store metadata; they count in this process once the transaction is through."""
        memory_metadata.store(connection, values)
        connection.info['metadata'] = replace(self._metadata, **values)

    def keep(
        self,
        records: Mapping[int, ObjectRecord],
        past: Mapping[int, tuple[tuple[int, ObjectState], ...]],
    ) -> None:
        """Take over what a transaction has stored of the objects, without reading it back."""
        self._records, self._past = dict(records), dict(past)
        self._has_records = self._has_past = True

    def reload(self, with_records: bool = True, with_past: bool = True) -> None:
        """Read again what this process keeps of the database, all in one state."""
        with self.reading() as connection:
            self._metadata = memory_metadata.load(connection, str(self.path))
            if with_past:
                self._past = row_access.histories(connection)
            if with_records:
                self._records = row_access.records(connection)
        self._has_records, self._has_past = with_records, with_past

    def confirm(self, stored: Mapping) -> None:
        """
        Compare the database with what the folder says it once held; a writer updates that.

        Raises
        ------
        MemoryFormatError
            Transactions are lost.

        """
        with self.reading() as connection:
            entry, tally = row_access.newest_entry(connection), row_access.tally(connection)
        manifest.check_stored(self.path, stored, self._metadata, entry, *tally)
        if self._lock is not None:
            manifest.note_stored(self.path, self._metadata, entry, *tally)

    def checkpoint(self) -> None:
        """Make the database overwrite what was deleted, in its tables and, on SQLite, its log."""
        with translated(self.path), self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level='AUTOCOMMIT')
            if self._engine.dialect.name == 'sqlite':
                connection.execute(text('PRAGMA wal_checkpoint(TRUNCATE)'))
                return
            connection.execute(text(f'VACUUM (FULL, ANALYZE) {", ".join(schema.tables.tables)}'))

    def faults(self) -> tuple[str, ...]:
        """Return what the database itself finds wrong; empty where all is well."""
        with self.reading() as connection:
            return structure_faults(connection)

    def _regain(self, lock: WriteLock) -> None:
        """
        Become the writer again after the server forgot this one.

        What the caller worked out may rest on what is stored no longer, by another writer in
        between, or by a transaction of this one whose answer was lost on the way.

        """
        lock.regain()
        known = self._metadata
        self.reload()
        if self._metadata != known:
            raise StorageError(
                f'{self.path}: expected revision {known.revision} as before the connection was '
                f'lost, found {self._metadata.revision}; nothing was stored now, do it again'
            )
