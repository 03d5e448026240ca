"""A visit together with what is known before it is interpreted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rescene4d_ros.structures import VisitInfo
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.visit_view import VisitView, was_looked_at


@dataclass(frozen=True)
class VisitContext:
    """
    Hold a visit and what is known before it.

    Attributes
    ----------
    visit : VisitInfo
    view : VisitView
        Of the visit.
    earlier : tuple of VisitView
        The earlier visits of its window, with labels, newest first; empty at the first visit of
        a place, when nothing can be new.
    class_names : tuple of str
    records : mapping of object id to ObjectRecord
        All objects remembered before the visit.
    next_id : int
        The first id that was never given.
    locked : frozenset of int
        Ids that people have locked; they are neither merged nor split.

    """

    visit: VisitInfo
    view: VisitView
    earlier: tuple[VisitView, ...]
    class_names: tuple[str, ...]
    records: Mapping[int, ObjectRecord] = field(default_factory=dict)
    next_id: int = 1
    locked: frozenset[int] = frozenset()

    def was_observed(self, observation: Observation) -> bool:
        """Return whether an earlier visit saw the place of an observation, empty or not."""
        return was_looked_at(observation, self.earlier)
