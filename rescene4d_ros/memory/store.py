"""
The scene memory on disk: facts in a database, points in files beside it.

A visit is durable before it is processed; what it brings is stored in one transaction; ids come
from counters that only grow. Killing the process at any moment loses nothing of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from rescene4d_ros.errors import ConfigError, MemoryFormatError, StorageError, VisitOrderError
from rescene4d_ros.memory import visit_transactions
from rescene4d_ros.memory.database import history_queries, row_access
from rescene4d_ros.memory.database.memory_database import MemoryDatabase
from rescene4d_ros.memory.database.memory_metadata import Expected, Metadata
from rescene4d_ros.memory.database.row_access import StoredObservation
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.visit_files import POINTS, VisitFiles
from rescene4d_ros.structures import (
    Change,
    Finding,
    MemorySnapshot,
    ObjectState,
    Scan,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.tracking.records import ObjectRecord, VisitFacts

MAX_NAME = 200  # characters of a name of a visit, map, frame, class or object
MAX_REASON = 2000  # characters of a reason why a visit failed


class SceneMemory:
    """
    Hold one map's visits, objects and changes in a directory.

    Methods may be called from several threads of the writer's process.

    Attributes
    ----------
    path : Path
    database : MemoryDatabase
        Everything but points; for the rooms that edit and maintain memories.
    files : VisitFiles
        The points of the visits.
    mutex : RLock
        Held while something is read, worked out and written that no other thread may change.

    """

    def __init__(self, path: Path, database: MemoryDatabase, files: VisitFiles | None = None):
        self.path = path
        self.database = database
        self.files = files or VisitFiles(path / POINTS)
        self.mutex = database.mutex
        self._map_T_memory: tuple[int, np.ndarray] | None = None  # at a revision

    @classmethod
    def open(
        cls,
        path: Path | str,
        map_id: str | None,
        frame_id: str | None,
        class_names: Sequence[str] | None,
        weights_hash: str | None = None,
        create: bool = True,
        url: str | None = None,
        files: VisitFiles | None = None,
    ) -> Self:
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
        files : VisitFiles, optional
            Where the points are, if not in the directory.

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
            raise MemoryFormatError(
                f'{path}: expected a scene memory, found no such folder; check the path'
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f'{path}: cannot make the memory folder ({error.strerror}); '
                'choose a folder that may be written'
            ) from error
        classes = None if class_names is None else tuple(class_names)
        for name in (map_id, frame_id, *(classes or ())):
            if name is not None:
                check_name(name, 'a map, frame or class')
                if not name.strip():
                    raise ConfigError(
                        f'{path}: expected names of map, frame and classes, got {name!r}; '
                        'name them'
                    )
        expected = Expected(map_id, frame_id, classes, weights_hash)
        memory = cls(path, MemoryDatabase.open(path, url, expected, create), files)
        try:
            memory.files.prepare()
        except BaseException:
            memory.close()
            raise
        return memory

    @classmethod
    def edit(cls, path: Path | str, url: str | None = None) -> Self:
        """Open an existing memory for corrections, whichever map it is of; raise as `open`."""
        return cls.open(path, None, None, None, create=False, url=url)

    @classmethod
    def inspect(
        cls, path: Path | str, url: str | None = None, files: VisitFiles | None = None
    ) -> Self:
        """
        Open an existing memory for reading, also while a writer works on it.

        `url` and `files` are as for `open`.

        Raises
        ------
        MemoryFormatError
            There is no memory, or its schema is not this package's.

        """
        return cls(Path(path), MemoryDatabase.inspect(Path(path), url), files)

    def close(self) -> None:
        """Let the next writer in; the memory must not be used any more."""
        self.database.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()

    @property
    def metadata(self) -> Metadata:
        """Return map, frame, classes, revision and counters."""
        return self.database.metadata

    @property
    def origin(self) -> tuple[float, float, float] | None:
        """Return what all visits' coordinates are less than those of their source, m."""
        if self.metadata.origin is None and self.metadata.next_visit_id > 1:
            return (0.0, 0.0, 0.0)  # filled by a version that knew no other
        return self.metadata.origin

    def map_T_memory(self) -> np.ndarray:
        """
        Return what takes places of the memory to the map (4, 4), float64.

        Other than the identity where the map was moved; see `corrections.move_map`. What is
        stored stays in the frame that the map had at the first visit. Both in coordinates with
        the origin.

        """
        revision = self.metadata.revision
        if self._map_T_memory is not None and self._map_T_memory[0] == revision:
            return self._map_T_memory[1]
        entries = self.journal(JournalAction.MAP_MOVED, JournalAction.CORRECTION_UNDONE)
        undone = {entry['detail'].get('entry') for entry in entries}
        motion = np.eye(4)
        for entry in entries:
            if entry['action'] == JournalAction.MAP_MOVED and entry['entry_id'] not in undone:
                motion = np.array(entry['detail']['new_T_old']) @ motion
        self._map_T_memory = revision, motion
        return motion

    @property
    def records(self) -> Mapping[int, ObjectRecord]:
        """Return what is known of every object, by rising id."""
        return self.database.records

    @property
    def past(self) -> Mapping[int, tuple[tuple[int, ObjectState], ...]]:
        """Return (visit id, state) of every object since its first visit, by stamp."""
        return self.database.past

    def add_visit(self, scan: Scan, file_name: str | None = None) -> VisitInfo:
        """
        Store a visit durably, before anything is computed from it.

        Parameters
        ----------
        scan : Scan
        file_name : str, optional
            Of the file in `files` that holds exactly this scan already; default is to write one.

        Returns
        -------
        VisitInfo
            PENDING.

        Raises
        ------
        ScanError
            Another frame or origin than the memory's, or no points.
        DuplicateVisitError
            A visit with this stamp is stored already.
        VisitOrderError
            Older than the newest processed visit: it is stored as LATE and needs a reprocess.
        StorageError
            The disk refused; nothing stored before is lost.

        """
        visit_transactions.check_scan(scan, self.metadata.frame_id, self.origin)
        with self.mutex:
            visit_transactions.check_stamp(self.visits(), scan)
            scan = replace(scan, name=_printable(scan.name, MAX_NAME))
            file_name = file_name or self.files.write(scan)
            visit = visit_transactions.insert_visit(self.database, scan, file_name)
        if visit.status == VisitStatus.LATE:
            raise VisitOrderError(
                f'visit {visit.visit_id} {scan.name!r}: stamp {scan.stamp_ns} is older than the '
                'newest processed visit; it is stored, call reprocess to take it in'
            )
        return visit

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
        with self.mutex:
            return visit_transactions.commit_facts(self.database, facts)

    def rewrite(
        self, history: Sequence[VisitFacts], failed: Mapping[int, str] | None = None
    ) -> int:
        """
        Replace what a range of visits brought, up to the newest, in one transaction.

        Parameters
        ----------
        history : sequence of VisitFacts
            One per visit, in stamp order; their old facts are dropped.
        failed : mapping of visit id to str, optional
            Visits that could not be processed and why; their old facts are dropped too.

        Returns
        -------
        int
            The new revision.

        Raises
        ------
        StorageError
            The old state stays.

        """
        with self.mutex:
            return visit_transactions.rewrite_facts(self.database, history, failed or {})

    def fail(self, visit_id: int, reason: str) -> None:
        """Mark a visit as not processable, with the reason; its points stay stored."""
        with self.mutex:
            reason = _printable(reason, MAX_REASON)
            visit_transactions.mark_failed(self.database, visit_id, reason)

    def visits(self, *statuses: VisitStatus) -> tuple[VisitInfo, ...]:
        """Return the stored visits in stamp order, of some statuses or all."""
        found = self.database.visit_list().visits
        return tuple(v for v in found if v.status in statuses) if statuses else found

    def pending(self) -> tuple[VisitInfo, ...]:
        """Return the visits that wait for processing, in stamp order."""
        return self.visits(VisitStatus.PENDING)

    def scan(self, visit_id: int) -> Scan:
        """Read the points of a visit, exactly as they came; raise as `VisitFiles.read`."""
        return self.files.read(self.key(visit_id))

    def key(self, visit_id: int) -> str:
        """Return a name that changes with the visit's points; for caches."""
        return self._visit_row(visit_id).file

    def keys(self) -> dict[int, str]:
        """Return the key of every visit."""
        return dict(self.database.visit_list().files)

    def labels(self, visit_id: int) -> np.ndarray:
        """Return the id (N,) int64 of every point of a visit; 0 = none, or not processed."""
        labels = self._read(row_access.labels, visit_id)
        if labels is None:
            return np.zeros(self._visit_row(visit_id).n_points, dtype=np.int64)
        return labels

    def failure(self, visit_id: int) -> str:
        """Return why a visit has status FAILED; empty for others."""
        return self._visit_row(visit_id).reason

    def snapshot(self) -> MemorySnapshot:
        """Return everything the memory says now, consistent in itself."""
        return self._read(row_access.snapshot, str(self.path))

    def changes(self, since_revision: int = 0) -> tuple[Change, ...]:
        """Return the changes stored after a revision, in the order they were found."""
        return self._read(row_access.changes, since_revision)

    def observations(self, visit_id: int | None = None) -> tuple[StoredObservation, ...]:
        """Return what one visit or all showed of each object, by stamp, then object."""
        return self._read(row_access.observations, visit_id)

    def aliases(self) -> dict[int, int]:
        """Return which ids proved to be others: alias id to the one it stands for."""
        return self._read(row_access.aliases)

    def locked(self) -> frozenset[int]:
        """Return the ids that people have locked."""
        return self._read(row_access.locked)

    def names(self) -> dict[int, str]:
        """Return the names that people gave to objects."""
        return self._read(row_access.names)

    def known_id(self, object_id: int) -> int:
        """
        Return the id to use for one that may be an alias.

        Raises
        ------
        MemoryFormatError
            No object ever had it, or it was deleted.

        """
        now = self._read(history_queries.current_id, object_id)
        if now is None:
            raise MemoryFormatError(
                f'{self.path}: expected an object id, found no object '
                f'{object_id}; see `rescene4d memory show`'
            )
        return now

    def journal(self, *actions: JournalAction) -> tuple[dict, ...]:
        """Return what was done to the memory, oldest first; all or some kinds of actions."""
        return self._read(row_access.journal, *actions)

    def findings(self) -> dict[int, tuple[Finding, ...]]:
        """Return what was found of each visit's cloud before it was stored, by visit id."""
        return {
            entry['visit_id']: tuple(map(Finding.from_dict, entry['detail'].get('findings', ())))
            for entry in self.journal(JournalAction.VISIT_STORED)
        }

    def stray_files(self) -> set[str]:
        """
        Return the names of point files that belong to no stored visit.

        Raises
        ------
        FileFormatError
            A visit names no file of this package, so that one of these may be its own.

        """
        named = {self.files.path_of(name).name for name in self.keys().values()}
        return self.files.names() - named

    def _read(self, query: Callable, *arguments):
        """Return what a function reads from one state of the database."""
        with self.database.reading() as connection:
            return query(connection, *arguments)

    def _visit_row(self, visit_id: int):
        """Return the row of a visit, or say that there is none."""
        row = self._read(row_access.visit_row, visit_id)
        if row is None:
            raise MemoryFormatError(
                f'{self.path}: expected a visit {visit_id}, found none; '
                'see `rescene4d memory show`'
            )
        return row


def check_name(name: str, of: str) -> None:
    """
    Refuse a name that no database, log and message can hold.

    Raises
    ------
    ConfigError
        It is too long, or has control characters.

    """
    if len(name) > MAX_NAME or not name.isprintable():
        raise ConfigError(
            f'expected a name of {of} of at most {MAX_NAME} printable characters, got '
            f'{len(name)} characters ({name[:40]!r}); choose a shorter one'
        )


def _printable(text: str, length: int) -> str:
    """Return a text as databases, logs and messages can hold it."""
    cut = text if len(text) <= length else text[: length - 3] + '...'
    return ''.join(c if c.isprintable() else ' ' for c in cut)
