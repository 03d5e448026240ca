"""
Average precision by ScanNet's protocol, for any table of overlaps.

Per class and sequence: each true instance, in order, is matched to the unmatched prediction with
the highest score among those with an overlap above the threshold; the others are false positives.
A prediction without such an overlap is a false positive too, unless a share of it above the
threshold lies on void or on instances that are too small to be scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.metrics.segmentation.temporal_overlap import exchange, VisitOverlaps

THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(9))
LOOSE = 0.25


@dataclass(frozen=True)
class Group:
    """
    One group of look-alikes.

    Attributes
    ----------
    members : ndarray (M,), int
        Columns of the case.
    visits : VisitOverlaps
        Of the case's predictions (rows) and the members (columns).
    reach : ndarray (P,), float64
        Overlap with the best member if all members were free.

    """

    members: np.ndarray
    visits: VisitOverlaps
    reach: np.ndarray


@dataclass(frozen=True)
class ClassCase:
    """
    Predictions of one class in one sequence against the truth.

    Attributes
    ----------
    scores : ndarray (P,), float64
        Falling.
    overlap : ndarray (P, G), float64
    is_counted : ndarray (G,), bool
        Whether the instance is large enough to be scored.
    ignored : ndarray (P,), float64
        Share of the mask on void and on instances that are not counted.
    groups : tuple of Group
        Look-alikes; their members are counted.
    instances : ndarray (G,), int
        Indices of the instances in the sequence.

    """

    scores: np.ndarray
    overlap: np.ndarray
    is_counted: np.ndarray
    ignored: np.ndarray
    groups: tuple[Group, ...]
    instances: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """
    Outcome of one case at one threshold.

    Attributes
    ----------
    scores : ndarray (D,), float64
    is_right : ndarray (D,), bool
    is_found : ndarray (G,), bool
    n_true : int
        Counted instances.

    """

    scores: np.ndarray
    is_right: np.ndarray
    is_found: np.ndarray
    n_true: int


def judge(case: ClassCase, threshold: float) -> Outcome:
    """Classify predictions as correct, wrong or ignored."""
    over = case.overlap > threshold
    visited = np.zeros(len(case.scores), dtype=bool)
    found = np.zeros(len(case.is_counted), dtype=bool)
    wrong: list[int] = []
    in_group = np.zeros(len(found), dtype=bool)
    for group in case.groups:
        in_group[group.members] = True
    for g in np.flatnonzero(case.is_counted & ~in_group & over.any(axis=0)):
        hits = np.flatnonzero(over[:, g] & ~visited).tolist()
        if hits:
            visited[hits[0]] = found[g] = True
            wrong += hits[1:]
    touches = (over & ~in_group).any(axis=1)
    for group in case.groups:
        reaches = group.reach > threshold
        rows = np.flatnonzero(reaches & ~visited)
        everyone = np.arange(len(group.members))
        taken = exchange(group.visits.select(rows, everyone), threshold)
        visited[rows[list(taken)]] = True
        found[group.members[list(taken.values())]] = True
        wrong += rows[~visited[rows]].tolist()
        touches |= reaches
    wrong += np.flatnonzero(~touches & (case.ignored <= threshold)).tolist()
    right = np.flatnonzero(visited)
    return Outcome(
        case.scores[np.concatenate([right, wrong]).astype(int)],
        np.arange(len(right) + len(wrong)) < len(right),
        found,
        int(case.is_counted.sum()),
    )


def average_precision(outcomes: Sequence[Outcome]) -> float:
    """
    Return the area under precision over recall, by trapezoids from (recall 0, precision 1).

    Predictions of equal score are added together. NaN without true instances.
    """
    if not sum(o.n_true for o in outcomes):
        return float('nan')
    points, precision = precision_recall(outcomes)
    return float(np.trapezoid(precision, points))


def precision_recall(outcomes: Sequence[Outcome]) -> tuple[np.ndarray, np.ndarray]:
    """
    Return recall and precision, both (D + 1,), over falling score.

    For at least one sequence with at least one true instance.
    """
    scores = np.concatenate([o.scores for o in outcomes])
    right = np.concatenate([o.is_right for o in outcomes])
    order = np.argsort(-scores, kind='stable')
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf) != 0)
    hits = np.cumsum(right[order])[last]
    precision = np.concatenate([[1.0], hits / (last + 1)])
    return np.concatenate([[0.0], hits / (hits[-1:] + missed(outcomes))]), precision


def missed(outcomes: Sequence[Outcome]) -> int:
    """Return the number of counted instances without a correct prediction."""
    return sum(o.n_true - int(o.is_found.sum()) for o in outcomes)


def recall(outcomes: Sequence[Outcome]) -> float:
    """Return the share of counted instances that were found; NaN without instances."""
    n_true = sum(o.n_true for o in outcomes)
    return 1.0 - missed(outcomes) / n_true if n_true else float('nan')
