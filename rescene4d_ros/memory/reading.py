"""What a scene memory on disk holds, read in one state each time."""

from __future__ import annotations

import json

import numpy as np
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database import codecs, history_queries, schema, tables
from rescene4d_ros.memory.database import metadata as headers
from rescene4d_ros.memory.database.tables import Seen, Sighting
from rescene4d_ros.memory.opening import OpenMemory
from rescene4d_ros.structures import (
    Change,
    MemorySnapshot,
    ObjectState,
    Scan,
    VisitInfo,
    VisitStatus,
)
from sqlalchemy import select, text


class ReadableMemory(OpenMemory):
    """Answer what is stored: visits and their points, objects, changes, corrections."""

    def visits(self, *statuses: VisitStatus) -> tuple[VisitInfo, ...]:
        """Return the stored visits in stamp order, of some statuses or all."""
        with self.reading() as connection:
            return tables.visits(connection, *statuses)

    def pending(self) -> tuple[VisitInfo, ...]:
        """Return the visits that wait for processing, in stamp order."""
        return self.visits(VisitStatus.PENDING)

    def scan(self, visit_id: int) -> Scan:
        """
        Read the points of a visit, exactly as they came.

        Raises
        ------
        FileFormatError
            The file is missing or damaged.

        """
        return self.files.read(self.key(visit_id))

    def key(self, visit_id: int) -> str:
        """Return a name that changes with the visit's points; for caches."""
        return self._visit_row(visit_id).file

    def keys(self) -> dict[int, str]:
        """Return the key of every visit."""
        with self.reading() as connection:
            return {
                row.visit_id: row.file
                for row in connection.execute(
                    select(schema.visits.c.visit_id, schema.visits.c.file)
                )
            }

    def labels(self, visit_id: int) -> np.ndarray:
        """
        Return the persistent id of every point of a processed visit.

        Returns
        -------
        ndarray (N,), int64
            0 = none; all 0 for a visit that is not processed.

        """
        with self.reading() as connection:
            data = connection.execute(
                select(schema.labels.c.object_ids).where(schema.labels.c.visit_id == visit_id)
            ).scalar()
        if data is None:
            return np.zeros(self._visit_row(visit_id).n_points, dtype=np.int64)
        return codecs.decode_labels(data)

    def failure(self, visit_id: int) -> str:
        """Return why a visit has status FAILED; empty for others."""
        return self._visit_row(visit_id).reason

    def snapshot(self) -> MemorySnapshot:
        """Return everything the memory says now, consistent in itself."""
        with self.reading() as connection:
            header = headers.load(connection, str(self.path))
            visits, states = tables.visits(connection), tables.histories(connection)
            records, aliases = tables.records(connection), tables.aliases(connection)
        objects = tuple(
            record.as_object(header.class_names, states.get(object_id, ()))
            for object_id, record in records.items()
        )
        return MemorySnapshot(
            header.map_id,
            header.frame_id,
            header.revision,
            header.class_names,
            visits,
            objects,
            tuple(sorted(aliases.items())),
        )

    def changes(self, since_revision: int = 0) -> tuple[Change, ...]:
        """Return the changes stored after a revision, in the order they were found."""
        with self.reading() as connection:
            return tables.changes(connection, since_revision)

    def histories(self) -> dict[int, tuple[tuple[int, ObjectState], ...]]:
        """Return the state of every object at every processed visit since its first."""
        with self.reading() as connection:
            return tables.histories(connection)

    def observed(self, visit_id: int) -> tuple[Seen, ...]:
        """Return what the segmenter said of each object that a visit shows, by rising id."""
        with self.reading() as connection:
            return tables.seen(connection, visit_id)

    def aliases(self) -> dict[int, int]:
        """Return which ids proved to be others: younger id to the one it is an alias of."""
        with self.reading() as connection:
            return tables.aliases(connection)

    def locked(self) -> frozenset[int]:
        """Return the ids that people have locked."""
        with self.reading() as connection:
            return frozenset(
                row.object_id
                for row in connection.execute(
                    select(schema.notes).where(schema.notes.c.is_locked == 1)
                )
            )

    def sightings(self) -> tuple[Sighting, ...]:
        """Return where and when every object was seen, by stamp, then object."""
        with self.reading() as connection:
            return tables.sightings(connection)

    def names(self) -> dict[int, str]:
        """Return the names that people gave to objects."""
        with self.reading() as connection:
            return {
                row.object_id: row.name
                for row in connection.execute(select(schema.notes))
                if row.name
            }

    def known_id(self, object_id: int) -> int:
        """
        Return the id to use for one that may be an alias.

        Raises
        ------
        MemoryFormatError
            No object ever had it, or it was deleted.

        """
        with self.reading() as connection:
            now = history_queries.current_id(connection, object_id)
        if now is None:
            raise MemoryFormatError(
                f'{self.path}: expected an object id, found no object '
                f'{object_id}; see `rescene4d memory show`'
            )
        return now

    def journal(self, *actions: str) -> tuple[dict, ...]:
        """Return what was done to the memory, oldest first; all or some kinds of actions."""
        query = select(schema.journal).order_by(schema.journal.c.entry_id)
        if actions:
            query = query.where(schema.journal.c.action.in_(actions))
        with self.reading() as connection:
            entries = connection.execute(query)
            return tuple(
                {
                    'entry_id': row.entry_id,
                    'revision': row.revision,
                    'visit_id': row.visit_id,
                    'action': row.action,
                    'detail': json.loads(row.detail),
                }
                for row in entries
            )

    def database_faults(self) -> tuple[str, ...]:
        """Return what the database itself finds wrong; empty where all is well."""
        if self._engine.dialect.name != 'sqlite':
            return ()
        with self.reading() as connection:
            found = [row[0] for row in connection.execute(text('PRAGMA integrity_check'))]
        return tuple(f'database: {line}' for line in found if line != 'ok')

    def stray_files(self) -> set[str]:
        """Return the names of point files that belong to no stored visit."""
        with self.reading() as connection:
            used = {row.file for row in connection.execute(select(schema.visits.c.file))}
        return self.files.names() - used

    def _visit_row(self, visit_id: int):
        """Return the row of a visit, or say that there is none."""
        with self.reading() as connection:
            row = connection.execute(
                select(schema.visits).where(schema.visits.c.visit_id == visit_id)
            ).first()
        if row is None:
            raise MemoryFormatError(
                f'{self.path}: expected a visit {visit_id}, found none; '
                'see `rescene4d memory show`'
            )
        return row
