"""
The scene memory on disk: facts in a database, points in files beside it.

A visit is durable before it is processed; what it brings is stored in one transaction; ids come
from counters that only grow. Killing the process at any moment loses nothing of this.
"""

from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.errors import DuplicateVisitError, ScanError, VisitOrderError
from rescene4d_ros.memory.database import schema, tables
from rescene4d_ros.memory.database.engine import translated
from rescene4d_ros.memory.reading import ReadableMemory
from rescene4d_ros.structures import Scan, VisitInfo, VisitStatus
from rescene4d_ros.tracking.records import VisitFacts
from sqlalchemy import func, select, text, update


class SceneMemory(ReadableMemory):
    """
    Hold one map's visits, objects and changes in a directory.

    Methods may be called from several threads of the writer's process.
    """

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
            raise ScanError(
                f'visit {scan.name!r}: expected points in frame '
                f'{self._header.frame_id!r}, got {scan.frame_id!r}; transform them'
            )
        if len(scan) == 0:
            raise ScanError(f'visit {scan.name!r}: expected points, got none; check the sensor')
        with self.mutex:
            self._refuse_duplicate(scan)
            file_name = self.files.write(scan)
            with self.writing() as connection:
                newest = connection.execute(
                    select(func.max(schema.visits.c.stamp_ns)).where(
                        schema.visits.c.status == int(VisitStatus.DONE)
                    )
                ).scalar()
                late = newest is not None and scan.stamp_ns < newest
                visit = VisitInfo(
                    self._header.next_visit_id,
                    int(scan.stamp_ns),
                    VisitStatus.LATE if late else VisitStatus.PENDING,
                    scan.name,
                    len(scan),
                )
                connection.execute(
                    schema.visits.insert().values(
                        visit_id=visit.visit_id,
                        stamp_ns=visit.stamp_ns,
                        status=int(visit.status),
                        name=visit.name,
                        file=file_name,
                        n_points=visit.n_points,
                        reason='',
                    )
                )
                self.note(connection, visit.visit_id, 'visit stored', {'late': late})
                self.advance(connection, next_visit_id=visit.visit_id + 1)
        if late:
            raise VisitOrderError(
                f'visit {visit.visit_id} {scan.name!r}: stamp {scan.stamp_ns} is older than the '
                f'newest processed visit ({newest}); it is stored, call reprocess to take it in'
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
            with self.writing() as connection:
                revision = self._header.revision + 1
                tables.insert(connection, facts, revision, self._header.weights_hash)
                changed = [
                    record
                    for object_id, record in facts.records.items()
                    if self._records.get(object_id) is not record
                ]
                tables.put_records(connection, changed)
                tables.drop_records(connection, set(self._records) - set(facts.records))
                merged = tables.add_aliases(connection, facts.changes)
                self.note(
                    connection,
                    facts.visit.visit_id,
                    'visit processed',
                    {
                        'objects': len(facts.records),
                        'changes': len(facts.changes),
                        'merged': merged,
                    },
                )
                self.advance(connection, revision=revision, next_object_id=self._beyond(facts))
            self._records = dict(facts.records)
            for object_id, state in facts.states.items():
                self._past[object_id] = (
                    *self._past.get(object_id, ()),
                    (facts.visit.visit_id, state),
                )
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
        with self.mutex:
            with self.writing() as connection:
                revision = self._header.revision + 1
                tables.erase(connection, [facts.visit.visit_id for facts in history])
                for facts in history:
                    tables.insert(connection, facts, revision, self._header.weights_hash)
                    tables.add_aliases(connection, facts.changes)
                records = history[-1].records
                dropped = sorted(set(self._records) - set(records))
                connection.execute(schema.objects.delete())
                tables.put_records(connection, records.values())
                self.note(
                    connection,
                    history[0].visit.visit_id,
                    'visits reprocessed',
                    {'visits': len(history), 'dropped objects': dropped},
                )
                self.advance(connection, revision=revision, next_object_id=self._beyond(*history))
            self._load()
            return revision

    def fail(self, visit_id: int, reason: str) -> None:
        """Mark a visit as not processable, with the reason; its points stay stored."""
        with self.mutex, self.writing() as connection:
            connection.execute(
                update(schema.visits)
                .where(schema.visits.c.visit_id == visit_id)
                .values(status=int(VisitStatus.FAILED), reason=reason)
            )
            self.note(connection, visit_id, 'visit failed', {'reason': reason})

    def checkpoint(self) -> None:
        """Make the database overwrite what was deleted, in its tables and, on SQLite, its log."""
        with translated(self.path), self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level='AUTOCOMMIT')
            if self._engine.dialect.name == 'sqlite':
                connection.execute(text('PRAGMA wal_checkpoint(TRUNCATE)'))
                return
            connection.execute(text(f'VACUUM (FULL, ANALYZE) {", ".join(schema.tables.tables)}'))

    def _refuse_duplicate(self, scan: Scan) -> None:
        """Raise where the stamp is taken."""
        with self.reading() as connection:
            twin = connection.execute(
                select(schema.visits).where(schema.visits.c.stamp_ns == int(scan.stamp_ns))
            ).first()
        if twin is not None:
            raise DuplicateVisitError(
                f'visit {scan.name!r}: expected a new stamp, but {scan.stamp_ns} is stored as '
                f'visit {twin.visit_id} {twin.name!r}; a visit is sent once'
            )

    def _beyond(self, *history: VisitFacts) -> int:
        """Return the smallest id never given, which the counter may only approach from below."""
        return max(
            [
                self._header.next_object_id,
                *(i + 1 for facts in history for i in facts.records),
                *(c.object_id + 1 for facts in history for c in facts.changes),
            ]
        )
