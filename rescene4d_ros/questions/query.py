"""What a question asks: the kind of answer, which objects, when and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.structures import ChangeKind


class Kind(Enum):
    """What a question asks for."""

    WHERE = 'where'
    LAST_SEEN = 'last seen'
    FIRST_SEEN = 'first seen'
    SINCE_WHEN_GONE = 'since when gone'
    SINCE_WHEN_THERE = 'since when there'
    STILL_THERE = 'still there'
    COLOR = 'color'
    SIZE = 'size'
    COUNT = 'count'
    LIST = 'list'
    CHANGES = 'changes'
    LEAST_SURE = 'least sure change'
    NOT_OBSERVED = 'not observed'
    GONE = 'gone'
    VISITS = 'visits'


@dataclass(frozen=True)
class Subject:
    """
    Say which objects a question means; every condition that is given must hold.

    Attributes
    ----------
    words : str
        As they stand in the question.
    name : str or None
        Name given by people, in lower case.
    object_id : int or None
        An alias is accepted.
    class_names : tuple of str or None
        Classes of the memory; empty = a class that the memory does not have; None = any.
    colors : tuple of str
        Basic color names.
    is_plural : bool
        Whether all such objects are meant.

    """

    words: str
    name: str | None = None
    object_id: int | None = None
    class_names: tuple[str, ...] | None = None
    colors: tuple[str, ...] = ()
    is_plural: bool = False

    @property
    def is_anything(self) -> bool:
        """Return whether every object is meant."""
        return not self.colors and self.is_unnamed

    @property
    def is_color(self) -> bool:
        """Return whether nothing but colors is said of the objects."""
        return bool(self.colors) and self.is_unnamed

    @property
    def is_unnamed(self) -> bool:
        """Return whether neither name, id nor class is said of the objects."""
        return (self.name, self.object_id, self.class_names) == (None, None, None)


@dataclass(frozen=True)
class Period:
    """
    A time span of a question.

    Attributes
    ----------
    start_ns : int or None, ns since the Unix epoch
        First moment; None = from the beginning.
    end_ns : int or None, ns since the Unix epoch
        First moment after it; None = up to now.
    text : str
        As it stands in the question.

    """

    start_ns: int | None
    end_ns: int | None
    text: str


@dataclass(frozen=True)
class Place:
    """
    A region of a question: around other objects, a box, or a zone.

    Attributes
    ----------
    near : tuple of Subject
        Other objects; empty where it is a box or a zone.
    distance : float, m
        Largest gap between the boxes of two objects that are near each other.
    low, high : tuple of 3 float or None, m, in map
        Corners of a box that holds the center of an object.
    zone : Zone or None
        Part of the map that holds it.
    is_outside : bool
        Whether everything but this region is meant: `not near the bed`.

    """

    near: tuple[Subject, ...] = ()
    distance: float = 0.0
    low: tuple[float, float, float] | None = None
    high: tuple[float, float, float] | None = None
    zone: Zone | None = None
    is_outside: bool = False


@dataclass(frozen=True)
class Query:
    """
    Hold a question as it was understood.

    Attributes
    ----------
    kind : Kind
    subjects : tuple of Subject
        Alternatives; empty = every object.
    period : Period or None
        None = now, or for changes the whole past.
    place : Place or None
    changes : frozenset of ChangeKind
        Which kinds of changes; empty = all.
    excluded : tuple of Subject
        Objects that are not meant.

    """

    kind: Kind
    subjects: tuple[Subject, ...] = ()
    period: Period | None = None
    place: Place | None = None
    changes: frozenset[ChangeKind] = frozenset()
    excluded: tuple[Subject, ...] = ()
