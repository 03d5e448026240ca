"""Questions to a memory: where is it since when, what is of a class, what changed, its past."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database import history_queries
from rescene4d_ros.memory.database.history_queries import Event
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box, Change, ObjectState


@dataclass(frozen=True)
class ObjectLocation:
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
        Visit of the latest stored change by which it came, moved or went; without one, the first
        visit that showed the object. A change with less than `changes.min_confidence` is not
        stored: an object that went that way keeps the time from which it was there, also while
        it is ABSENT.
    last_seen_ns : int, ns since the Unix epoch

    """

    object_id: int
    name: str
    class_name: str
    state: ObjectState
    box: Box
    since_ns: int
    last_seen_ns: int

    @property
    def is_gone(self) -> bool:
        """Return whether its place was found empty, and no visit has seen it since."""
        return self.state == ObjectState.ABSENT or self.since_ns > self.last_seen_ns


def where_is(memory: SceneMemory, object_id: int, at_ns: int | None = None) -> ObjectLocation:
    """
    Say where an object is, or was at a time, and since when.

    Raises
    ------
    MemoryFormatError
        There is no such object, or it was not known yet.

    """
    object_id = memory.known_id(object_id)
    places = known_objects(memory, at_ns, [object_id])
    if not places:
        raise MemoryFormatError(
            f'{memory.path}: expected object {object_id} to be known at the '
            'time asked for, but no visit had seen it; ask for a later time'
        )
    return places[0]


def of_class(
    memory: SceneMemory,
    class_name: str | None,
    at_ns: int | None = None,
    states: Collection[ObjectState] = (),
) -> tuple[ObjectLocation, ...]:
    """
    List the objects of a class (None = of every class) that are there, or were at a time.

    Parameters
    ----------
    memory : SceneMemory
    class_name : str or None
    at_ns : int, ns since the Unix epoch, optional
        Default: now.
    states : collection of ObjectState
        Those in one of these states are listed instead.

    Returns
    -------
    tuple of ObjectLocation
        By rising id; without `states` not those that are gone, also where later visits did not
        look there.

    Raises
    ------
    MemoryFormatError
        The memory has no such class.

    """
    names = memory.metadata.class_names
    if class_name is not None and class_name not in names:
        raise MemoryFormatError(
            f'{memory.path}: expected a class of the memory, got '
            f'{class_name!r}; there are: {", ".join(names)}'
        )
    return tuple(
        place
        for place in known_objects(memory, at_ns, None, class_name)
        if (place.state in states if states else not place.is_gone)
    )


def changed_between(memory: SceneMemory, after_ns: int, until_ns: int) -> tuple[Change, ...]:
    """Return the changes that visits after a time showed, up to another; by time, then object."""
    with memory.database.reading() as connection:
        return history_queries.changes_between(connection, after_ns, until_ns)


def history_of(memory: SceneMemory, object_id: int) -> tuple[Event, ...]:
    """
    Return what each visit said of an object, its aliases included; oldest first.

    Raises
    ------
    MemoryFormatError
        There is no such object.

    """
    object_id = memory.known_id(object_id)
    with memory.database.reading() as connection:
        return history_queries.events_of(connection, object_id)


def absence_of(
    memory: SceneMemory, object_id: int, after_ns: int, until_ns: int
) -> tuple[int, float | None] | None:
    """Return when a place was found empty; see `history_queries.absence_of`."""
    with memory.database.reading() as connection:
        return history_queries.absence_of(connection, object_id, after_ns, until_ns)


def known_objects(
    memory: SceneMemory,
    at_ns: int | None = None,
    object_ids: Sequence[int] | None = None,
    class_name: str | None = None,
) -> tuple[ObjectLocation, ...]:
    """
    List the objects that a visit had seen by a time, also those that are gone.

    Parameters
    ----------
    memory : SceneMemory
    at_ns : int or None, ns since the Unix epoch
        None = now.
    object_ids : sequence of int or None
        Those in use, no aliases; None = all objects.
    class_name : str or None
        Only objects of this class.

    Returns
    -------
    tuple of ObjectLocation
        All as of one state of the memory; by rising id.

    """
    with memory.database.reading() as connection:
        classes = history_queries.class_names(connection, memory.metadata.class_names, object_ids)
        chosen = [i for i, name in classes.items() if class_name in (None, name)]
        known = history_queries.known_of(
            connection, chosen, history_queries.NANOSECONDS if at_ns is None else at_ns
        )
        names = history_queries.given_names(connection, known)
    return tuple(
        ObjectLocation(
            i,
            names.get(i, ''),
            classes[i],
            known[i].state,
            known[i].box,
            known[i].since_ns,
            known[i].last_seen_ns,
        )
        for i in chosen
        if i in known
    )
