"""What one question needs of a memory, each thing read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from rescene4d_ros.errors import FileFormatError, MemoryDamagedError, StorageError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.database.history_queries import NANOSECONDS
from rescene4d_ros.memory.queries import ObjectLocation
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import read_zones, Zone, zones_of
from rescene4d_ros.questions import sentences
from rescene4d_ros.questions.answer import ObjectFact, Outcome
from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.language.vocabulary import names_of_color, vocabulary
from rescene4d_ros.questions.query import Query
from rescene4d_ros.structures import Change, ObjectState, Scan, VisitInfo, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve


class KnownFacts:
    """
    Read what a memory knows at a time.

    Parameters
    ----------
    memory : SceneMemory
    at_ns : int or None, ns since the Unix epoch
        None = now.

    """

    def __init__(self, memory: SceneMemory, at_ns: int | None):
        self.memory = memory
        self.at_ns = at_ns
        self._clouds: dict[int, tuple[Scan, np.ndarray] | None] = {}

    @cached_property
    def visits(self) -> tuple[VisitInfo, ...]:
        """Return the processed visits up to the time, in stamp order."""
        return tuple(
            visit
            for visit in self.memory.visits(VisitStatus.DONE)
            if self.at_ns is None or visit.stamp_ns <= self.at_ns
        )

    @cached_property
    def aliases(self) -> dict[int, int]:
        """Return which ids proved to be others, which may be aliases, too; see `resolve`."""
        return self.memory.aliases()

    @cached_property
    def zones(self) -> tuple[Zone, ...]:
        """Return the named parts of the map."""
        return read_zones(self.memory.path)

    @cached_property
    def names(self) -> dict[int, str]:
        """Return the names that people gave, by id."""
        return self.memory.names()

    def objects(
        self, object_ids: Sequence[int] | None = None, class_name: str | None = None
    ) -> tuple[ObjectFact, ...]:
        """Return what is known of some objects, those of a class, or all; by rising id."""
        places = queries.known_objects(self.memory, self.at_ns, object_ids, class_name)
        return tuple(map(self._fact, places))

    def with_colors(self, facts: Sequence[ObjectFact]) -> tuple[ObjectFact, ...]:
        """Return facts with the names of the mean color of each object where last observed."""
        return tuple(replace(fact, colors=self._colors(fact)) for fact in facts)

    def _fact(self, place: ObjectLocation) -> ObjectFact:
        """Return what is known of one object."""
        record = self.memory.records[place.object_id]
        gone_since, confidence = None, None
        if place.state != ObjectState.PRESENT:
            gone_since, confidence = self._gone_since(place)
        # What the record says of the latest observation holds for a time in the past only if
        # nothing was observed since.
        is_latest = record.last_seen_ns == place.last_seen_ns
        return ObjectFact(
            place.object_id,
            place.name,
            place.class_name,
            place.state,
            place.box,
            place.since_ns if gone_since is None else None,
            record.first_seen_ns,
            place.last_seen_ns,
            gone_since,
            confidence,
            float(record.score) if is_latest else None,
            record.alternatives if is_latest else (),
            zones=zones_of(self.zones, place.box),
        )

    def _gone_since(self, place: ObjectLocation) -> tuple[int | None, float | None]:
        """Return since when a place was observed empty, and how sure that change is."""
        until = NANOSECONDS if self.at_ns is None else self.at_ns
        found = queries.absence_of(self.memory, place.object_id, place.last_seen_ns, until)
        if found is not None:
            return found
        is_absent = place.state == ObjectState.ABSENT
        return (self.visits[-1].stamp_ns if is_absent else None), None

    def points_of(self, fact: ObjectFact) -> tuple[Scan, np.ndarray] | None:
        """
        Read the points of an object at the visit that observed it last.

        Returns
        -------
        tuple of (Scan, ndarray (N,) bool) or None
            The visit, and which of its points are the object's; None where they are damaged.

        """
        visit = next((v for v in self.visits if v.stamp_ns == fact.last_seen_ns), None)
        if visit is None:
            return None
        if visit.visit_id not in self._clouds:
            try:
                cloud = (self.memory.scan(visit.visit_id), self.memory.labels(visit.visit_id))
            except (FileFormatError, MemoryDamagedError, StorageError):
                cloud = None
            self._clouds[visit.visit_id] = cloud
        found = self._clouds[visit.visit_id]
        if found is None:
            return None
        aliases = (a for a in self.aliases if resolve(a, self.aliases) == fact.object_id)
        ids = [fact.object_id, *aliases]
        return found[0], np.isin(found[1], ids)

    def _colors(self, fact: ObjectFact) -> tuple[str, ...]:
        """Return the names of an object's mean color; empty where none can be measured."""
        found = self.points_of(fact)
        if found is None or found[0].rgb is None or not found[1].any():
            return ()
        return names_of_color(found[0].rgb[found[1]].mean(0), vocabulary().colors)


@dataclass(frozen=True)
class Found:
    """Hold outcome, text and facts of an answer; see `Answer`."""

    outcome: Outcome
    text: str
    objects: tuple[ObjectFact, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Asked:
    """
    Hold what an answer is made of.

    Attributes
    ----------
    query : Query
    known : KnownFacts
        At the time of the question, with at least one visit.
    calendar : Calendar

    """

    query: Query
    known: KnownFacts
    calendar: Calendar

    @property
    def visit(self) -> VisitInfo:
        """Return the latest visit up to the time."""
        return self.known.visits[-1]

    @property
    def is_now(self) -> bool:
        """Return whether the question is about the present."""
        return self.known.at_ns is None

    def where(self, fact: ObjectFact) -> str:
        """Return the sentence of where an object is."""
        return sentences.where_line(fact, self.visit, self.calendar, self.is_now)

    def at(self, ns: int) -> str:
        """Return a moment as text."""
        return self.calendar.text_of(ns)
