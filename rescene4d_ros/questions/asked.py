"""What an answer is made of, and what it brings."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.questions import sentences
from rescene4d_ros.questions.answer import ObjectFact, Outcome
from rescene4d_ros.questions.facts import KnownFacts
from rescene4d_ros.questions.query import Query
from rescene4d_ros.questions.times.calendar import Calendar
from rescene4d_ros.structures import Change, VisitInfo


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
