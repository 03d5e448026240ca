"""Visits and what they bring, each stored in one transaction: wholly or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rescene4d_ros.errors import DuplicateVisitError, ScanError
from rescene4d_ros.memory.database import row_access, schema
from rescene4d_ros.memory.database.memory_database import MemoryDatabase
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.structures import LATEST_NS, ObjectState, Scan, STAMPS, VisitInfo, VisitStatus
from rescene4d_ros.tracking.records import LinkedObservation, VisitFacts
from rescene4d_ros.tracking.regions.discovery import with_discovered
from sqlalchemy import Connection


def check_scan(scan: Scan, frame_id: str, origin: tuple[float, float, float] | None) -> None:
    """
    Refuse a scan that cannot be a visit of a memory.

    Raises
    ------
    ScanError
        Another frame or origin than the memory's, no points, or no time of a visit.

    """
    if scan.frame_id != frame_id:
        raise ScanError(
            f'visit {scan.name!r}: expected points in frame {frame_id!r}, got '
            f'{scan.frame_id!r}; transform them'
        )
    if not 0 <= scan.stamp_ns <= LATEST_NS:
        raise ScanError(
            f'visit {scan.name!r}: expected a stamp {STAMPS}, got '
            f'{str(scan.stamp_ns)[:24]} ns since 1970; set the time of the visit'
        )
    if len(scan) == 0:
        raise ScanError(f'visit {scan.name!r}: expected points, got none; check the sensor')
    if origin not in (None, scan.origin):
        raise ScanError(
            f'visit {scan.name!r}: expected coordinates less the origin {origin} m of '
            f'this map, got less {scan.origin} m; read the cloud with the origin of the map'
        )


def check_stamp(visits: Iterable[VisitInfo], scan: Scan) -> None:
    """
    Refuse a scan with the stamp of a stored visit.

    Raises
    ------
    DuplicateVisitError

    """
    for visit in visits:
        if visit.stamp_ns == scan.stamp_ns:
            remedy = (
                'it FAILED: `rescene4d memory delete-visit` frees its stamp for a better cloud'
                if visit.status == VisitStatus.FAILED
                else 'a visit is sent once'
            )
            raise DuplicateVisitError(
                f'visit {scan.name!r}: expected a new stamp, but {scan.stamp_ns} is stored as '
                f'visit {visit.visit_id} {visit.name!r}; {remedy}'
            )


def insert_visit(database: MemoryDatabase, scan: Scan, file_name: str) -> VisitInfo:
    """Store a visit whose points are in a file; LATE where a processed one is newer."""
    with database.writing() as connection:
        newest_ns = row_access.newest_done_ns(connection)
        late = newest_ns is not None and scan.stamp_ns < newest_ns
        visit = VisitInfo(
            database.metadata.next_visit_id,
            int(scan.stamp_ns),
            VisitStatus.LATE if late else VisitStatus.PENDING,
            scan.name,
            len(scan),
        )
        connection.execute(
            schema.visits.insert().values(
                visit_id=visit.visit_id,
                stamp_ns=visit.stamp_ns,
                status=visit.status,
                name=visit.name,
                file=file_name,
                n_points=visit.n_points,
                reason='',
            )
        )
        detail = {'late': late, 'findings': [found.as_dict() for found in scan.findings]}
        database.note(connection, visit.visit_id, JournalAction.VISIT_STORED, detail)
        database.advance(connection, next_visit_id=visit.visit_id + 1, origin=scan.origin)
    return visit


def commit_facts(database: MemoryDatabase, facts: VisitFacts) -> int:
    """Store what one visit brought; return the new revision."""
    visit_id, known, metadata = facts.visit.visit_id, database.records, database.metadata
    revision = metadata.revision + 1
    with database.writing() as connection:
        insert_facts(connection, facts, revision, metadata.weights_hash)
        insert_discovered(connection, facts)
        changed = [r for i, r in facts.records.items() if known.get(i) is not r]
        row_access.put_records(connection, changed)
        row_access.drop_records(connection, set(known) - set(facts.records))
        detail = {
            'objects': len(facts.records),
            'changes': len(facts.changes),
            'merged': row_access.add_aliases(connection, facts.changes),
        }
        database.note(connection, visit_id, JournalAction.VISIT_PROCESSED, detail)
        next_id = _next_object_id(database, [facts])
        database.advance(connection, revision=revision, next_object_id=next_id)
    past = dict(database.past)
    for object_id, state in facts.states.items():
        past[object_id] = (*past.get(object_id, ()), (visit_id, state))
    if facts.discovered:  # their past has more than this visit
        with database.reading() as connection:
            found = {i for linked in facts.discovered.values() for i in linked}
            past |= row_access.histories(connection, found)
    database.keep(facts.records, past)
    return revision


def rewrite_facts(
    database: MemoryDatabase, history: Sequence[VisitFacts], failed: Mapping[int, str]
) -> int:
    """
    Replace what a range of visits up to the newest brought; return the new revision.

    Of the visits in `failed` only the reason is stored.
    """
    revision, weights_hash = database.metadata.revision + 1, database.metadata.weights_hash
    records = history[-1].records
    with database.writing() as connection:
        erase_facts(connection, [*(f.visit.visit_id for f in history), *failed])
        for visit_id, reason in failed.items():
            _set_failed(connection, visit_id, reason)
        for facts in history:
            insert_facts(connection, facts, revision, weights_hash)
            insert_discovered(connection, facts)
            row_access.add_aliases(connection, facts.changes)
        dropped = sorted(set(database.records) - set(records))
        connection.execute(schema.objects.delete())
        row_access.put_records(connection, records.values())
        database.note(
            connection,
            history[0].visit.visit_id,
            JournalAction.VISITS_REPROCESSED,
            {'visits': len(history), 'failed': sorted(failed), 'dropped objects': dropped},
        )
        next_id = _next_object_id(database, history)
        database.advance(connection, revision=revision, next_object_id=next_id)
    database.reload()
    return revision


def mark_failed(database: MemoryDatabase, visit_id: int, reason: str) -> None:
    """Give a visit the status FAILED."""
    with database.writing() as connection:
        _set_failed(connection, visit_id, reason)
        database.note(connection, visit_id, JournalAction.VISIT_FAILED, {'reason': reason})


def _set_failed(connection: Connection, visit_id: int, reason: str) -> None:
    row_access.change_visit(connection, visit_id, status=VisitStatus.FAILED, reason=reason)


def _next_object_id(database: MemoryDatabase, history: Sequence[VisitFacts]) -> int:
    """Return the smallest id never given; the counter only grows."""
    return max(
        [
            database.metadata.next_object_id,
            *(i + 1 for facts in history for i in facts.records),
            *(c.object_id + 1 for facts in history for c in facts.changes),
        ]
    )


def insert_discovered(connection: Connection, facts: VisitFacts) -> None:
    """
    Store what earlier visits show of the objects that one visit discovered.

    Points that belong to an object already keep it. Visits between say nothing of the objects.
    """
    if not facts.discovered:
        return
    done = row_access.visits(connection, VisitStatus.DONE)
    by_stamp = {visit.stamp_ns: visit.visit_id for visit in done}
    for stamp_ns, linked in facts.discovered.items():
        visit_id = by_stamp[stamp_ns]
        labels = row_access.labels(connection, visit_id)
        if labels is None:
            raise LookupError(f'visit {visit_id} is DONE and has no labels')
        row_access.put_labels(connection, visit_id, with_discovered(labels, linked))
        insert_observations(connection, visit_id, linked)
        between = [v.visit_id for v in done if stamp_ns < v.stamp_ns < facts.visit.stamp_ns]
        states = {visit_id: ObjectState.PRESENT} | dict.fromkeys(between, ObjectState.NOT_OBSERVED)
        rows = [
            {'visit_id': visit, 'object_id': object_id, 'state': state}
            for object_id in linked
            for visit, state in states.items()
        ]
        connection.execute(schema.states.insert(), rows)


def insert_facts(
    connection: Connection, facts: VisitFacts, revision: int, weights_hash: str | None
) -> None:
    """Insert what one visit brought and mark the visit DONE."""
    visit_id = facts.visit.visit_id
    insert_observations(connection, visit_id, facts.linked)
    states = [
        {'visit_id': visit_id, 'object_id': object_id, 'state': state}
        for object_id, state in facts.states.items()
    ]
    if states:
        connection.execute(schema.states.insert(), states)
    row_access.insert_changes(connection, facts.changes, revision)
    connection.execute(
        schema.labels.insert().values(visit_id=visit_id, object_ids=facts.object_ids)
    )
    row_access.change_visit(
        connection, visit_id, status=VisitStatus.DONE, reason='', weights_hash=weights_hash
    )


def insert_observations(
    connection: Connection, visit_id: int, linked: Mapping[int, LinkedObservation]
) -> None:
    """Insert what one visit shows of some objects, by their ids."""
    rows = [
        {
            'visit_id': visit_id,
            'object_id': object_id,
            'n_points': len(link.observation.points),
            'score': float(link.observation.score),
            'box': link.observation.box,
            'link_reason': link.reason,
            'class_probs': link.observation.class_probs,
            'feature': link.observation.feature,
            'color': link.observation.color,
            'alternatives': link.alternatives,
        }
        for object_id, link in linked.items()
    ]
    if rows:
        connection.execute(schema.observations.insert(), rows)


def erase_facts(connection: Connection, visit_ids: Sequence[int]) -> None:
    """Take out what some visits brought; their points and journal stay."""
    for table in (schema.observations, schema.states, schema.changes, schema.labels):
        for visit_id in visit_ids:
            connection.execute(table.delete().where(table.c.visit_id == visit_id))
