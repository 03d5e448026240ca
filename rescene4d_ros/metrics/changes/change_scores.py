"""Precision and recall of the changes that a method reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.se3 import invert, transform
from rescene4d_ros.metrics.changes.observable_changes import is_away, observable_changes
from rescene4d_ros.metrics.changes.place_events import PlaceEvents
from rescene4d_ros.metrics.identity.identity_scores import IssuedIds
from rescene4d_ros.metrics.sequences import PredictedChange, PredictedSequence, TrueSequence
from rescene4d_ros.structures import ChangeKind, ObjectState

SCORED_KINDS = (
    ChangeKind.ADDED,
    ChangeKind.REMOVED,
    ChangeKind.MOVED,
    ChangeKind.DEFORMED,
    ChangeKind.REAPPEARED,
)
RIGHT_ANGLE_SLACK = 10.0  # deg; tolerance of a quarter or half turn


@dataclass(frozen=True)
class ChangeCounts:
    """
    Counts of the changes of one or many sequences.

    Attributes
    ----------
    right, stated, true : ndarray (5,), int64
        Per kind, in the order of `SCORED_KINDS`.
    false_changes : ndarray (2,), int64
        Unchanged objects reported as changed, and unchanged objects, both per visit.
    unobserved_as_removed : ndarray (2,), int64
        Unobserved objects reported as removed, and unobserved objects.
    in_place_as_removed : ndarray (2,), int64
        The same for objects that still stand where they were last observed.
    move_errors : ndarray (M, 2), float64, cm and deg
        Of the correct moves with a motion.
    confidences : ndarray (C, 2), float64
        Confidence and 1 = correct, of every reported change.
    confusion : ndarray (6, 6), int64
        True kind by reported kind of the same object in the same visit, in the order of
        `SCORED_KINDS`; last row: no true change or no such object, last column: no report.
    right_any_kind : int
        True changes for whose object any change is reported in the same visit.
    places : PlaceEvents
        Places where something came or went; counted apart, because that takes the masks.

    """

    right: np.ndarray
    stated: np.ndarray
    true: np.ndarray
    false_changes: np.ndarray
    unobserved_as_removed: np.ndarray
    in_place_as_removed: np.ndarray
    move_errors: np.ndarray
    confidences: np.ndarray
    confusion: np.ndarray
    right_any_kind: int
    places: PlaceEvents = PlaceEvents()


def count_changes(
    truth: TrueSequence, prediction: PredictedSequence, ids: IssuedIds, states: np.ndarray
) -> ChangeCounts:
    """
    Compare the reported changes of one sequence with the truth.

    A reported change refers to the true instance that its object covers in that visit or, for a
    removal and if it covers none, to the last one that it covered before. It is correct if the
    same kind of change of the same instance is first observable in the same visit; each true
    change matches one report.

    Parameters
    ----------
    truth : TrueSequence
        With `changes`.
    prediction : PredictedSequence
        With `changes`.
    ids : IssuedIds
        Matched independently of the class.
    states : ndarray (G, T), int
        ObjectState.

    """
    changes = _changes_of(truth)
    true = observable_changes(changes, states, truth.poses)
    stated = [c for c in prediction.changes or () if c.kind in SCORED_KINDS]
    owners = [_owner(c, ids) for c in stated]
    by_confidence = sorted(range(len(stated)), key=lambda k: -stated[k].confidence)
    open_changes, right = dict(true), np.zeros(len(stated), dtype=bool)
    for k in by_confidence:
        place = (stated[k].visit, owners[k])
        if open_changes.get(place) == stated[k].kind:
            right[k] = True
            del open_changes[place]
    said = {(c.visit, g) for c, g in zip(stated, owners)}
    removed = {(c.visit, g) for c, g in zip(stated, owners) if c.kind == ChangeKind.REMOVED}
    unchanged, unseen = _unchanged(changes, states, true), _unseen(changes, states)
    in_place = {(t, g) for t, g in unseen if _is_in_place(changes, states, t, g)}
    errors = [
        move_error(truth, states, c, g)
        for c, g, r in zip(stated, owners, right)
        if r and c.kind == ChangeKind.MOVED and c.after_T_before is not None
    ]
    return ChangeCounts(
        _by_kind([c.kind for c, r in zip(stated, right) if r]),
        _by_kind([c.kind for c in stated]),
        _by_kind(list(true.values())),
        np.array([len(unchanged & said), len(unchanged)]),
        np.array([len(unseen & removed), len(unseen)]),
        np.array([len(in_place & removed), len(in_place)]),
        np.array([e for e in errors if e is not None]).reshape(-1, 2),
        np.array([(c.confidence, r) for c, r in zip(stated, right)], dtype=float).reshape(-1, 2),
        _confusion(true, stated, owners),
        len(true.keys() & said),
    )


def pool(counts: Sequence[ChangeCounts]) -> ChangeCounts:
    """Sum the counts of at least one sequence."""
    return ChangeCounts(
        np.sum([c.right for c in counts], axis=0),
        np.sum([c.stated for c in counts], axis=0),
        np.sum([c.true for c in counts], axis=0),
        np.sum([c.false_changes for c in counts], axis=0),
        np.sum([c.unobserved_as_removed for c in counts], axis=0),
        np.sum([c.in_place_as_removed for c in counts], axis=0),
        np.concatenate([c.move_errors for c in counts]),
        np.concatenate([c.confidences for c in counts]),
        np.sum([c.confusion for c in counts], axis=0),
        sum(c.right_any_kind for c in counts),
        sum((c.places for c in counts), PlaceEvents()),
    )


def f_score(right: int, stated: int, true: int) -> float:
    """Return the harmonic mean of precision and recall; NaN where both are undefined."""
    return 2 * right / (stated + true) if stated + true else float('nan')


def right_angle_share(move_errors: np.ndarray) -> float:
    """
    Return the share of moves (M, 2), cm and deg, with a rotation error of 90 or 180 degrees.

    Boxes and tables look the same after such a turn; symmetries are not known here.
    """
    if not len(move_errors):
        return float('nan')
    quarter = np.abs(move_errors[:, 1, None] - (90.0, 180.0)).min(1)
    return float((quarter <= RIGHT_ANGLE_SLACK).mean())


def move_error(
    truth: TrueSequence, states: np.ndarray, change: PredictedChange, instance: int
) -> tuple[float, float] | None:
    """
    Return the error of a reported motion: at the origin of the object in cm, and in deg.

    None where the truth does not know the poses, or no motion is stated.
    """
    seen = np.flatnonzero(states[instance, : change.visit] == ObjectState.PRESENT)
    if truth.poses is None or change.after_T_before is None or not len(seen):
        return None
    before, after = truth.poses[instance, seen[-1]], truth.poses[instance, change.visit]
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return None
    true_motion = after @ invert(before)
    origin = before[None, :3, 3]
    shift = transform(change.after_T_before, origin) - transform(true_motion, origin)
    turn = change.after_T_before[:3, :3] @ true_motion[:3, :3].T
    # Better conditioned for small angles than the arc cosine of the trace.
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    angle = np.arctan2(np.linalg.norm(axis), np.trace(turn) - 1)
    return 100 * float(np.linalg.norm(shift)), float(np.degrees(angle))


def _owner(change: PredictedChange, ids: IssuedIds) -> int:
    """Return the true instance (index) of a reported change; -1 = none."""
    first = change.visit - (change.kind == ChangeKind.REMOVED)
    for t in range(first, -1, -1):
        covered = np.flatnonzero(ids.issued[t] == change.object_id)
        if len(covered):
            return int(covered[0])
    return -1


def _changes_of(truth: TrueSequence) -> np.ndarray:
    """Return the changes (G, T) of a sequence that is known to have some."""
    if truth.changes is None:
        raise ValueError(
            f'change scores: expected a truth with changes, got none for {truth.name!r}; '
            'leave the sequence out'
        )
    return truth.changes


def _unchanged(
    changes: np.ndarray, states: np.ndarray, true: dict[tuple[int, int], ChangeKind]
) -> set[tuple[int, int]]:
    """Return (visit, instance) that are observed in this visit and the previous one, unchanged."""
    seen = states == ObjectState.PRESENT
    still = seen[:, 1:] & seen[:, :-1] & (changes[:, 1:] == ChangeKind.UNKNOWN)
    return {(int(t) + 1, int(g)) for g, t in np.argwhere(still)} - set(true)


def _unseen(changes: np.ndarray, states: np.ndarray) -> set[tuple[int, int]]:
    """Return (visit, instance) observed before, still in the room, and not observed now."""
    before = np.maximum.accumulate(states == ObjectState.PRESENT, axis=1)
    unseen = (states == ObjectState.NOT_OBSERVED) & before & ~is_away(changes)
    return {(int(t), int(g)) for g, t in np.argwhere(unseen)}


def _is_in_place(changes: np.ndarray, states: np.ndarray, visit: int, instance: int) -> bool:
    """Return whether an unobserved instance has not changed since it was last observed."""
    seen = np.flatnonzero(states[instance, :visit] == ObjectState.PRESENT)[-1]
    since = changes[instance, seen + 1 : visit + 1]
    return bool(np.isin(since, (ChangeKind.UNKNOWN, ChangeKind.DEFORMED)).all())


def _confusion(
    true: dict[tuple[int, int], ChangeKind],
    stated: Sequence[PredictedChange],
    owners: Sequence[int],
) -> np.ndarray:
    """Count every report, and every true change without one."""
    table = np.zeros((len(SCORED_KINDS) + 1,) * 2, dtype=np.int64)
    places = [(c.visit, g) for c, g in zip(stated, owners)]
    for change, place in zip(stated, places):
        row = SCORED_KINDS.index(true[place]) if place in true else -1
        table[row, SCORED_KINDS.index(change.kind)] += 1
    for place in true.keys() - set(places):
        table[SCORED_KINDS.index(true[place]), -1] += 1
    return table


def _by_kind(kinds: Sequence[ChangeKind]) -> np.ndarray:
    return np.array([kinds.count(k) for k in SCORED_KINDS])
