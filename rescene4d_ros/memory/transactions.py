"""What a process holds of a memory, and the transactions that keep it what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
import json
from pathlib import Path
from threading import RLock

from rescene4d_ros.errors import StorageError
from rescene4d_ros.memory.database import metadata as headers
from rescene4d_ros.memory.database import schema, tables
from rescene4d_ros.memory.database.engine import translated
from rescene4d_ros.memory.database.writer import Writer
from rescene4d_ros.memory.files.visit_files import VisitFiles
from rescene4d_ros.structures import ObjectState
from rescene4d_ros.tracking.records import ObjectRecord
from sqlalchemy import Connection, Engine, URL

POINTS = 'visits'


class TransactionalMemory:
    """
    Read and write one memory in transactions.

    A writer keeps all objects, for it is asked for them at every visit. A reader reads them
    when it is first asked: most questions need few rows.

    Attributes
    ----------
    path : Path
    files : VisitFiles
        The points of the visits.
    mutex : RLock
        Held while something is read, worked out and written that no other thread may change.

    """

    def __init__(self, path: Path, engine: Engine, writer: Writer | None):
        self.path = path
        self._engine = engine
        self._writer = writer
        self.files = VisitFiles(path / POINTS)
        self.mutex = RLock()
        self._records: dict[int, ObjectRecord] | None = None
        self._past: dict[int, tuple[tuple[int, ObjectState], ...]] = {}
        self._load(with_objects=writer is not None)

    @property
    def url(self) -> URL:
        """Return where its database is."""
        return self._engine.url

    @property
    def header(self) -> headers.Header:
        """Return map, frame, classes, revision and counters."""
        return self._header

    @property
    def records(self) -> Mapping[int, ObjectRecord]:
        """Return what is known of every object, by rising id."""
        if self._records is None:
            self._load()
        return self._records

    @property
    def past(self) -> Mapping[int, tuple[tuple[int, ObjectState], ...]]:
        """Return (visit id, state) of every object since its first visit, by stamp."""
        if self._records is None:
            self._load()
        return self._past

    def note(self, connection: Connection, visit_id: int | None, action: str, detail: dict) -> int:
        """Append to the journal; return the number of the entry."""
        return connection.execute(
            schema.journal.insert().values(
                revision=self._header.revision,
                visit_id=visit_id,
                action=action,
                detail=json.dumps(detail),
            )
        ).inserted_primary_key[0]

    def advance(self, connection: Connection, **values) -> None:
        """Store header values; they count in this process once the transaction is through."""
        headers.store(connection, values)
        connection.info['header'] = replace(self._header, **values)

    @contextmanager
    def correcting(self, action: str, detail: dict) -> Iterator[tuple[Connection, int]]:
        """
        Give a journalled transaction that raises the revision, and the number of its entry.

        Records are read anew afterwards: any row may have changed.

        """
        with self.mutex:
            with self.writing() as connection:
                entry = self.note(connection, None, action, detail)
                yield connection, entry
                self.advance(connection, revision=self._header.revision + 1)
            self._load()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database."""
        with translated(self.path), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction that is stored wholly or not at all."""
        if self._writer is None:
            raise StorageError(f'{self.path}: opened with inspect, which only reads; use open')
        if not self._writer.is_held():
            self._regain()
        with translated(self.path), self._writer.transaction() as connection:
            connection.info.pop('header', None)
            yield connection
            header = connection.info.pop('header', self._header)
        self._header = header

    def _load(self, with_objects: bool = True) -> None:
        """Read anew what this process keeps of the database, all in one state."""
        with self.reading() as connection:
            self._header = headers.load(connection, str(self.path))
            if with_objects:
                self._past = tables.histories(connection)
                self._records = tables.records(connection)

    def _regain(self) -> None:
        """
        Become the writer again after the server forgot this one.

        What the caller worked out may rest on what is stored no longer, by another writer in
        between, or by a transaction of this one whose answer was lost on the way.

        """
        self._writer.regain()
        known = self._header
        self._load()
        if self._header != known:
            raise StorageError(
                f'{self.path}: expected revision {known.revision} as before the connection was '
                f'lost, found {self._header.revision}; nothing was stored now, do it again'
            )
