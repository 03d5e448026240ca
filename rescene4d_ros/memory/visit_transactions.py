"""Visits and what they bring, each stored in one transaction: wholly or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rescene4d_ros.memory.database import schema, tables
from rescene4d_ros.memory.database.discoveries import insert_discovered
from rescene4d_ros.memory.database.memory_database import MemoryDatabase
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.structures import Scan, VisitInfo, VisitStatus
from rescene4d_ros.tracking.records import VisitFacts
from sqlalchemy import Connection


def find_duplicate(connection: Connection, scan: Scan) -> VisitInfo | None:
    """Return the visit that has the stamp of a scan; None where there is none."""
    return next((v for v in tables.visits(connection) if v.stamp_ns == scan.stamp_ns), None)


def insert_visit(database: MemoryDatabase, scan: Scan, file_name: str) -> VisitInfo:
    """Store a visit whose points are in a file; LATE where a processed one is newer."""
    with database.writing() as connection:
        done = tables.visits(connection, VisitStatus.DONE)
        late = bool(done) and scan.stamp_ns < done[-1].stamp_ns
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
    visit_id, known = facts.visit.visit_id, database.records
    revision = database.metadata.revision + 1
    with database.writing() as connection:
        tables.insert_facts(connection, facts, revision, database.metadata.weights_hash)
        insert_discovered(connection, facts)
        changed = [r for i, r in facts.records.items() if known.get(i) is not r]
        tables.put_records(connection, changed)
        tables.drop_records(connection, set(known) - set(facts.records))
        detail = {
            'objects': len(facts.records),
            'changes': len(facts.changes),
            'merged': tables.add_aliases(connection, facts.changes),
        }
        database.note(connection, visit_id, JournalAction.VISIT_PROCESSED, detail)
        next_id = _next_object_id(database, [facts])
        database.advance(connection, revision=revision, next_object_id=next_id)
    if facts.discovered:
        database.reload()  # the past has more than this visit
        return revision
    past = dict(database.past)
    for object_id, state in facts.states.items():
        past[object_id] = (*past.get(object_id, ()), (visit_id, state))
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
        tables.erase_facts(connection, [*(f.visit.visit_id for f in history), *failed])
        for visit_id, reason in failed.items():
            _set_failed(connection, visit_id, reason)
        for facts in history:
            tables.insert_facts(connection, facts, revision, weights_hash)
            insert_discovered(connection, facts)
            tables.add_aliases(connection, facts.changes)
        dropped = sorted(set(database.records) - set(records))
        connection.execute(schema.objects.delete())
        tables.put_records(connection, records.values())
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
    tables.change_visit(connection, visit_id, status=VisitStatus.FAILED, reason=reason)


def _next_object_id(database: MemoryDatabase, history: Sequence[VisitFacts]) -> int:
    """Return the smallest id never given; the counter only grows."""
    return max(
        [
            database.metadata.next_object_id,
            *(i + 1 for facts in history for i in facts.records),
            *(c.object_id + 1 for facts in history for c in facts.changes),
        ]
    )
