"""The true changes that are observable from the visits."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures import ChangeKind, ObjectState

SAME_POSE_M = 1e-6


def observable_changes(
    changes: np.ndarray, states: np.ndarray, poses: np.ndarray | None = None
) -> dict[tuple[int, int], ChangeKind]:
    """
    Assign each change to the first visit in which it is observable.

    A removal is observable when the place is observed empty, any other change when the object is
    observed. Unobserved changes are composed until then: an object that arrived and left is
    ignored; one that left and returned has moved or, if the poses are equal, is unchanged; changes
    before the first observation of an object are ignored, except its arrival.

    Parameters
    ----------
    changes : ndarray (G, T), int
        ChangeKind against the previous visit.
    states : ndarray (G, T), int
        ObjectState.
    poses : ndarray (G, T, 4, 4), float64, m, optional
        NaN where unknown.

    Returns
    -------
    dict of (visit, instance index) to ChangeKind

    """
    shown: dict[tuple[int, int], ChangeKind] = {}
    for g in range(len(changes)):
        pending, last_seen = ChangeKind.UNKNOWN, None
        for t, (kind, state) in enumerate(zip(changes[g], states[g])):
            pending = _after(pending, ChangeKind(int(kind)))
            is_seen = state == ObjectState.PRESENT
            if is_seen if pending != ChangeKind.REMOVED else state == ObjectState.ABSENT:
                seen_as = _seen_as(pending, last_seen is not None)
                if (
                    seen_as == ChangeKind.MOVED
                    and poses is not None
                    and np.allclose(poses[g, t], poses[g, last_seen], atol=SAME_POSE_M)
                ):
                    seen_as = ChangeKind.UNKNOWN
                if seen_as != ChangeKind.UNKNOWN:
                    shown[t, g] = seen_as
                pending = ChangeKind.UNKNOWN
            if is_seen:
                last_seen = t
    return shown


def _after(pending: ChangeKind, kind: ChangeKind) -> ChangeKind:
    """Return the composition of two consecutive changes."""
    came = (ChangeKind.ADDED, ChangeKind.REAPPEARED)
    if kind == ChangeKind.UNKNOWN:
        return pending
    if kind == ChangeKind.REMOVED:
        return ChangeKind.UNKNOWN if pending in came else kind
    if pending == ChangeKind.REMOVED:
        return ChangeKind.MOVED
    return pending if pending in came else kind


def _seen_as(kind: ChangeKind, is_known: bool) -> ChangeKind:
    """Return the observable kind of a change, by whether the object was observed before."""
    if is_known or kind == ChangeKind.ADDED:
        return kind
    return ChangeKind.ADDED if kind == ChangeKind.REAPPEARED else ChangeKind.UNKNOWN


def is_away(changes: np.ndarray) -> np.ndarray:
    """Return (G, T) bool: the instance is removed and has not returned."""
    away = np.zeros(changes.shape, dtype=bool)
    for t in range(changes.shape[1]):
        before = away[:, t - 1] if t else np.zeros(len(changes), dtype=bool)
        came = np.isin(changes[:, t], (ChangeKind.ADDED, ChangeKind.REAPPEARED))
        away[:, t] = (before & ~came) | (changes[:, t] == ChangeKind.REMOVED)
    return away
