"""Answers about changes, and about the visits that found them."""

from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.memory import queries
from rescene4d_ros.memory.database.history_queries import NANOSECONDS
from rescene4d_ros.questions import sentences
from rescene4d_ros.questions.answer import Outcome
from rescene4d_ros.questions.facts import Asked, Found, KnownFacts
from rescene4d_ros.questions.query import Kind, Period, Place, Query
from rescene4d_ros.questions.selection import anchors_of, is_at, select
from rescene4d_ros.questions.sentences import many
from rescene4d_ros.structures import Change
from rescene4d_ros.tracking.object_ids import resolve


def answer_visits(asked: Asked) -> Found:
    """Return how many visits were made in a time, and when."""
    period = asked.query.period
    start = period.start_ns if period and period.start_ns is not None else -NANOSECONDS
    visits = [visit for visit in asked.known.visits if visit.stamp_ns >= start]
    phrase = sentences.period_phrase(period, asked.calendar)
    first = ', '.join(filter(None, (many(len(visits), 'visit'), phrase)))
    items = [sentences.visit_phrase(v, asked.calendar) + '.' for v in reversed(visits)]
    return Found(Outcome.ANSWERED, sentences.lines(f'{first}:', items) if items else f'{first}.')


def answer_changes(asked: Asked) -> Found:
    """Return the answer to a question about changes."""
    query, known = asked.query, asked.known
    phrase = sentences.period_phrase(query.period, asked.calendar)
    start = query.period.start_ns if query.period else None
    if start is not None and asked.visit.stamp_ns < start:
        last = sentences.visit_phrase(asked.visit, asked.calendar)
        return Found(Outcome.NOTHING_KNOWN, f'No visit was made {phrase}; the last was {last}.')
    changes = [
        c for c in changes_in(known, query.period) if not query.changes or c.kind in query.changes
    ]
    if query.subjects or query.excluded:
        selection = select(known, Query(query.kind, query.subjects, excluded=query.excluded))
        if not selection.objects:
            return Found(Outcome.NOT_FOUND, f'Not found: {selection.why_none}')
        ids = {fact.object_id for fact in selection.objects}
        changes = [c for c in changes if resolve(c.object_id, known.aliases) in ids]
    if query.place is not None:
        changes = _at_place(known, query.place, changes)
    if not changes:
        what = 'No such change' if query.subjects or query.changes or query.place else 'No change'
        told = ' '.join(filter(None, (f'{what} was found', phrase)))
        last = sentences.visit_phrase(asked.visit, asked.calendar)
        return Found(Outcome.ANSWERED, f'{told}; the last visit was {last}.')
    if query.kind == Kind.LEAST_SURE:
        return _least_sure(asked, changes, phrase)
    first = ' '.join(filter(None, (many(len(changes), 'change'), phrase))) + ':'
    text = sentences.lines(first, change_lines(asked, changes))
    return Found(Outcome.ANSWERED, text, (), tuple(changes))


def changes_in(known: KnownFacts, period: Period | None) -> tuple[Change, ...]:
    """Return the changes that visits of a time found; by time, then object."""
    start = period.start_ns if period else None
    after = -NANOSECONDS if start is None else start - 1
    until = NANOSECONDS if known.at_ns is None else known.at_ns
    done = {visit.visit_id for visit in known.visits}
    found = queries.changed_between(known.memory, after, until)
    return tuple(change for change in found if change.visit_id in done)


def _least_sure(asked: Asked, changes: Sequence[Change], phrase: str) -> Found:
    """Return the changes of the lowest confidence."""
    least = min(change.confidence for change in changes)
    chosen = tuple(change for change in changes if change.confidence == least)
    first = f'Least sure of {many(len(changes), "change")} {phrase}'.rstrip() + ':'
    text = sentences.lines(first, change_lines(asked, chosen))
    return Found(Outcome.ANSWERED, text, (), chosen)


def change_lines(asked: Asked, changes: Sequence[Change]) -> list[str]:
    """Return a sentence per change."""
    stamps = {visit.visit_id: visit.stamp_ns for visit in asked.known.visits}
    names = asked.known.names
    return [
        sentences.change_line(c, names.get(c.object_id, ''), stamps[c.visit_id], asked.calendar)
        for c in changes
    ]


def _at_place(known: KnownFacts, place: Place, changes: Sequence[Change]) -> list[Change]:
    """Return the changes whose old or new place is one of a question."""
    anchors = anchors_of(known, place).objects
    besides = {fact.object_id for fact in anchors}
    return [
        c
        for c in changes
        if c.object_id not in besides
        and any(is_at(place, box, anchors) for box in (c.before, c.after) if box is not None)
    ]
