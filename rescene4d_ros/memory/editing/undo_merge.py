"""A merge by hand taken back after later visits: the younger id is an object of its own again."""

from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.memory.database import schema, tables, undo_log
from rescene4d_ros.memory.editing.reapply_splits import UNDONE
from rescene4d_ros.memory.editing.rebuild import replay
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import ChangeKind, ObjectState, VisitStatus


def part(memory: SceneMemory, entry: int, young: int, since: Sequence[int]) -> int:
    """
    Make two objects of what was merged by hand, each with its own earlier observations.

    Visits since the merge saw one object. What they showed, and what they said had changed, stays
    with the older id; of the younger one they say that it was not observed. Nobody can tell from
    them which of the two they saw.

    Parameters
    ----------
    memory : SceneMemory
    entry : int
        Of the merge in the journal.
    young : int
        The id that became an alias.
    since : sequence of int
        Visits that were processed after the merge.

    Returns
    -------
    int
        The id with which the later observations stay.

    """
    old = memory.known_id(young)
    records = replay(memory, memory.visits(VisitStatus.DONE), apart=[young])
    detail = {'entry': entry, 'object': young, 'from': old, 'visits': list(since)}
    with memory.correcting(UNDONE, detail) as (connection, _):
        changes, aliases = schema.changes.c, schema.aliases.c
        connection.execute(schema.aliases.delete().where(aliases.alias_id == young))
        connection.execute(
            schema.changes.delete().where(
                changes.object_id == young, changes.kind == int(ChangeKind.MERGED)
            )
        )
        connection.execute(
            schema.states.insert(),
            [
                {'visit_id': visit_id, 'object_id': young, 'state': int(ObjectState.NOT_OBSERVED)}
                for visit_id in since
            ],
        )
        tables.put_records(connection, [records[old], records[young]])
        undo_log.drop(connection, entry)
    return old
