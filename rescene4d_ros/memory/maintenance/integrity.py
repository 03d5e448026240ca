"""Whether a memory on disk is whole: every file there and unaltered, every fact about a visit."""

from __future__ import annotations

from pathlib import Path

from rescene4d_ros.errors import FileFormatError, MemoryDamagedError, RescenError
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.manifest import LEFT
from rescene4d_ros.memory.database.memory_metadata import Metadata
from rescene4d_ros.memory.database.row_encoding import as_stored, decoded, is_intact, name_of
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitStatus
from sqlalchemy import Connection, select

ATTEMPTS = 5  # at a memory that a writer changes


def check(path: Path | str, url: str | None = None) -> tuple[tuple[str, ...], str]:
    """
    Check a memory that may be damaged in any way, without changing it.

    Faults of a memory that a writer changed meanwhile are looked for again: they may come of two
    states of it.

    Returns
    -------
    tuple of str
        What is wrong, for people; empty where all is well.
    str
        Number of visits and objects and revision, for people; empty if they cannot be read.

    """
    faults: tuple[str, ...] = ()
    try:
        for _ in range(ATTEMPTS):
            with SceneMemory.inspect(path, url) as memory:
                faults = find_faults(memory)
                n_visits, n_objects = len(memory.visits()), len(memory.records)
                metadata = memory.metadata
            if not faults or _metadata(path, url) == metadata:
                break
        revision = metadata.revision
        return faults, f'{n_visits} visits, {n_objects} objects, revision {revision}'
    except RescenError as error:
        return faults or (str(error),), ''


def _metadata(path: Path | str, url: str | None) -> Metadata:
    with SceneMemory.inspect(path, url) as memory:
        return memory.metadata


def find_faults(memory: SceneMemory) -> tuple[str, ...]:
    """
    Check a memory without changing it.

    Returns
    -------
    tuple of str
        What is wrong, for people; empty where all is well.

    """
    faults = [*memory.database.faults()]
    with memory.database.reading() as connection:
        altered = _altered_rows(connection)
    if altered:  # nothing can be read from these tables
        return (*faults, *altered)
    metadata, snapshot = memory.metadata, memory.snapshot()
    known = {item.object_id for item in snapshot.objects}
    aliases = dict(snapshot.aliases)
    if known and max(known) >= metadata.next_object_id:
        faults.append(
            f'object {max(known)} exists, but the counter stands at '
            f'{metadata.next_object_id}: an id could be given twice'
        )
    for visit in snapshot.visits:
        where = f'visit {visit.visit_id} {visit.name!r}'
        try:
            scan = memory.scan(visit.visit_id)
        except RescenError as error:
            faults.append(f'{where}: {error}')
            continue
        points = len(scan)
        if scan.stamp_ns != visit.stamp_ns:
            faults.append(
                f'{where}: expected points of stamp {visit.stamp_ns}, its file has those of '
                f'{scan.stamp_ns}; restore a backup, or `rescene4d memory repair`'
            )
        if points != visit.n_points:
            faults.append(f'{where}: expected {visit.n_points} points, its file has {points}')
        labels = memory.labels(visit.visit_id)
        if len(labels) != points:
            faults.append(f'{where}: {points} points, but {len(labels)} labels')
        strangers = sorted(set(labels.tolist()) - known - set(aliases) - {0})
        if visit.status == VisitStatus.DONE and strangers:
            faults.append(f'{where}: its points name objects that are not known: {strangers[:5]}')
    faults += [
        f'object {alias_id} is an alias of {object_id}, but still known as an object'
        for alias_id, object_id in aliases.items()
        if alias_id in known
    ]
    if (memory.path / LEFT).is_file():
        faults.append(
            f'{LEFT}: a move to another database was killed; `rescene4d memory move` '
            'there once more deletes what it left'
        )
    try:
        strays = memory.stray_files()
    except FileFormatError:
        strays = set()  # said of the visit above
    for name in sorted(strays):
        faults.append(
            f'{name}: a file of no stored visit; its process was killed between file and '
            'database, and the sender was never told it is stored; `rescene4d memory repair` '
            'removes it'
        )
    return tuple(faults)


def _altered_rows(connection: Connection) -> tuple[str, ...]:
    """Return which rows are not as they were stored, for people."""
    found = []
    for table in schema.tables.sorted_tables:
        stored = as_stored(table)
        for row in connection.execute(select(stored)).all():
            try:
                intact = is_intact(table, decoded(table, row._mapping))
            except MemoryDamagedError:
                intact = False
            if not intact:
                name = name_of(table, row._mapping)
                found.append(
                    f'table {table.name}, row {name}: not as it was stored; restore a backup, '
                    'or `rescene4d memory repair`'
                )
    return tuple(found)
