"""Content and results of the memory: objects with their boxes, changes, visits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import SupportsFloat

import numpy as np
from rescene4d_ros.structures.scan import Scan


def triple(values: Iterable[SupportsFloat]) -> tuple[float, float, float]:
    """Return three numbers, of an array for example, as floats of Python."""
    first, second, third = (float(value) for value in values)
    return first, second, third


@dataclass(frozen=True)
class Box:
    """
    Hold an upright oriented box in the map frame.

    The box rotates about z only, which suffices for objects that stand on a floor.

    Attributes
    ----------
    center : tuple of 3 float, m, in map
        Middle of the box.
    size : tuple of 3 float, m
        Full extents along the box's own x, y and z.
    yaw : float, rad
        Rotation about map z, counter-clockwise, in [-pi, pi).

    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0

    @property
    def map_T_box(self) -> np.ndarray:
        """Return the (4, 4) transform that takes points of the box frame to the map."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array(
            [
                [c, -s, 0, self.center[0]],
                [s, c, 0, self.center[1]],
                [0, 0, 1, self.center[2]],
                [0, 0, 0, 1],
            ],
            dtype=np.float64,
        )

    @property
    def quaternion_xyzw(self) -> tuple[float, float, float, float]:
        """Return the rotation as a unit quaternion."""
        return (0.0, 0.0, float(np.sin(self.yaw / 2)), float(np.cos(self.yaw / 2)))


class ObjectState(IntEnum):
    """State of an object at the newest visit; values as in SceneObject.msg."""

    UNKNOWN = 0
    PRESENT = 1
    ABSENT = 2
    NOT_OBSERVED = 3


class ChangeKind(IntEnum):
    """Kind of a change; values as in SceneChange.msg."""

    UNKNOWN = 0
    ADDED = 1
    REMOVED = 2
    MOVED = 3
    DEFORMED = 4
    REAPPEARED = 5
    MERGED = 6


class VisitStatus(IntEnum):
    """Processing status of a stored visit."""

    PENDING = 1
    DONE = 2
    FAILED = 3
    LATE = 4
    EXCLUDED = 5


@dataclass(frozen=True)
class VisitInfo:
    """
    Describe one stored visit.

    Attributes
    ----------
    visit_id : int
        Positive, never reused.
    stamp_ns : int, ns since the Unix epoch
    status : VisitStatus
        LATE: older than the newest processed visit when it was stored; needs a reprocess.
        EXCLUDED: left out by a person; its points are kept.
    name : str
    n_points : int

    """

    visit_id: int
    stamp_ns: int
    status: VisitStatus
    name: str
    n_points: int


@dataclass(frozen=True)
class SceneObject:
    """
    One object of the memory at one revision.

    Attributes
    ----------
    object_id : int
        Persistent, positive, never reused.
    class_id : int
        Index in the class list of the memory.
    class_name : str
    score : float
        Confidence of its latest observation, 0..1.
    state : ObjectState
    box : Box
        Latest known place, in map.
    first_seen_ns, last_seen_ns : int, ns since the Unix epoch
    last_confirmed_absent_ns : int or None
        Last time its place was observed empty; None = never.
    class_probs : ndarray (K,), float32
        Mean class posterior.
    states : tuple of (visit_id, ObjectState)
        One entry per processed visit since its first.
    link_reason : str
        Reason of the link of its latest observation.
    moved_m : float, m
        Total length of its moves.
    name : str
        Given by a person; empty = none.
    alternatives : tuple of int
        Ids of look-alikes to which its latest observation may belong; empty = not ambiguous.

    """

    object_id: int
    class_id: int
    class_name: str
    score: float
    state: ObjectState
    box: Box
    first_seen_ns: int
    last_seen_ns: int
    last_confirmed_absent_ns: int | None = None
    class_probs: np.ndarray | None = None
    states: tuple[tuple[int, ObjectState], ...] = ()
    link_reason: str = ''
    moved_m: float = 0.0
    alternatives: tuple[int, ...] = ()
    name: str = ''

    @property
    def is_ambiguous(self) -> bool:
        """Return whether the link of its latest observation is ambiguous."""
        return bool(self.alternatives)


@dataclass(frozen=True)
class Change:
    """
    One change of one object, found at one visit.

    Attributes
    ----------
    kind : ChangeKind
    object_id : int
    class_name : str
    confidence : float
        0..1; probability that it is correct, calibrated on procedural rooms.
    visit_id : int
        The visit that observed it.
    before, after : Box or None
        None where there was nothing before, or is nothing after.
    after_T_before : ndarray (4, 4), float64, or None
        Rigid motion in the map frame: p_after = after_T_before @ p_before.
    evidence_before_ns : int or None
        Last time the old state was observed.
    evidence_after_ns : int
        First time the new state was observed.
    other_id : int
        MERGED only: the id to use from now on; else 0.

    """

    kind: ChangeKind
    object_id: int
    class_name: str
    confidence: float
    visit_id: int
    before: Box | None
    after: Box | None
    after_T_before: np.ndarray | None
    evidence_before_ns: int | None
    evidence_after_ns: int
    other_id: int = 0


@dataclass(frozen=True)
class MemorySnapshot:
    """
    Content of the memory at one revision: map, visits, objects and their history.

    `aliases` holds (younger id, older id), ordered by younger id. `origin` (m) was subtracted from
    the coordinates of the source: add it to get those.

    """

    map_id: str
    frame_id: str
    revision: int
    class_names: tuple[str, ...]
    visits: tuple[VisitInfo, ...]
    objects: tuple[SceneObject, ...]
    aliases: tuple[tuple[int, int], ...] = ()
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class VisitChanges:
    """
    Hold what one visit changed.

    Attributes
    ----------
    visit : VisitInfo
    revision : int
        Of the memory, after this visit.
    changes : tuple of Change
        Of this visit alone.

    """

    visit: VisitInfo
    revision: int
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class SceneUpdate(VisitChanges):
    """
    Hold what one visit changed, and the scene after it.

    Attributes
    ----------
    scan : Scan
        The visit's N points.
    objects : tuple of SceneObject
        All objects of the memory.
    object_ids : ndarray (N,), int64
        Persistent id per point; 0 = none.
    class_ids : ndarray (N,), int32
        Class of the point's object; -1 = none.
    scores : ndarray (N,), float32
        Confidence per point; 0 = none.

    """

    scan: Scan
    objects: tuple[SceneObject, ...]
    object_ids: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class ReprocessResult:
    """
    Hold what a reprocess replaced.

    Attributes
    ----------
    visits : tuple of VisitChanges
        What each visit changed, in stamp order.
    scene : SceneUpdate or None
        The newest visit with the scene after it; None where no visit is stored.

    """

    visits: tuple[VisitChanges, ...]
    scene: SceneUpdate | None
