"""When visits found an object there or gone, prepared for questions about many times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from rescene4d_ros.structures import ObjectState, SceneObject

OBSERVED = (ObjectState.PRESENT, ObjectState.ABSENT)


@dataclass(frozen=True)
class Runs:
    """
    Hold the visits after which another state of an object was known, in stamp order.

    Visits that did not observe the place of the object say nothing.

    Attributes
    ----------
    starts : tuple of int, ns since the Unix epoch
    states : tuple of ObjectState
        PRESENT or ABSENT, by turns.

    """

    starts: tuple[int, ...]
    states: tuple[ObjectState, ...]

    def at(self, until_ns: int) -> tuple[ObjectState, int] | None:
        """
        Return the newest state that a visit up to a time observed, and since when it is known.

        None where no visit up to then observed the place.
        """
        k = bisect_right(self.starts, until_ns) - 1
        return None if k < 0 else (self.states[k], self.starts[k])


def runs_of(item: SceneObject, stamps: Mapping[int, int]) -> Runs:
    """Return the runs of an object; `stamps` holds the stamp (ns) of each visit by its id."""
    starts: list[int] = []
    states: list[ObjectState] = []
    for visit_id, state in item.states:
        is_new = state in OBSERVED and (not states or states[-1] != state)
        if is_new and visit_id in stamps:
            starts.append(stamps[visit_id])
            states.append(state)
    return Runs(tuple(starts), tuple(states))
