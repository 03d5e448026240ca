"""True instances and predicted masks of one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.structures import Change, ChangeKind, FLOOR, INSTANCE_CLASSES, ObjectState, WALL
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject


@dataclass(frozen=True)
class TrueSequence:
    """
    Truth of one sequence; points are ordered by visit.

    Attributes
    ----------
    name : str
    room : str
        Sequences of one room are one cluster of the bootstrap.
    visit : ndarray (N,), int
        Visit of each point, 0..T - 1.
    instance : ndarray (N,), int
        Instance id of each point; 0 = void: not scored.
    instance_ids, classes : ndarray (G,), int
        Positive ids, each once, and their classes.
    groups : ndarray (G,), int
        Members of one positive group are look-alikes; 0 = none.
    changes : ndarray (G, T), int, or None
        ChangeKind against the previous visit; None = unknown, change scores are undefined.
    states : ndarray (G, T), int, or None
        ObjectState; None = PRESENT if the instance has points, else ABSENT after it was observed.
    poses : ndarray (G, T, 4, 4), float64, m, or None
        map_T_object; NaN where unknown.
    is_structure : ndarray (N,), bool, or None
        Points of wall, ceiling and floor; None = not known.

    """

    name: str
    room: str
    visit: np.ndarray
    instance: np.ndarray
    instance_ids: np.ndarray
    classes: np.ndarray
    groups: np.ndarray
    changes: np.ndarray | None = None
    states: np.ndarray | None = None
    poses: np.ndarray | None = None
    is_structure: np.ndarray | None = None

    @property
    def n_visits(self) -> int:
        """Return T, including a last visit without points that has changes or states."""
        lengths = [a.shape[1] for a in (self.changes, self.states, self.poses) if a is not None]
        return max(int(self.visit.max()) + 1 if len(self.visit) else 0, *lengths, 0)

    def without_points(self) -> TrueSequence:
        """Return a copy without points, for use after counting."""
        none = np.empty(0, dtype=np.int64)
        return replace(self, visit=none, instance=none, is_structure=None)


@dataclass(frozen=True)
class PredictedChange:
    """
    One reported change of a prediction.

    Attributes
    ----------
    visit : int
        Visit of the change, 0..T - 1.
    kind : ChangeKind
    object_id : int
    confidence : float
        0..1.
    after_T_before : ndarray (4, 4), float64, m, or None
        Motion in the map frame.

    """

    visit: int
    kind: ChangeKind
    object_id: int
    confidence: float = 1.0
    after_T_before: np.ndarray | None = None


@dataclass(frozen=True)
class PredictedSequence:
    """
    Predicted masks of one sequence, sparse.

    A mask may span several visits. Masks with one object id are one object, with at most one mask
    per visit; a segmenter without ids uses a separate id per mask.

    Attributes
    ----------
    points : ndarray (M,), int
        Points of the masks, mask after mask; ascending within each.
    starts : ndarray (P + 1,), int
        Mask p is points[starts[p]:starts[p + 1]].
    classes : ndarray (P,), int
    scores : ndarray (P,), float
    object_ids : ndarray (P,), int
        Positive.
    changes : tuple of PredictedChange, or None
        None = the method reports none; its change scores are undefined.

    """

    points: np.ndarray
    starts: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    object_ids: np.ndarray
    changes: tuple[PredictedChange, ...] | None = None

    def __len__(self) -> int:
        """Return the number of masks P."""
        return len(self.classes)


def true_sequence(
    truth: SequenceTruth, name: str, room: str = '', n_classes: int = len(INSTANCE_CLASSES)
) -> TrueSequence:
    """
    Make the scored truth of the truth of a data set.

    Parameters
    ----------
    truth : SequenceTruth
    name : str
    room : str
        Empty = the sequence is its own cluster.
    n_classes : int
        Instances of other classes are void.

    """
    known: dict[int, TrueObject] = {}
    for visit in truth.visits:
        for o in visit.objects:
            if 0 <= o.class_id < n_classes:
                known.setdefault(o.instance_id, o)
    ids = np.array(sorted(known), dtype=np.int64)
    shape = (len(ids), len(truth.visits))
    changes, states = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    poses = np.full((*shape, 4, 4), np.nan)
    row = {int(i): g for g, i in enumerate(ids)}
    for t, visit in enumerate(truth.visits):
        for o in visit.objects:
            if o.instance_id in row:
                g = row[o.instance_id]
                changes[g, t], states[g, t] = o.change, o.state
                poses[g, t] = o.map_T_object
    semantic = np.concatenate([v.semantic for v in truth.visits])
    labels = np.concatenate([v.instance for v in truth.visits])
    visit_of = np.repeat(np.arange(shape[1]), [len(v.instance) for v in truth.visits])
    return TrueSequence(
        name,
        room or name,
        visit_of,
        np.where(np.isin(labels, ids), labels, 0),
        ids,
        np.array([known[int(i)].class_id for i in ids], dtype=np.int64),
        np.array([known[int(i)].ambiguity_group for i in ids], dtype=np.int64),
        changes,
        states,
        poses,
        np.isin(semantic, (WALL, FLOOR)) & (labels == 0),
    )


def predicted_sequence(
    labels: Sequence[np.ndarray],
    object_ids: Sequence[int] | np.ndarray,
    classes: Sequence[int] | np.ndarray,
    scores: Sequence[float] | np.ndarray,
    changes: Sequence[Change] | None = None,
    visit_ids: Sequence[int] = (),
) -> PredictedSequence:
    """
    Make predictions of disjoint labels, one mask per object over all visits.

    Parameters
    ----------
    labels : sequence of T ndarrays (N_t,), int
        Object id per point; 0 = none.
    object_ids, classes, scores : sequences of length P
        Other objects are ignored.
    changes : sequence of Change, optional
        Changes of a memory.
    visit_ids : sequence of T int
        The memory's ids of the visits, where `changes` are given.

    """
    flat = np.concatenate(labels)
    order = np.argsort(flat, kind='stable')
    ids = np.asarray(object_ids, dtype=np.int64)
    low = np.searchsorted(flat[order], ids)
    high = np.searchsorted(flat[order], ids, side='right')
    points = [order[a:b] for a, b in zip(low, high)]
    place = {v: t for t, v in enumerate(visit_ids)}
    stated = (
        None
        if changes is None
        else tuple(
            PredictedChange(place[c.visit_id], c.kind, c.object_id, c.confidence, c.after_T_before)
            for c in changes
            if c.visit_id in place
        )
    )
    return PredictedSequence(
        np.concatenate([np.empty(0, np.int64), *points]),
        np.concatenate([[0], np.cumsum(high - low)]).astype(np.int64),
        np.asarray(classes, dtype=np.int64),
        np.asarray(scores, dtype=np.float64),
        ids,
        stated,
    )


def states_of(truth: TrueSequence, visible: np.ndarray) -> np.ndarray:
    """
    Return the state of every instance at every visit.

    Parameters
    ----------
    truth : TrueSequence
    visible : ndarray (T, G), bool
        Where the instances have points.

    Returns
    -------
    ndarray (G, T), int
        The given states, or states by the points: ABSENT if an instance was observed before.

    """
    if truth.states is not None:
        return truth.states
    seen = np.maximum.accumulate(visible, axis=0)
    away = np.where(seen, ObjectState.ABSENT, ObjectState.UNKNOWN)
    return np.where(visible, ObjectState.PRESENT, away).T
