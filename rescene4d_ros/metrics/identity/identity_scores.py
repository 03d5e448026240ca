"""
Identity over many visits: counts that are pooled before division.

Each visit is matched separately: true instances with points there against the masks of that visit,
one to one, with the most matches, then the largest overlap. Counts:

=======================  ========================================================================
id switch                of the instances matched in two visits that follow each other: another id
fragmentation            of the matches of one instance beyond its first: an id more than one
merge                    of the matches of one id beyond its first: an instance more than one
gap recovery recall      of the times an instance was away and is back: same id before and after
gap attempt coverage     of the same: matched before and after
gap recovery accuracy    of those matched before and after: same id
false reactivation       of the instances matched in the visit that first shows them, which is not
                         the first visit: an id that was in use before
=======================  ========================================================================

Being away is a matter of the truth: no points in the visits between. A visit in which an instance
was merely not found is no gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.identity.visit_matching import match_pairs
from rescene4d_ros.metrics.segmentation.point_overlaps import Overlaps
from rescene4d_ros.metrics.sequences import PredictedSequence, TrueSequence
from rescene4d_ros.structures import ChangeKind

RATES = (
    'id_switch_rate',
    'fragmentation_rate',
    'merge_rate',
    'gap_recovery_recall',
    'gap_recovery_accuracy',
    'gap_attempt_coverage',
    'false_reactivation_rate',
)
SWITCH, FRAGMENT, MERGE, GAP_RECALL, GAP_ACCURACY, GAP_COVERAGE, REACTIVATION = range(len(RATES))


@dataclass(frozen=True)
class IssuedIds:
    """
    Ids of each true instance at each visit.

    Attributes
    ----------
    is_visible : ndarray (T, G), bool
    issued : ndarray (T, G), int64
        0 = not matched.
    first_use : dict of int to int
        First visit of each id, matched or not.

    """

    is_visible: np.ndarray
    issued: np.ndarray
    first_use: dict[int, int]


def issued_ids(
    truth: TrueSequence, prediction: PredictedSequence, overlaps: Overlaps, rules: ScoreRules
) -> IssuedIds:
    """
    Match every visit separately.

    Parameters
    ----------
    truth : TrueSequence
    prediction : PredictedSequence
    overlaps : Overlaps
        Of the masks of `prediction`.
    rules : ScoreRules

    """
    visible = overlaps.true >= rules.min_visit_points
    issued = np.zeros(visible.shape, dtype=np.int64)
    iou = overlaps.visit_iou()
    used = (overlaps.predicted > 0) & (prediction.scores >= rules.min_score)[:, None]
    same_class = prediction.classes[:, None] == truth.classes[None]
    legal = (iou >= rules.min_iou) & (same_class | rules.class_tolerant)[:, None]
    first_use: dict[int, int] = {}
    for t in range(len(visible)):
        rows, columns = np.flatnonzero(used[:, t]), np.flatnonzero(visible[t])
        g, p = match_pairs(iou[rows, t][:, columns].T, legal[rows, t][:, columns].T)
        issued[t, columns[g]] = prediction.object_ids[rows[p]]
        for i in prediction.object_ids[rows].tolist():
            first_use.setdefault(i, t)
    return IssuedIds(visible, issued, first_use)


def identity_counts(
    ids: IssuedIds,
    *,
    n_visits: int | None = None,
    instances: np.ndarray | None = None,
    visits_away: int | None = None,
) -> np.ndarray:
    """
    Count events and opportunities of one sequence.

    Parameters
    ----------
    ids : IssuedIds
    n_visits : int, optional
        Only the first visits; None = all.
    instances : ndarray (G,), bool, optional
        Only these instances.
    visits_away : int, optional
        Only gaps of this length; None = of any.

    Returns
    -------
    ndarray (7, 2), int64
        Events and opportunities, in the order of `RATES`.

    """
    kept = slice(None) if instances is None else instances
    issued, visible = ids.issued[:n_visits, kept], ids.is_visible[:n_visits, kept]
    counts = np.zeros((len(RATES), 2), dtype=np.int64)
    both = (issued[1:] > 0) & (issued[:-1] > 0)
    counts[SWITCH] = (both & (issued[1:] != issued[:-1])).sum(), both.sum()
    matched = issued > 0
    column = np.broadcast_to(np.arange(issued.shape[1]), issued.shape)
    pairs = np.unique(np.column_stack([column[matched], issued[matched]]), axis=0)
    n_instances, n_ids = len(np.unique(pairs[:, 0])), len(np.unique(pairs[:, 1]))
    counts[FRAGMENT] = len(pairs) - n_instances, matched.sum() - n_instances
    counts[MERGE] = len(pairs) - n_ids, matched.sum() - n_ids
    for before, after, away in _gaps(issued, visible):
        if visits_away in (None, away):
            attempt = before > 0 and after > 0
            right = attempt and before == after
            counts[GAP_RECALL] += right, 1
            counts[GAP_ACCURACY] += right, attempt
            counts[GAP_COVERAGE] += attempt, 1
    for g in np.flatnonzero(visible.any(axis=0)):
        first = int(visible[:, g].argmax())
        if first > 0 and issued[first, g] > 0:
            counts[REACTIVATION] += ids.first_use[int(issued[first, g])] < first, 1
    return counts


def _gaps(issued: np.ndarray, visible: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yield (id before, id after, visits away) of every gap."""
    for g in range(issued.shape[1]):
        shown = np.flatnonzero(visible[:, g])
        for a, b in zip(shown, shown[1:]):
            if b - a > 1:
                yield int(issued[a, g]), int(issued[b, g]), int(b - a - 1)


def longest_gap(ids: IssuedIds) -> int:
    """Return the largest number of visits that an instance was away between two that show it."""
    return max((away for *_, away in _gaps(ids.issued, ids.is_visible)), default=0)


def splits(truth: TrueSequence, ids: IssuedIds) -> dict[str, np.ndarray]:
    """
    Group the instances by difficulty.

    Returns
    -------
    dict of str to ndarray (G,), bool
        'static': never moved, deformed, added or away; 'moved': or deformed; 'returned': was away
        and is back; 'identical': a look-alike; 'unique': none. Only static excludes moved and
        returned.

    """
    returned = np.zeros(len(truth.instance_ids), dtype=bool)
    for g in range(len(returned)):
        shown = np.flatnonzero(ids.is_visible[:, g])
        returned[g] = bool((np.diff(shown) > 1).any())
    moved = np.zeros(len(returned), dtype=bool)
    left = np.zeros(len(returned), dtype=bool)
    if truth.changes is not None:
        moved = _ever(truth.changes, ChangeKind.MOVED, ChangeKind.DEFORMED)
        left = _ever(truth.changes, ChangeKind.REMOVED, ChangeKind.ADDED, ChangeKind.REAPPEARED)
    return {
        'static': ~(moved | returned | left),
        'moved': moved,
        'returned': returned,
        'identical': truth.groups > 0,
        'unique': truth.groups == 0,
    }


def _ever(changes: np.ndarray, *kinds: ChangeKind) -> np.ndarray:
    """Return (G,) bool: whether a change of these kinds is among those of an instance (G, T)."""
    is_one = np.isin(changes, kinds)
    return np.asarray(is_one.any(axis=1))
