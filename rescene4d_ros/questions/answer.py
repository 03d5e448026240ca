"""Answers: facts with ids, places, dates and certainty, and the sentences that state them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.query import Query
from rescene4d_ros.structures import Box, Change, ObjectState


class Outcome(Enum):
    """What became of a question."""

    ANSWERED = 'answered'
    AMBIGUOUS = 'ambiguous'  # several objects may be meant; all are listed
    NOT_FOUND = 'not found'  # no such object is known
    NOTHING_KNOWN = 'nothing known'  # no visit was made at that time
    NOT_UNDERSTOOD = 'not understood'


@dataclass(frozen=True)
class ObjectFact:
    """
    Hold what is known of one object at the time that a question is about.

    Attributes
    ----------
    object_id : int
    name : str
        Given by people; empty = none.
    class_name : str
    state : ObjectState
        At the latest visit up to the time.
    box : Box
        Latest place known up to the time, in map.
    since_ns : int or None, ns since the Unix epoch
        First visit that observed it there; None = it is gone.
    first_seen_ns, last_seen_ns : int, ns since the Unix epoch
    gone_since_ns : int or None, ns since the Unix epoch
        First visit after `last_seen_ns` that observed its place empty; None = not gone.
    gone_confidence : float or None, 0..1
        Of the change that removed it.
    score : float or None, 0..1
        Of its latest observation, not calibrated; None for a time in the past.
    alternatives : tuple of int
        Look-alikes that it may be confused with; empty for a time in the past.
    colors : tuple of str or None
        Names of its mean color; None = not asked for, empty = no color was measured.
    zones : tuple of str
        Names of the zones that hold it.

    """

    object_id: int
    name: str
    class_name: str
    state: ObjectState
    box: Box
    since_ns: int | None
    first_seen_ns: int
    last_seen_ns: int
    gone_since_ns: int | None = None
    gone_confidence: float | None = None
    score: float | None = None
    alternatives: tuple[int, ...] = ()
    colors: tuple[str, ...] | None = None
    zones: tuple[str, ...] = ()

    @property
    def is_gone(self) -> bool:
        """Return whether its place was observed empty since it was last seen."""
        return self.gone_since_ns is not None


@dataclass(frozen=True)
class Answer:
    """
    Hold the answer to a question.

    Attributes
    ----------
    question : str
    outcome : Outcome
    text : str
        Sentences for people, one per line.
    query : Query or None
        How the question was understood; None where it was not.
    objects : tuple of ObjectFact
    changes : tuple of Change
    not_understood : tuple of str
        Words of the question that have no meaning here; `text` says them too.
    revision : int
        Of the memory that answered.
    frame_id : str
        Frame of all places.
    calendar : Calendar
        What dates refer to.

    """

    question: str
    outcome: Outcome
    text: str
    query: Query | None
    objects: tuple[ObjectFact, ...]
    changes: tuple[Change, ...]
    not_understood: tuple[str, ...]
    revision: int
    frame_id: str
    calendar: Calendar


def answer_document(answer: Answer) -> dict[str, Any]:
    """
    Return an answer as values that `json` writes.

    Lengths in m, angles in rad, everything in `frame_id`; times in ISO 8601 with the offset of the
    time zone of the question.

    """
    calendar, query = answer.calendar, answer.query

    def at(ns: int | None) -> str | None:
        return None if ns is None else calendar.at(ns).isoformat()

    period = query.period if query else None
    return {
        'question': answer.question,
        'outcome': answer.outcome.value,
        'text': answer.text,
        'not_understood': list(answer.not_understood),
        'asked': None
        if query is None
        else {
            'kind': query.kind.value,
            'subjects': [subject.words for subject in query.subjects],
            'from': at(period.start_ns) if period else None,
            'until': at(period.end_ns) if period else None,
            'zone': query.place.zone.name if query.place and query.place.zone else None,
            'is_outside': query.place is not None and query.place.is_outside,
        },
        'objects': [object_document(fact, calendar) for fact in answer.objects],
        'changes': [change_document(change, calendar) for change in answer.changes],
        'revision': answer.revision,
        'frame_id': answer.frame_id,
        'time_zone': str(calendar.zone),
    }


def object_document(fact: ObjectFact, calendar: Calendar) -> dict[str, Any]:
    """Return what is known of one object as values that `json` writes."""

    def at(ns: int | None) -> str | None:
        return None if ns is None else calendar.at(ns).isoformat()

    return {
        'object_id': fact.object_id,
        'name': fact.name,
        'class': fact.class_name,
        'state': fact.state.name,
        'is_gone': fact.is_gone,
        'box': _box(fact.box),
        'zones': list(fact.zones),
        'since': at(fact.since_ns),
        'first_seen': at(fact.first_seen_ns),
        'last_seen': at(fact.last_seen_ns),
        'gone_since': at(fact.gone_since_ns),
        'gone_confidence': fact.gone_confidence,
        'score': fact.score,
        'alternatives': list(fact.alternatives),
        'colors': None if fact.colors is None else list(fact.colors),
    }


def change_document(change: Change, calendar: Calendar) -> dict[str, Any]:
    """Return a change as values that `json` writes."""
    before = change.evidence_before_ns
    return {
        'kind': change.kind.name,
        'object_id': change.object_id,
        'other_id': change.other_id,
        'class': change.class_name,
        'confidence': float(change.confidence),
        'visit_id': change.visit_id,
        'before': _box(change.before),
        'after': _box(change.after),
        'old_state_last_observed': None if before is None else calendar.at(before).isoformat(),
        'new_state_first_observed': calendar.at(change.evidence_after_ns).isoformat(),
    }


def _box(box: Box | None) -> dict[str, Any] | None:
    """Return a box by its numbers."""
    if box is None:
        return None
    return {
        'center': [float(v) for v in box.center],
        'size': [float(v) for v in box.size],
        'yaw': float(box.yaw),
    }
