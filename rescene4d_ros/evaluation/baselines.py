"""
Baselines: ids for masks that were made per visit.

They do not know which places were observed empty: missing objects count as removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.evaluation.linking import link, linked_sequence, Track, VisitMasks
from rescene4d_ros.geometry.se3 import upright
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.identity.identity_scores import issued_ids
from rescene4d_ros.metrics.segmentation.point_overlaps import count_overlaps
from rescene4d_ros.metrics.sequences import PredictedChange, TrueSequence
from rescene4d_ros.structures import ChangeKind

CLASS_WEIGHT = 0.25  # weight of class agreement beside feature similarity
MIN_APPEARANCE = 0.4  # (0.5 of a cosine with the weighted agreement) / (1 + weight)
UPDATE_RATE = 0.2
REACH_M = 1.0  # m; objects with larger distance of centers are not matched by place
MIN_CLOSENESS = 0.25
MOVED_M = 0.2  # m; centers of observed surface shift this much without a move


def link_by_class(visits: Sequence[VisitMasks]) -> list[np.ndarray]:
    """Link masks of equal class by falling score; tracks never end."""
    return link(visits, class_likeness, 1e-6)


def link_by_place(visits: Sequence[VisitMasks]) -> list[np.ndarray]:
    """Link masks of equal class by overlap and distance; tracks never end."""
    return link(visits, closeness, MIN_CLOSENESS)


def link_pairwise(visits: Sequence[VisitMasks]) -> list[np.ndarray]:
    """Link masks of consecutive visits by feature and class."""
    return link(visits, appearance, MIN_APPEARANCE, look_back=1)


def link_by_average(visits: Sequence[VisitMasks], look_back: int | None = 1) -> list[np.ndarray]:
    """
    Link masks to running averages of feature and class.

    Parameters
    ----------
    visits : sequence of T VisitMasks
    look_back : int, optional
        1 = tracks end when they miss a visit; None = tracks never end.

    """
    return link(visits, appearance, MIN_APPEARANCE, look_back=look_back, update_rate=UPDATE_RATE)


def link_by_query(queries: Sequence[np.ndarray]) -> list[np.ndarray]:
    """
    Use the number of the query as the id.

    Parameters
    ----------
    queries : sequence of T ndarrays (P_t,), int
        From 0, each once per visit.

    """
    return [np.asarray(q, dtype=np.int64) + 1 for q in queries]


def link_by_truth(
    visits: Sequence[VisitMasks], truth: TrueSequence, rules: ScoreRules
) -> list[np.ndarray]:
    """
    Link masks by the true instance that they cover; other masks are separate objects.

    Perfect association of these masks. Classes remain predicted.
    """
    sizes = np.bincount(truth.visit, minlength=len(visits))
    ends = np.cumsum([len(v) for v in visits])
    alone = [np.arange(end - len(v), end) + 1 for v, end in zip(visits, ends)]
    prediction = linked_sequence(visits, alone, sizes.tolist())
    tolerant = replace(rules, class_tolerant=True)
    issued = issued_ids(truth, prediction, count_overlaps(truth, prediction), tolerant).issued
    fresh = int(truth.instance_ids.max(initial=0))
    out = []
    for t, ids in enumerate(alone):
        named = ids + fresh
        for g in np.flatnonzero(issued[t]):
            named[ids == issued[t, g]] = truth.instance_ids[g]
        out.append(named)
    return out


def changes_by_presence(
    visits: Sequence[VisitMasks], ids: Sequence[np.ndarray], least_m: float = MOVED_M
) -> tuple[PredictedChange, ...]:
    """
    Derive changes of linked masks from presence and position.

    An id that is new, missing since the previous visit, or back is added, removed, or has
    reappeared; one with another center has moved by the shift of its center.

    Parameters
    ----------
    visits : sequence of T VisitMasks
    ids : sequence of T ndarrays (P_t,), int
    least_m : float, m
        Smaller shifts are ignored.

    Returns
    -------
    tuple of PredictedChange
        Confidence is the score of the mask, of the last one for removals; 1 at most.

    """
    found: list[PredictedChange] = []
    last: dict[int, tuple[int, np.ndarray, float]] = {}  # id: visit, center, score
    for t, (masks, here) in enumerate(zip(visits, ids)):
        gone = [i for i, (u, _, _) in last.items() if u == t - 1 and i not in set(here.tolist())]
        found += [PredictedChange(t, ChangeKind.REMOVED, i, last[i][2]) for i in gone]
        for i, center, score in zip(here.tolist(), masks.centers, masks.scores.tolist()):
            sure = min(score, 1.0)
            if i not in last:
                found += [PredictedChange(t, ChangeKind.ADDED, i, sure)] * (t > 0)
            elif last[i][0] < t - 1:
                found.append(PredictedChange(t, ChangeKind.REAPPEARED, i, sure))
            elif np.linalg.norm(center - last[i][1]) >= least_m:
                found.append(
                    PredictedChange(
                        t, ChangeKind.MOVED, i, sure, upright(0.0, center - last[i][1])
                    )
                )
            last[i] = (t, center, sure)
    return tuple(found)


def class_likeness(masks: VisitMasks, tracks: Sequence[Track]) -> np.ndarray:
    """Return (P, tracks) agreement of the class posteriors; 0 where the classes differ."""
    probs = np.array([k.class_probs for k in tracks])
    same = masks.classes[:, None] == probs.argmax(axis=1)[None]
    return np.where(same, masks.class_probs @ probs.T, 0.0)


def closeness(masks: VisitMasks, tracks: Sequence[Track]) -> np.ndarray:
    """Return (P, tracks) mean of cell overlap and nearness of centers; 0 where classes differ."""
    same = class_likeness(masks, tracks) > 0
    centers = np.array([k.center for k in tracks])
    distance = np.linalg.norm(masks.centers[:, None] - centers[None], axis=2)
    known = [_keys(k.cells) for k in tracks]
    overlap = np.zeros(same.shape)
    for p, k in np.argwhere(same & (distance < REACH_M)):
        mine = _keys(masks.cells[p])
        shared = len(mine & known[k])
        overlap[p, k] = shared / max(len(mine) + len(known[k]) - shared, 1)
    near = np.maximum(0.0, 1.0 - distance / REACH_M)
    return np.where(same, (overlap + near) / 2, 0.0)


def appearance(masks: VisitMasks, tracks: Sequence[Track]) -> np.ndarray:
    """Return (P, tracks) cosine of features plus weighted class agreement, 1 at most."""
    features = np.array([k.feature for k in tracks])
    probs = np.array([k.class_probs for k in tracks])
    length = np.maximum(np.linalg.norm(masks.features, axis=1, keepdims=True), 1e-12)
    cosine = (masks.features / length) @ features.T
    value = (cosine + CLASS_WEIGHT * masks.class_probs @ probs.T) / (1 + CLASS_WEIGHT)
    return np.maximum(value, 0.0)


def _keys(cells: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, cells.tolist()))
