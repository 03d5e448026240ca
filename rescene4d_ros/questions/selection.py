"""Which objects of a memory a question means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.geometry.boxes import gap
from rescene4d_ros.questions import sentences
from rescene4d_ros.questions.answer import ObjectFact
from rescene4d_ros.questions.facts import KnownFacts
from rescene4d_ros.questions.language.vocabulary import key_of
from rescene4d_ros.questions.query import Kind, Place, Query, Subject
from rescene4d_ros.structures import Box
from rescene4d_ros.tracking.object_ids import resolve

OF_GONE = (Kind.GONE, Kind.SINCE_WHEN_GONE, Kind.LAST_SEEN, Kind.STILL_THERE)


@dataclass(frozen=True)
class Selection:
    """
    Hold the objects that a question means.

    Attributes
    ----------
    objects : tuple of ObjectFact
        By rising id.
    why_none : str
        Why there is none; empty where there are objects.

    """

    objects: tuple[ObjectFact, ...]
    why_none: str = ''


def select(known: KnownFacts, query: Query) -> Selection:
    """Return the objects that a query names and that are where it says, gone ones included."""
    found: dict[int, ObjectFact] = {}
    reasons = []
    for subject in query.subjects or (Subject('object'),):
        selection = _of_subject(known, subject)
        found |= {fact.object_id: fact for fact in selection.objects}
        reasons += [selection.why_none] if selection.why_none else []
    for subject in query.excluded:
        excluded = found.keys() & {fact.object_id for fact in _of_subject(known, subject).objects}
        found = {i: fact for i, fact in found.items() if i not in excluded}
        reasons += [f'All are excluded by "{subject.words}".'] if excluded else []
    if query.place is None or not found:
        return _selection(found.values(), reasons)
    ordered = sorted(found.values(), key=lambda f: f.object_id)
    return _at_place(known, query.place, ordered, with_gone=query.kind in OF_GONE)


def is_at(place: Place, box: Box, anchors: Sequence[ObjectFact]) -> bool:
    """Return whether a box is at the place of a question."""
    return _is_inside(place, box, anchors) != place.is_outside


def _is_inside(place: Place, box: Box, anchors: Sequence[ObjectFact]) -> bool:
    if place.zone is not None:
        return place.zone.holds(box)
    if place.low is not None and place.high is not None:
        center = np.asarray(box.center)
        return bool((center >= place.low).all() and (center <= place.high).all())
    return any(gap(box, anchor.box) <= place.distance for anchor in anchors)


def anchors_of(known: KnownFacts, place: Place) -> Selection:
    """Return the objects near which a place is; those that are gone mark no place."""
    chosen = [_of_subject(known, subject) for subject in place.near]
    there = {f.object_id: f for s in chosen for f in s.objects if not f.is_gone}
    reasons = [s.why_none for s in chosen if s.why_none]
    if not there and not reasons and place.near:
        reasons = [f'{" and ".join(s.words for s in place.near)}: gone.']
    return _selection(there.values(), reasons)


def _at_place(
    known: KnownFacts, place: Place, facts: Sequence[ObjectFact], with_gone: bool
) -> Selection:
    """Return the objects at a place, or also those gone from it, without what describes it."""
    anchors = anchors_of(known, place)
    if place.near and not anchors.objects:
        return anchors
    besides = {fact.object_id for fact in anchors.objects}
    there = [
        fact
        for fact in facts
        if fact.object_id not in besides
        and (with_gone or not fact.is_gone)
        and is_at(place, fact.box, anchors.objects)
    ]
    return _selection(there, [f'No such object is known {sentences.place_phrase(place)}.'])


def _selection(facts: Iterable[ObjectFact], reasons: Sequence[str]) -> Selection:
    """Return objects by rising id, and reasons only where there are none."""
    ordered = tuple(sorted(facts, key=lambda fact: fact.object_id))
    return Selection(ordered, '' if ordered else ' '.join(reasons))


def _of_subject(known: KnownFacts, subject: Subject) -> Selection:
    """Return the objects that a subject names."""
    found = _of_name(known, subject)
    if not subject.colors or not found.objects:
        return found
    colored = known.with_colors(found.objects)
    chosen = tuple(f for f in colored if set(subject.colors) & set(f.colors or ()))
    if chosen:
        return Selection(chosen)
    others = ', '.join(sentences.color_phrase(f) for f in colored[: sentences.MOST_LINES])
    return Selection((), f'None has the color {" or ".join(subject.colors)}: {others}.')


def _of_name(known: KnownFacts, subject: Subject) -> Selection:
    """Return the objects of a name, an id or a class, whatever their color."""
    if subject.name is not None:
        ids = [i for i, name in known.names.items() if key_of(name) == subject.name]
        ids = [resolve(i, known.aliases) for i in ids]
        reason = f'No object is called "{subject.name}".'
        return _known(known.objects(sorted(set(ids))) if ids else (), reason, bool(ids))
    if subject.object_id is not None:
        return _of_id(known, subject)
    if subject.class_names is None:
        return _known(known.objects(), _unknown(known, 'object'), False)
    if not subject.class_names:
        classes = ', '.join(known.memory.metadata.class_names)
        return Selection(
            (),
            f'This memory has no class for "{subject.words}"; its classes are {classes}. '
            'An object can be given a name: rescene4d memory rename.',
        )
    facts = [f for name in subject.class_names for f in known.objects(class_name=name)]
    return _known(tuple(facts), _unknown(known, ' or '.join(subject.class_names)), False)


def _unknown(known: KnownFacts, what: str) -> str:
    """Return that no such object is known, or was not at the time of the question."""
    return f'No {what} is known.' if known.at_ns is None else f'No {what} was known by then.'


def _of_id(known: KnownFacts, subject: Subject) -> Selection:
    """Return the object of an id, which may be an alias and must be of the class that is said."""
    try:
        object_id = known.memory.known_id(subject.object_id or 0)
    except MemoryFormatError:
        return Selection((), f'There is no object {subject.object_id}.')
    facts = known.objects([object_id])
    wanted = subject.class_names
    if facts and wanted is not None and facts[0].class_name not in wanted:
        return Selection((), f'Object {object_id} is a {facts[0].class_name}.')
    return _known(facts, '', True)


def _known(facts: tuple[ObjectFact, ...], reason: str, exists: bool) -> Selection:
    """Return objects, or why there is none: none exists, or none was known at the time."""
    if facts:
        return Selection(facts)
    return Selection((), 'No visit had observed it by then.' if exists else reason)
