"""Facts as sentences; names of objects are quoted, because people may give any name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import json

from rescene4d_ros.questions.answer import ObjectFact
from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.query import Period, Place
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, VisitInfo

MOST_LINES = 20  # of one answer; its facts are complete


def called(fact: ObjectFact) -> str:
    """Return how an answer calls an object."""
    return with_name(fact.name, f'{fact.class_name} {fact.object_id}')


def with_name(name: str, plain: str) -> str:
    """Return class and id of an object with its name, in which quotation marks are escaped."""
    return f'{json.dumps(name, ensure_ascii=False)} ({plain})' if name else plain


def point(box: Box) -> str:
    """Return the center of a box."""
    return '({:.2f}, {:.2f}, {:.2f}) m'.format(*(round(v, 2) + 0.0 for v in box.center))


def place_of(fact: ObjectFact) -> str:
    """Return the center of an object with the zones that hold it."""
    zones = ' and '.join(json.dumps(name, ensure_ascii=False) for name in fact.zones)
    return f'{point(fact.box)} in {zones}' if zones else point(fact.box)


def visit_phrase(visit: VisitInfo, calendar: Calendar) -> str:
    """Return a visit with its time."""
    return f'visit {visit.visit_id} ({calendar.text_of(visit.stamp_ns)})'


def period_phrase(period: Period | None, calendar: Calendar) -> str:
    """Return a time as it was asked, with the dates that it stands for."""
    if period is None:
        return ''
    start = '' if period.start_ns is None else calendar.text_of(period.start_ns)
    end = '' if period.end_ns is None else calendar.text_of(period.end_ns - 1)
    if start == end:
        return f'{period.text} ({start})'
    both = (f'from {start}' if start else '', f'until {end}' if end else '')
    return f'{period.text} ({" ".join(filter(None, both))})'


def place_phrase(place: Place) -> str:
    """Return a place as it was asked."""
    if place.is_outside:
        return f'not {place_phrase(replace(place, is_outside=False))}'
    if place.near:
        return f'within {place.distance:.2g} m of {" or ".join(s.words for s in place.near)}'
    if place.zone is not None:
        return f'in zone "{place.zone.name}"'
    return f'in the box from {place.low} to {place.high} m'


def color_phrase(fact: ObjectFact) -> str:
    """Return the color of an object."""
    if not fact.colors:
        return f'{called(fact)} has no measured color'
    others = f' (or {", ".join(fact.colors[1:])})' if fact.colors[1:] else ''
    return f'{called(fact)} is {fact.colors[0]}{others}'


def where_line(fact: ObjectFact, visit: VisitInfo, calendar: Calendar, is_now: bool) -> str:
    """Return where an object is at a visit, or what became of it."""
    seen = calendar.text_of(fact.last_seen_ns)
    at_visit = ('the last visit, ' if is_now else '') + visit_phrase(visit, calendar)
    is_word, was_word = ('is', 'has been') if is_now else ('was', 'had been')
    if fact.gone_since_ns is not None:
        sure = f', confidence {fact.gone_confidence:.2f}' if fact.gone_confidence else ''
        since = calendar.text_of(fact.gone_since_ns)
        unseen = '' if fact.state == ObjectState.ABSENT else f'; not observed at {at_visit}'
        return (
            f'{called(fact)} {is_word} gone: its place {place_of(fact)} was observed empty on '
            f'{since}{sure}; last seen {seen}{unseen}.'
        )
    if fact.state == ObjectState.NOT_OBSERVED:
        return (
            f'{called(fact)} was not observed at {at_visit}; last seen {seen} at {place_of(fact)}.'
        )
    since = '' if fact.since_ns is None else calendar.text_of(fact.since_ns)
    return (
        f'{called(fact)} {is_word} at {place_of(fact)}, where it {was_word} since {since}; '
        f'observed at {at_visit}{certainty(fact)}.'
    )


def certainty(fact: ObjectFact) -> str:
    """Return how sure the latest observation of an object is."""
    if fact.alternatives:
        return f'; it may be confused with object {", ".join(map(str, fact.alternatives))}'
    return '' if fact.score is None else f', score {fact.score:.2f}'


def change_line(change: Change, name: str, stamp_ns: int, calendar: Calendar) -> str:
    """Return one change."""
    who = with_name(name, f'{change.class_name} {change.object_id}')
    before = '' if change.before is None else f' from {point(change.before)}'
    after = '' if change.after is None else f' to {point(change.after)}'
    at = after.replace(' to ', ' at ')
    what = {
        ChangeKind.ADDED: f'was added{at}',
        ChangeKind.REMOVED: f'was removed{before}',
        ChangeKind.MOVED: f'moved{before}{after}',
        ChangeKind.DEFORMED: f'changed its shape{at}',
        ChangeKind.REAPPEARED: f'is back{at}',
        ChangeKind.MERGED: f'is the same as object {change.other_id}',
    }.get(change.kind, change.kind.name.lower())
    return (
        f'{calendar.text_of(stamp_ns)} (visit {change.visit_id}): {who} {what}, '
        f'confidence {change.confidence:.2f}.'
    )


def sentence(text: str) -> str:
    """Return a text with a capital letter."""
    return text[:1].upper() + text[1:]


def lines(first: str, items: Sequence[str]) -> str:
    """Return a sentence with a list below it, cut where it is long."""
    shown = [f'- {sentence(item)}' for item in items[:MOST_LINES]]
    if len(items) > MOST_LINES:
        shown.append(f'- and {len(items) - MOST_LINES} more')
    return '\n'.join((first, *shown))


def many(number: int, singular: str) -> str:
    """Return a number with its noun."""
    return f'{number} {singular}' if number == 1 else f'{number} {singular}s'
