"""Opening a scene memory: whose it is, one writer, transactions; what is in it is store.py's."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
import json
from pathlib import Path
from threading import RLock
from typing import Self

from rescene4d_ros.errors import MemoryFormatError, StorageError
from rescene4d_ros.memory import facts as tables
from rescene4d_ros.memory import header as headers
from rescene4d_ros.memory import migrations, schema
from rescene4d_ros.memory.database import make_engine, translated
from rescene4d_ros.memory.location import (
    check_remembered,
    FILE_NAME,
    is_remembered,
    locate,
    LOCATION,
    public,
    remember_location,
)
from rescene4d_ros.memory.points import VisitFiles
from rescene4d_ros.memory.records import ObjectRecord
from rescene4d_ros.memory.writing import Writer
from rescene4d_ros.structures import ObjectState
from sqlalchemy import Connection, Engine, URL

POINTS = 'visits'


class OpenMemory:
    """
    Hold the right to read or write one memory directory.

    Made by `open` (the one writer) or `inspect` (any number of readers).

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
        self._load()

    @classmethod
    def open(cls, path: Path | str, map_id: str | None, frame_id: str | None,
             class_names: Sequence[str] | None, weights_hash: str | None = None,
             create: bool = True, url: str | None = None) -> Self:
        """
        Open a memory for writing; make it where there is none.

        Parameters
        ----------
        path : path
            Directory of the memory.
        map_id, frame_id : str
            Must be those of the memory; None = whatever they are, of one that exists.
        class_names : sequence of str
            Class list of the weights in use; must be that of the memory; None as above.
        weights_hash : str, optional
            Other weights than before give a warning in the log.
        create : bool
            Whether to make a new memory where there is none.
        url : str, optional
            SQLAlchemy URL of the database, PostgreSQL or SQLite, which the directory remembers;
            default is what it remembers, else SQLite inside it.

        Raises
        ------
        ConfigError
            No such URL can be used.
        MemoryLockedError
            Another writer has it open.
        MemoryFormatError
            Another map, frame, class list or newer schema; or there is none and not `create`.
        StorageError
            The disk refuses.

        """
        path = Path(path)
        if not create and not path.is_dir():
            raise MemoryFormatError(f'{path}: expected a scene memory, found no such folder; '
                                    'check the path')
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f'{path}: cannot make the memory folder ({error.strerror}); '
                               'choose a folder that may be written') from error
        where = locate(path, url)
        check_remembered(path, where)
        engine = make_engine(where)
        writer = Writer(path, engine)
        try:
            with translated(path), writer.transaction() as connection:
                if not headers.exists(connection):
                    if not create:
                        raise MemoryFormatError(f'{path}: expected a scene memory, found none; '
                                                'check the path')
                    if is_remembered(path):
                        raise MemoryFormatError(
                            f'{path}: expected the memory that {LOCATION} names, found none at '
                            f'{public(where)}; restore that database from a backup, or use another'
                            ' folder for a new memory')
                    schema.tables.create_all(connection)
                    headers.create(connection, headers.Header(
                        schema.VERSION, map_id, frame_id, tuple(class_names), weights_hash))
                migrations.migrate(connection, str(path))
                headers.check(headers.load(connection, str(path)), str(path), map_id, frame_id,
                              None if class_names is None else tuple(class_names),
                              weights_hash)
                if weights_hash is not None:
                    headers.store(connection, {'weights_hash': weights_hash})
            remember_location(path, where)
            memory = cls(path, engine, writer)
            memory.files.prepare()
            return memory
        except BaseException:
            writer.release()
            raise

    @classmethod
    def edit(cls, path: Path | str, url: str | None = None) -> Self:
        """
        Open an existing memory for corrections, whichever map it is of; migrate it if it is old.

        Raises
        ------
        MemoryLockedError, MemoryFormatError, StorageError
            As `open`.

        """
        return cls.open(path, None, None, None, create=False, url=url)

    @classmethod
    def inspect(cls, path: Path | str, url: str | None = None) -> Self:
        """
        Open an existing memory for reading, also while a writer works on it.

        Raises
        ------
        MemoryFormatError
            There is no memory, or its schema is not this package's.

        """
        path = Path(path)
        missing = MemoryFormatError(f'{path}: expected a scene memory (a folder with {FILE_NAME} '
                                    f'or {LOCATION}), found none; check the path')
        where = locate(path, url)
        if where.get_backend_name() == 'sqlite' and not Path(where.database).is_file():
            raise missing
        engine = make_engine(where)
        with translated(path), engine.connect() as connection:
            if not headers.exists(connection):
                raise missing
        return cls(path, engine, None)

    def close(self) -> None:
        """Let the next writer in; the memory must not be used any more."""
        with self.mutex:
            self._engine.dispose()
            if self._writer is not None:
                self._writer.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()

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
        return self._records

    @property
    def past(self) -> Mapping[int, tuple[tuple[int, ObjectState], ...]]:
        """Return (visit id, state) of every object since its first visit, by stamp."""
        return self._past

    def note(self, connection: Connection, visit_id: int | None, action: str, detail: dict
             ) -> int:
        """Append to the journal; return the number of the entry."""
        return connection.execute(schema.journal.insert().values(
            revision=self._header.revision, visit_id=visit_id, action=action,
            detail=json.dumps(detail))).inserted_primary_key[0]

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

    def _load(self) -> None:
        """Read anew what this process keeps of the database."""
        with self.reading() as connection:
            self._header = headers.load(connection, str(self.path))
            self._records = tables.records(connection)
            self._past = tables.histories(connection)

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
                f'lost, found {self._header.revision}; nothing was stored now, do it again')
