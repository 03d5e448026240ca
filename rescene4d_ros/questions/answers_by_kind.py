"""Answers about objects: where, since when, how many, what is gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rescene4d_ros.questions import sentences
from rescene4d_ros.questions.answer import ObjectFact, Outcome
from rescene4d_ros.questions.answers_of_changes import change_lines, changes_in
from rescene4d_ros.questions.facts import Asked, Found
from rescene4d_ros.questions.query import Kind
from rescene4d_ros.questions.selection import select
from rescene4d_ros.questions.sentences import called, many
from rescene4d_ros.structures import Change, ObjectState
from rescene4d_ros.tracking.object_ids import resolve


def answer_objects(asked: Asked) -> Found:
    """Return the answer to a question about objects."""
    selection = select(asked.known, asked.query)
    kind, facts = asked.query.kind, selection.objects
    if not facts and kind == Kind.STILL_THERE and asked.query.place is not None:
        facts = select(asked.known, replace(asked.query, place=None)).objects
        return _elsewhere(asked, facts, selection.why_none)
    if not facts:
        return _none(asked, selection.why_none)
    if kind in OF_MANY:
        return OF_MANY[kind](asked, facts)
    is_plural = len(asked.query.subjects) != 1 or asked.query.subjects[0].is_plural
    chosen, others = (facts, ()) if is_plural else _meant(kind, facts)
    line = OF_ONE[kind]
    items = [line(asked, fact) for fact in chosen]
    text = sentences.sentence(items[0]) if len(items) == 1 else _several(asked, is_plural, items)
    if others:
        text += f'\n{many(len(others), "other")} {_are(others)} gone: {_list(others)}.'
    moved = _moves(asked, chosen) if kind == Kind.WHERE else ()
    if kind == Kind.WHERE and asked.query.period is not None:
        text += '\n' + _moves_text(asked, moved)
    outcome = Outcome.ANSWERED if is_plural or len(chosen) == 1 else Outcome.AMBIGUOUS
    return Found(outcome, text, chosen, moved)


def _none(asked: Asked, why: str) -> Found:
    """Return the answer where no object is meant; none is a number too."""
    counts = asked.query.kind in (Kind.COUNT, Kind.LIST, Kind.GONE, Kind.NOT_OBSERVED)
    first = 'None: ' if counts else 'Not found: '
    return Found(Outcome.NOT_FOUND, first + why[:1].lower() + why[1:])


def _elsewhere(asked: Asked, facts: tuple[ObjectFact, ...], why_none: str) -> Found:
    """Return that nothing that is meant is at the place of the question, and where it is."""
    if not facts:
        return _none(asked, why_none)
    first = f'Not {sentences.place_phrase(asked.query.place)}.' if asked.query.place else ''
    return Found(Outcome.ANSWERED, sentences.lines(first, list(map(asked.where, facts))), facts)


def _meant(
    kind: Kind, facts: tuple[ObjectFact, ...]
) -> tuple[tuple[ObjectFact, ...], tuple[ObjectFact, ...]]:
    """Return which objects a question about one may mean, and gone ones that it does not mean."""
    gone = tuple(fact for fact in facts if fact.is_gone)
    there = tuple(fact for fact in facts if not fact.is_gone)
    if kind == Kind.SINCE_WHEN_GONE:
        return (gone or there), ()
    if kind in (Kind.WHERE, Kind.SINCE_WHEN_THERE, Kind.COLOR, Kind.SIZE):
        return (there, gone) if there else (gone, ())
    return facts, ()


def _several(asked: Asked, is_plural: bool, items: Sequence[str]) -> str:
    """Return the answer of several objects, which asks back where one is meant."""
    if is_plural:
        return sentences.lines(f'{many(len(items), "object")}:', items)
    words = asked.query.subjects[0].words
    return sentences.lines(f'{many(len(items), "object")} may be meant by "{words}":', items)


def _moves(asked: Asked, facts: Sequence[ObjectFact]) -> tuple[Change, ...]:
    """Return what changed of some objects in the time of the question."""
    if asked.query.period is None:
        return ()
    ids = {fact.object_id for fact in facts}
    return tuple(
        c
        for c in changes_in(asked.known, asked.query.period)
        if resolve(c.object_id, asked.known.aliases) in ids
    )


def _moves_text(asked: Asked, changes: Sequence[Change]) -> str:
    """Return what changed of the objects in the time of the question."""
    phrase = sentences.period_phrase(asked.query.period, asked.calendar)
    start = asked.query.period.start_ns if asked.query.period else None
    if start is not None and asked.visit.stamp_ns < start:
        return f'No visit was made {phrase}.'
    if not changes:
        return f'No change of it {phrase}.'
    return sentences.lines(f'Changes {phrase}:', change_lines(asked, changes))


def _last_seen(asked: Asked, fact: ObjectFact) -> str:
    """Return when an object was last observed, and that it is gone or was not observed since."""
    text = f'{called(fact)} was last seen {asked.at(fact.last_seen_ns)} at '
    text += sentences.place_of(fact)
    if fact.gone_since_ns is not None:
        return f'{text}; gone: its place was observed empty on {asked.at(fact.gone_since_ns)}.'
    if fact.state == ObjectState.NOT_OBSERVED:
        return f'{text}; not observed at {sentences.visit_phrase(asked.visit, asked.calendar)}.'
    return f'{text}, at {"the last" if asked.is_now else "that"} visit.'


def _first_seen(asked: Asked, fact: ObjectFact) -> str:
    """Return when an object was first observed."""
    return f'{called(fact)} was first seen {asked.at(fact.first_seen_ns)}.'


def _since_gone(asked: Asked, fact: ObjectFact) -> str:
    """Return between which visits an object went away."""
    if fact.gone_since_ns is None:
        return f'{called(fact)} is not known to be gone. ' + asked.where(fact)
    sure = f' (confidence {fact.gone_confidence:.2f})' if fact.gone_confidence else ''
    return (
        f'{called(fact)} is gone since some time between {asked.at(fact.last_seen_ns)}, when it '
        f'was last seen, and {asked.at(fact.gone_since_ns)}, when its place '
        f'{sentences.place_of(fact)} was observed empty{sure}.'
    )


def _since_there(asked: Asked, fact: ObjectFact) -> str:
    """Return since when an object is at its place."""
    if fact.since_ns is None:
        return asked.where(fact)
    text = f'{called(fact)} is at {sentences.place_of(fact)} since {asked.at(fact.since_ns)}'
    if fact.state == ObjectState.NOT_OBSERVED:
        return f'{text}; not observed since {asked.at(fact.last_seen_ns)}.'
    return f'{text}; first seen {asked.at(fact.first_seen_ns)}.'


def _still_there(asked: Asked, fact: ObjectFact) -> str:
    """Return whether an object is there; not yes or no, because `is it gone` asks the same."""
    if fact.is_gone:
        return 'Gone: ' + asked.where(fact)
    known = 'There: ' if fact.state == ObjectState.PRESENT else 'Not known: '
    return known + asked.where(fact)


def _color(asked: Asked, fact: ObjectFact) -> str:
    """Return the color of an object."""
    return sentences.color_phrase(asked.known.with_colors([fact])[0]) + '.'


def _size(asked: Asked, fact: ObjectFact) -> str:
    """Return the edges of the box of an object."""
    long, short = sorted(fact.box.size[:2], reverse=True)
    text = f'{called(fact)} is {long:.2f} m long, {short:.2f} m wide and '
    return text + f'{fact.box.size[2]:.2f} m high, as far as it was observed.'


def _listed(asked: Asked, facts: tuple[ObjectFact, ...]) -> Found:
    """Return the objects that are there."""
    there = tuple(fact for fact in facts if not fact.is_gone)
    if not there:
        return Found(Outcome.ANSWERED, f'None: {_list(facts)} {_are(facts)} gone.', ())
    first = f'{many(len(there), "object")}:'
    return Found(Outcome.ANSWERED, sentences.lines(first, list(map(asked.where, there))), there)


def _counted(asked: Asked, facts: tuple[ObjectFact, ...]) -> Found:
    """Return how many objects are there, and how many of them were not observed."""
    there = tuple(fact for fact in facts if not fact.is_gone)
    unseen = [fact for fact in there if fact.state == ObjectState.NOT_OBSERVED]
    visit = sentences.visit_phrase(asked.visit, asked.calendar)
    text = f'{len(there)}, as of {visit}'
    if unseen:
        text += f'; {len(unseen)} of them not observed then'
    gone = [fact for fact in facts if fact.is_gone]
    if gone:
        text += f'; {len(gone)} more {_are(gone)} gone'
    return Found(Outcome.ANSWERED, sentences.lines(text + '.', list(map(called, there))), there)


def _gone(asked: Asked, facts: tuple[ObjectFact, ...]) -> Found:
    """Return the objects that are gone, since the time of the question where it has one."""
    start = asked.query.period.start_ns if asked.query.period else None
    gone = tuple(
        fact
        for fact in facts
        if fact.gone_since_ns is not None and (start is None or fact.gone_since_ns >= start)
    )
    if not gone:
        phrase = sentences.period_phrase(asked.query.period, asked.calendar)
        place = sentences.place_phrase(asked.query.place) if asked.query.place else ''
        said = filter(None, ('Nothing is gone', place, phrase))
        return Found(Outcome.ANSWERED, ' '.join(said) + '.')
    lines = [_since_gone(asked, fact) for fact in gone]
    return Found(Outcome.ANSWERED, sentences.lines(f'{len(gone)} gone:', lines), gone)


def _not_observed(asked: Asked, facts: tuple[ObjectFact, ...]) -> Found:
    """Return the objects whose place the latest visit did not observe."""
    unseen = tuple(fact for fact in facts if fact.state == ObjectState.NOT_OBSERVED)
    at = f'at {sentences.visit_phrase(asked.visit, asked.calendar)}'
    if not unseen:
        return Found(Outcome.ANSWERED, f'Everything that was asked for was observed {at}.')
    first = f'{many(len(unseen), "object")} not observed {at}:'
    return Found(
        Outcome.ANSWERED,
        sentences.lines(first, [_last_seen(asked, fact) for fact in unseen]),
        unseen,
    )


def _list(facts: Sequence[ObjectFact]) -> str:
    """Return what some objects are called."""
    shown = list(map(called, facts[: sentences.MOST_LINES]))
    return ', '.join(shown) + (' and more' if len(facts) > len(shown) else '')


def _are(facts: Sequence[ObjectFact]) -> str:
    """Return the verb for some objects."""
    return 'is' if len(facts) == 1 else 'are'


OF_ONE: dict[Kind, Callable[[Asked, ObjectFact], str]] = {
    Kind.WHERE: Asked.where,
    Kind.LAST_SEEN: _last_seen,
    Kind.FIRST_SEEN: _first_seen,
    Kind.SINCE_WHEN_GONE: _since_gone,
    Kind.SINCE_WHEN_THERE: _since_there,
    Kind.STILL_THERE: _still_there,
    Kind.COLOR: _color,
    Kind.SIZE: _size,
}
OF_MANY: dict[Kind, Callable[[Asked, tuple[ObjectFact, ...]], Found]] = {
    Kind.LIST: _listed,
    Kind.COUNT: _counted,
    Kind.GONE: _gone,
    Kind.NOT_OBSERVED: _not_observed,
}
