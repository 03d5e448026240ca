"""The true changes as someone who only sees the visits could know them."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures import ChangeKind, ObjectState

SAME_POSE_M = 1e-6


def observable_changes(
    changes: np.ndarray, states: np.ndarray, poses: np.ndarray | None = None
) -> dict[tuple[int, int], ChangeKind]:
    """
    Put each change to the first visit that shows it.

    A removal shows where the place is seen empty, any other change where the object is seen. What
    happens unseen adds up until then: what came and went was never there; what went and came back
    has moved, or, where the poses say so, has not changed; and whatever befell an object before
    it was first seen is not known, except that it came.

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
    """Return what two changes in a row amount to."""
    came = (ChangeKind.ADDED, ChangeKind.REAPPEARED)
    if kind == ChangeKind.UNKNOWN:
        return pending
    if kind == ChangeKind.REMOVED:
        return ChangeKind.UNKNOWN if pending in came else kind
    if pending == ChangeKind.REMOVED:
        return ChangeKind.MOVED
    return pending if pending in came else kind


def _seen_as(kind: ChangeKind, is_known: bool) -> ChangeKind:
    """Return what a change is to someone who has or has not seen the object before."""
    if is_known or kind == ChangeKind.ADDED:
        return kind
    return ChangeKind.ADDED if kind == ChangeKind.REAPPEARED else ChangeKind.UNKNOWN


def is_away(changes: np.ndarray) -> np.ndarray:
    """Return (G, T) bool: the instance has been taken out and not been brought back."""
    away = np.zeros(changes.shape, dtype=bool)
    for t in range(changes.shape[1]):
        before = away[:, t - 1] if t else np.zeros(len(changes), dtype=bool)
        came = np.isin(changes[:, t], (ChangeKind.ADDED, ChangeKind.REAPPEARED))
        away[:, t] = (before & ~came) | (changes[:, t] == ChangeKind.REMOVED)
    return away
