"""What a memory says before and after, counted: sightings, ids and changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import ObjectState, VisitStatus

Sighting = tuple[int, int]  # visit id, object id


@dataclass(frozen=True)
class MemoryState:
    """
    Hold what of a memory is compared.

    Attributes
    ----------
    revision : int
    visits : mapping of str to int
        Number of visits by status.
    objects : frozenset of int
    sightings : frozenset of (int, int)
        Visit and object, where a visit showed it.
    changes : frozenset of (int, str, int)
        Visit, kind and object.

    """

    revision: int
    visits: Mapping[str, int]
    objects: frozenset[int]
    sightings: frozenset[Sighting]
    changes: frozenset[tuple[int, str, int]]

    @classmethod
    def of(cls, memory: SceneMemory) -> MemoryState:
        """Read it."""
        visits = memory.visits()
        return cls(
            memory.metadata.revision,
            {s.name: n for s in VisitStatus if (n := sum(v.status == s for v in visits))},
            frozenset(memory.records),
            frozenset(
                (visit_id, object_id)
                for object_id, past in memory.past.items()
                for visit_id, state in past
                if state == ObjectState.PRESENT
            ),
            frozenset((c.visit_id, c.kind.name, c.object_id) for c in memory.changes()),
        )


def differences(before: MemoryState, after: MemoryState) -> dict[str, Any]:
    """
    Count what two states of a memory have in common, and what only one has.

    Returns
    -------
    dict
        `objects`, `sightings` and `changes`: each with `before`, `after` and `kept`; `visits` of
        both by status. Plain values.

    """
    counts = {
        name: {'before': len(one), 'after': len(other), 'kept': len(one & other)}
        for name in ('objects', 'sightings', 'changes')
        for one, other in ((getattr(before, name), getattr(after, name)),)
    }
    return {'visits': {'before': dict(before.visits), 'after': dict(after.visits)}, **counts}
