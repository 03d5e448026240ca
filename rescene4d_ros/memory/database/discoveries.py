"""What a visit makes known of earlier ones: objects discovered by their change."""

from __future__ import annotations

from rescene4d_ros.memory.database import schema, tables
from rescene4d_ros.structures import ObjectState, VisitStatus
from rescene4d_ros.tracking.discovery import with_discovered
from rescene4d_ros.tracking.records import VisitFacts
from sqlalchemy import Connection


def insert_discovered(connection: Connection, facts: VisitFacts) -> None:
    """
    Store what earlier visits show of the objects that one visit discovered.

    Points that belong to an object already keep it. Visits between say nothing of the objects.
    """
    if not facts.discovered:
        return
    done = tables.visits(connection, VisitStatus.DONE)
    by_stamp = {visit.stamp_ns: visit.visit_id for visit in done}
    for stamp_ns, linked in facts.discovered.items():
        visit_id = by_stamp[stamp_ns]
        labels = tables.labels(connection, visit_id)
        if labels is None:
            raise LookupError(f'visit {visit_id} is DONE and has no labels')
        tables.put_labels(connection, visit_id, with_discovered(labels, linked))
        tables.insert_observations(connection, visit_id, linked)
        between = [v.visit_id for v in done if stamp_ns < v.stamp_ns < facts.visit.stamp_ns]
        states = {visit_id: ObjectState.PRESENT} | dict.fromkeys(between, ObjectState.NOT_OBSERVED)
        rows = [
            {'visit_id': visit, 'object_id': object_id, 'state': state}
            for object_id in linked
            for visit, state in states.items()
        ]
        connection.execute(schema.states.insert(), rows)
