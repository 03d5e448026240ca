"""Truth of a sequence, for training, metrics and demos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.structures.objects import Box, ChangeKind, ObjectState


@dataclass(frozen=True)
class TrueObject:
    """
    Truth of one object at one visit.

    Attributes
    ----------
    instance_id : int
        Positive; the same at every visit of the sequence.
    class_id : int
        Index in SEMANTIC_CLASSES.
    state : ObjectState
        PRESENT: in the room and observed. ABSENT: not in the room, and its last place was
        observed. NOT_OBSERVED: its place was not observed, or it is in the room but hidden.
    in_room : bool
        Whether it is physically in the room.
    map_T_object : ndarray (4, 4), float64
        Pose of the model; the last known one while out of the room.
    box : Box
        Of the whole model in its shape at this visit, including hidden sides.
    change : ChangeKind
        Against the previous visit; UNKNOWN where nothing changed or at the first visit.
        DEFORMED: another shape at the same pose; an object that moves and changes shape is MOVED.
    ambiguity_group : int
        Members of one positive group are look-alikes; 0 = none.
    visible_share : float
        Part of the surface that was scanned, 0..1.

    """

    instance_id: int
    class_id: int
    state: ObjectState
    in_room: bool
    map_T_object: np.ndarray
    box: Box
    change: ChangeKind = ChangeKind.UNKNOWN
    ambiguity_group: int = 0
    visible_share: float = 0.0


@dataclass(frozen=True)
class VisitTruth:
    """
    Truth of one visit.

    Attributes
    ----------
    instance : ndarray (N,), int32
        Instance id per point; 0 = none (wall, floor, clutter).
    semantic : ndarray (N,), int32
        Index in SEMANTIC_CLASSES per point; -1 = unlabeled.
    objects : tuple of TrueObject
        Every object of the sequence up to this visit.

    """

    instance: np.ndarray
    semantic: np.ndarray
    objects: tuple[TrueObject, ...] = ()


@dataclass(frozen=True)
class SequenceTruth:
    """Truth of a sequence: one `VisitTruth` per visit."""

    visits: tuple[VisitTruth, ...]
