"""Questions to a memory: where is it since when, what is of a class, what changed, its past."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.aliases import resolve
from rescene4d_ros.memory.reading import ReadableMemory
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState

ARRIVALS = (ChangeKind.ADDED, ChangeKind.MOVED, ChangeKind.REAPPEARED)


@dataclass(frozen=True)
class Whereabouts:
    """
    Hold where an object was at one time.

    Attributes
    ----------
    object_id : int
        The id to use, where the one asked for is an alias.
    name : str
        Given by people; empty = none.
    class_name : str
    state : ObjectState
        At the latest visit up to the time.
    box : Box
        Latest place known up to the time, in map.
    since_ns : int, ns since the Unix epoch
        First visit that showed it there; where it is gone, first visit that showed it gone.
    last_seen_ns : int, ns since the Unix epoch

    """

    object_id: int
    name: str
    class_name: str
    state: ObjectState
    box: Box
    since_ns: int
    last_seen_ns: int


@dataclass(frozen=True)
class Event:
    """
    Hold what one visit said of one object.

    Attributes
    ----------
    visit_id : int
    stamp_ns : int, ns since the Unix epoch
    object_id : int
        Under which it was known then.
    state : ObjectState
    box : Box or None
        Where it was seen.
    reason : str
        Why it was known again; with its look-alikes, where there were any.
    changes : tuple of Change

    """

    visit_id: int
    stamp_ns: int
    object_id: int
    state: ObjectState
    box: Box | None
    reason: str
    changes: tuple[Change, ...]


def where_is(memory: ReadableMemory, object_id: int, at_ns: int | None = None) -> Whereabouts:
    """
    Say where an object is, or was at a time, and since when.

    Raises
    ------
    MemoryFormatError
        There is no such object, or it was not known yet.

    """
    object_id = memory.known_id(object_id)
    return _place(memory, object_id, _pasts(memory)[object_id], at_ns)


def of_class(memory: ReadableMemory, class_name: str | None, at_ns: int | None = None
             ) -> tuple[Whereabouts, ...]:
    """
    List the objects of a class (None = of every class) that are there, or were at a time.

    Returns
    -------
    tuple of Whereabouts
        Not those that are known to be gone; by rising id.

    Raises
    ------
    MemoryFormatError
        The memory has no such class.

    """
    names = memory.header.class_names
    if class_name is not None and class_name not in names:
        raise MemoryFormatError(f'{memory.path}: expected a class of the memory, got '
                                f'{class_name!r}; there are: {", ".join(names)}')
    pasts = _pasts(memory)
    found = [_place(memory, i, pasts[i], at_ns) for i, record in sorted(memory.records.items())
             if class_name in (None, names[record.class_id])
             and (at_ns is None or record.first_seen_ns <= at_ns)]
    return tuple(place for place in found if place.state != ObjectState.ABSENT)


def changed_between(memory: ReadableMemory, after_ns: int, until_ns: int) -> tuple[Change, ...]:
    """Return the changes that visits after a time showed, up to another; by time, then object."""
    when = {visit.visit_id: visit.stamp_ns for visit in memory.visits()}
    return tuple(sorted(
        (c for c in memory.changes() if after_ns < when[c.visit_id] <= until_ns),
        key=lambda c: (when[c.visit_id], c.object_id, c.kind)))


def history_of(memory: ReadableMemory, object_id: int) -> tuple[Event, ...]:
    """
    Return what each visit said of an object, its aliases included; oldest first.

    Raises
    ------
    MemoryFormatError
        There is no such object.

    """
    return _pasts(memory)[memory.known_id(object_id)]


def _place(memory: ReadableMemory, object_id: int, events: Sequence[Event],
           at_ns: int | None) -> Whereabouts:
    """Return where an object was at a time, by its past."""
    past = [e for e in events if at_ns is None or e.stamp_ns <= at_ns]
    seen = [e for e in past if e.box is not None]
    if not seen:
        raise MemoryFormatError(f'{memory.path}: expected object {object_id} to be known at the '
                                'time asked for, but no visit had seen it; ask for a later time')
    since_ns = seen[0].stamp_ns
    for event in past:
        kinds = {change.kind for change in event.changes}
        if kinds & {*ARRIVALS, ChangeKind.REMOVED}:
            since_ns = event.stamp_ns
    return Whereabouts(
        object_id, memory.names().get(object_id, ''),
        memory.header.class_names[memory.records[object_id].class_id], past[-1].state,
        seen[-1].box, since_ns, seen[-1].stamp_ns)


def _pasts(memory: ReadableMemory) -> dict[int, tuple[Event, ...]]:
    """Return what each visit said of every object; oldest first, aliases before the id to use."""
    aliases = memory.aliases()
    when = {visit.visit_id: visit.stamp_ns for visit in memory.visits()}
    seen = {(s.visit_id, s.object_id): s for s in memory.sightings()}
    changes: dict[tuple[int, int], list[Change]] = {}
    for change in memory.changes():
        changes.setdefault((change.visit_id, change.object_id), []).append(change)
    states = {(visit_id, i): state for i, past in memory.histories().items()
              for visit_id, state in past}
    pasts: dict[int, list[Event]] = {}
    for key in sorted({*states, *changes}, key=lambda key: (when[key[0]], -key[1])):
        visit_id, known_as = key
        here = seen.get(key)
        pasts.setdefault(resolve(known_as, aliases), []).append(Event(
            visit_id, when[visit_id], known_as, states.get(key, ObjectState.UNKNOWN),
            here.box if here else None, here.reason if here else '',
            tuple(changes.get(key, ()))))
    return {object_id: tuple(events) for object_id, events in pasts.items()}
