"""
The scene memory on disk: facts in a database, points in files beside it.

A visit is durable before it is processed; what it brings is stored in one transaction; ids come
from counters that only grow. Killing the process at any moment loses nothing of this.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
import json
from pathlib import Path
from threading import RLock

import numpy as np
from rescene4d_ros.errors import (
    DuplicateVisitError,
    MemoryFormatError,
    ScanError,
    StorageError,
    VisitOrderError,
)
from rescene4d_ros.memory import facts as tables
from rescene4d_ros.memory import header as headers
from rescene4d_ros.memory import rows, schema
from rescene4d_ros.memory.database import FILE_NAME, make_engine, translated
from rescene4d_ros.memory.facts import Seen
from rescene4d_ros.memory.lock import WriterLock
from rescene4d_ros.memory.points import VisitFiles
from rescene4d_ros.memory.records import ObjectRecord, VisitFacts
from rescene4d_ros.structures import (
    Change,
    MemorySnapshot,
    ObjectState,
    Scan,
    VisitInfo,
    VisitStatus,
)
from sqlalchemy import Connection, Engine, func, select, text, update

POINTS = 'visits'


class SceneMemory:
    """
    Hold one map's visits, objects and changes in a directory.

    Made by `open` (the one writer) or `inspect` (any number of readers). Methods may be called
    from several threads of the writer's process.
    """

    def __init__(self, path: Path, engine: Engine, lock: WriterLock | None):
        self.path = path
        self._engine = engine
        self._lock = lock
        self._files = VisitFiles(path / POINTS)
        self._mutex = RLock()
        with self._reading() as connection:
            self._header = headers.load(connection, str(path))
            self._records = tables.records(connection)

    @classmethod
    def open(cls, path: Path | str, map_id: str, frame_id: str, class_names: Sequence[str],
             weights_hash: str | None = None, create: bool = True,
             url: str | None = None) -> SceneMemory:
        """
        Open a memory for writing; make it where there is none.

        Parameters
        ----------
        path : path
            Directory of the memory.
        map_id, frame_id : str
            Must be those of the memory.
        class_names : sequence of str
            Class list of the weights in use; must be that of the memory.
        weights_hash : str, optional
            Other weights than before give a warning in the log.
        create : bool
            Whether to make a new memory where there is none.
        url : str, optional
            SQLAlchemy URL of the database; default is SQLite inside the directory.

        Raises
        ------
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
        lock = WriterLock(path)
        try:
            engine = make_engine(path, url)
            with translated(path), engine.begin() as connection:
                if not headers.exists(connection):
                    if not create:
                        raise MemoryFormatError(f'{path}: expected a scene memory, found none; '
                                                'check the path')
                    schema.tables.create_all(connection)
                    headers.create(connection, headers.Header(
                        schema.VERSION, map_id, frame_id, tuple(class_names), weights_hash))
                headers.check(headers.load(connection, str(path)), str(path), map_id, frame_id,
                              tuple(class_names), weights_hash)
                if weights_hash is not None:
                    headers.store(connection, {'weights_hash': weights_hash})
            memory = cls(path, engine, lock)
            memory._files.prepare()
            return memory
        except BaseException:
            lock.release()
            raise

    @classmethod
    def inspect(cls, path: Path | str, url: str | None = None) -> SceneMemory:
        """
        Open an existing memory for reading, also while a writer works on it.

        Raises
        ------
        MemoryFormatError
            There is no memory, or it is newer than this package.

        """
        path = Path(path)
        missing = MemoryFormatError(f'{path}: expected a scene memory (a folder with {FILE_NAME}),'
                                    ' found none; check the path')
        if url is None and not (path / FILE_NAME).is_file():
            raise missing
        engine = make_engine(path, url)
        with translated(path), engine.connect() as connection:
            if not headers.exists(connection):
                raise missing
        return cls(path, engine, None)

    def close(self) -> None:
        """Let the next writer in; the memory must not be used any more."""
        with self._mutex:
            self._engine.dispose()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> SceneMemory:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()

    @property
    def header(self) -> headers.Header:
        """Return map, frame, classes, revision and counters."""
        return self._header

    @property
    def records(self) -> Mapping[int, ObjectRecord]:
        """Return what is known of every object, by rising id."""
        return self._records

    # Visits

    def add_visit(self, scan: Scan) -> VisitInfo:
        """
        Store a visit durably, before anything is computed from it.

        Returns
        -------
        VisitInfo
            PENDING.

        Raises
        ------
        ScanError
            Another frame than the memory's, or no points.
        DuplicateVisitError
            A visit with this stamp is stored already.
        VisitOrderError
            Older than the newest processed visit: it is stored as LATE and needs a reprocess.
        StorageError
            The disk refused; nothing stored before is lost.

        """
        if scan.frame_id != self._header.frame_id:
            raise ScanError(f'visit {scan.name!r}: expected points in frame '
                            f'{self._header.frame_id!r}, got {scan.frame_id!r}; transform them')
        if len(scan) == 0:
            raise ScanError(f'visit {scan.name!r}: expected points, got none; check the sensor')
        with self._mutex:
            self._refuse_duplicate(scan)
            file_name = self._files.write(scan)
            with self._writing() as connection:
                newest = connection.execute(
                    select(func.max(schema.visits.c.stamp_ns))
                    .where(schema.visits.c.status == int(VisitStatus.DONE))).scalar()
                late = newest is not None and scan.stamp_ns < newest
                visit = VisitInfo(
                    self._header.next_visit_id, int(scan.stamp_ns),
                    VisitStatus.LATE if late else VisitStatus.PENDING, scan.name, len(scan))
                connection.execute(schema.visits.insert().values(
                    visit_id=visit.visit_id, stamp_ns=visit.stamp_ns, status=int(visit.status),
                    name=visit.name, file=file_name, n_points=visit.n_points, reason=''))
                self._note(connection, visit.visit_id, 'visit stored', {'late': late})
                self._advance(connection, next_visit_id=visit.visit_id + 1)
        if late:
            raise VisitOrderError(
                f'visit {visit.visit_id} {scan.name!r}: stamp {scan.stamp_ns} is older than the '
                f'newest processed visit ({newest}); it is stored, call reprocess to take it in')
        return visit

    def visits(self, *statuses: VisitStatus) -> tuple[VisitInfo, ...]:
        """Return the stored visits in stamp order, of some statuses or all."""
        with self._reading() as connection:
            return tables.visits(connection, *statuses)

    def pending(self) -> tuple[VisitInfo, ...]:
        """Return the visits that wait for processing, in stamp order."""
        return self.visits(VisitStatus.PENDING)

    def window(self, n: int) -> tuple[VisitInfo, ...]:
        """Return the latest `n` processed visits, oldest first."""
        done = self.visits(VisitStatus.DONE)
        return done[max(len(done) - n, 0):]

    def scan(self, visit_id: int) -> Scan:
        """
        Read the points of a visit, exactly as they came.

        Raises
        ------
        FileFormatError
            The file is missing or damaged.

        """
        return self._files.read(self.key(visit_id))

    def key(self, visit_id: int) -> str:
        """Return a name that changes with the visit's points; for caches."""
        return self._visit_row(visit_id).file

    def labels(self, visit_id: int) -> np.ndarray:
        """
        Return the persistent id of every point of a processed visit.

        Returns
        -------
        ndarray (N,), int64
            0 = none; all 0 for a visit that is not processed.

        """
        with self._reading() as connection:
            data = connection.execute(select(schema.labels.c.object_ids).where(
                schema.labels.c.visit_id == visit_id)).scalar()
        if data is None:
            return np.zeros(self._visit_row(visit_id).n_points, dtype=np.int64)
        return rows.decode_labels(data)

    def failure(self, visit_id: int) -> str:
        """Return why a visit has status FAILED; empty for others."""
        return self._visit_row(visit_id).reason

    # Facts

    def commit(self, facts: VisitFacts) -> int:
        """
        Store what one visit brought, in one transaction.

        Returns
        -------
        int
            The new revision.

        Raises
        ------
        StorageError
            Nothing of it is stored; the visit stays PENDING.

        """
        with self._mutex:
            with self._writing() as connection:
                revision = self._header.revision + 1
                tables.insert(connection, facts, revision, self._header.weights_hash)
                changed = [record for object_id, record in facts.records.items()
                           if self._records.get(object_id) is not record]
                tables.put_records(connection, changed)
                self._note(connection, facts.visit.visit_id, 'visit processed',
                           {'objects': len(facts.records), 'changes': len(facts.changes)})
                self._advance(connection, revision=revision,
                              next_object_id=self._beyond(facts.records))
            self._records = dict(facts.records)
            return revision

    def rewrite(self, history: Sequence[VisitFacts]) -> int:
        """
        Replace what a range of visits brought, up to the newest, in one transaction.

        Parameters
        ----------
        history : sequence of VisitFacts
            One per visit, in stamp order; their old facts are dropped.

        Returns
        -------
        int
            The new revision.

        Raises
        ------
        StorageError
            The old state stays.

        """
        with self._mutex:
            with self._writing() as connection:
                revision = self._header.revision + 1
                tables.erase(connection, [facts.visit.visit_id for facts in history])
                for facts in history:
                    tables.insert(connection, facts, revision, self._header.weights_hash)
                records = history[-1].records
                dropped = sorted(set(self._records) - set(records))
                connection.execute(schema.objects.delete())
                tables.put_records(connection, records.values())
                self._note(connection, history[0].visit.visit_id, 'visits reprocessed',
                           {'visits': len(history), 'dropped objects': dropped})
                self._advance(connection, revision=revision,
                              next_object_id=self._beyond(records))
            self._records = dict(records)
            return revision

    def fail(self, visit_id: int, reason: str) -> None:
        """Mark a visit as not processable, with the reason; its points stay stored."""
        with self._mutex, self._writing() as connection:
            connection.execute(update(schema.visits).where(schema.visits.c.visit_id == visit_id)
                               .values(status=int(VisitStatus.FAILED), reason=reason))
            self._note(connection, visit_id, 'visit failed', {'reason': reason})

    def snapshot(self) -> MemorySnapshot:
        """Return everything the memory says now, consistent in itself."""
        with self._reading() as connection:
            header = headers.load(connection, str(self.path))
            visits, states = tables.visits(connection), tables.histories(connection)
            records = tables.records(connection)
        objects = tuple(record.as_object(header.class_names, states.get(object_id, ()))
                        for object_id, record in records.items())
        return MemorySnapshot(header.map_id, header.frame_id, header.revision,
                              header.class_names, visits, objects)

    def changes(self, since_revision: int = 0) -> tuple[Change, ...]:
        """Return the changes stored after a revision, in the order they were found."""
        with self._reading() as connection:
            return tables.changes(connection, since_revision)

    def histories(self) -> dict[int, tuple[tuple[int, ObjectState], ...]]:
        """Return the state of every object at every processed visit since its first."""
        with self._reading() as connection:
            return tables.histories(connection)

    def observed(self, visit_id: int) -> tuple[Seen, ...]:
        """Return what the segmenter said of each object that a visit shows, by rising id."""
        with self._reading() as connection:
            return tables.seen(connection, visit_id)

    def journal(self) -> tuple[dict, ...]:
        """Return what was done to the memory, oldest first."""
        with self._reading() as connection:
            entries = connection.execute(select(schema.journal).order_by(
                schema.journal.c.entry_id))
            return tuple({'revision': row.revision, 'visit_id': row.visit_id,
                          'action': row.action, 'detail': json.loads(row.detail)}
                         for row in entries)

    def database_faults(self) -> tuple[str, ...]:
        """Return what the database itself finds wrong; empty where all is well."""
        if self._engine.dialect.name != 'sqlite':
            return ()
        with self._reading() as connection:
            found = [row[0] for row in connection.execute(text('PRAGMA integrity_check'))]
        return tuple(f'database: {line}' for line in found if line != 'ok')

    def stray_files(self) -> set[str]:
        """Return the names of point files that belong to no stored visit."""
        with self._reading() as connection:
            used = {row.file for row in connection.execute(select(schema.visits.c.file))}
        return self._files.names() - used

    # Inside

    def _visit_row(self, visit_id: int):
        """Return the row of a visit, or say that there is none."""
        with self._reading() as connection:
            row = connection.execute(select(schema.visits).where(
                schema.visits.c.visit_id == visit_id)).first()
        if row is None:
            raise MemoryFormatError(f'{self.path}: expected a visit {visit_id}, found none; '
                                    'see `rescene4d memory show`')
        return row

    def _refuse_duplicate(self, scan: Scan) -> None:
        """Raise where the stamp is taken."""
        with self._reading() as connection:
            twin = connection.execute(select(schema.visits).where(
                schema.visits.c.stamp_ns == int(scan.stamp_ns))).first()
        if twin is not None:
            raise DuplicateVisitError(
                f'visit {scan.name!r}: expected a new stamp, but {scan.stamp_ns} is stored as '
                f'visit {twin.visit_id} {twin.name!r}; a visit is sent once')

    def _beyond(self, records: Mapping[int, ObjectRecord]) -> int:
        """Return the smallest id never given, which the counter may only approach from below."""
        return max([self._header.next_object_id, *(object_id + 1 for object_id in records)])

    def _note(self, connection: Connection, visit_id: int, action: str, detail: dict) -> None:
        """Append to the journal."""
        connection.execute(schema.journal.insert().values(
            revision=self._header.revision, visit_id=visit_id, action=action,
            detail=json.dumps(detail)))

    def _advance(self, connection: Connection, **values) -> None:
        """Store header values; they count in this process once the transaction is through."""
        headers.store(connection, values)
        connection.info['header'] = replace(self._header, **values)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database."""
        with translated(self.path), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Give a transaction that is stored wholly or not at all."""
        if self._lock is None:
            raise StorageError(f'{self.path}: opened with inspect, which only reads; use open')
        with translated(self.path), self._engine.begin() as connection:
            connection.info.pop('header', None)
            yield connection
            header = connection.info.pop('header', self._header)
        self._header = header
