"""
Choice of candidates that share no superpoint and promise most quality in sum, and their identity.

What the same queries claim in different visits is one object.
"""

from __future__ import annotations

import numpy as np
from rescene4d_ros.inference.selection.candidates import Candidates, Evidence
from rescene4d_ros.inference.selection.merge_tree import agreement, color_likeness
from rescene4d_ros.inference.selection.regions import Regions

LEAST_LIKENESS = 0.5  # of two masks of different visits that become one object


def choose_greedily(
    candidates: Candidates, points: np.ndarray, value: np.ndarray, least_left: float
) -> np.ndarray:
    """
    Take the best candidate, then the best of what it leaves, and so on.

    Parameters
    ----------
    candidates : Candidates
    points : ndarray (S,), float
        Points of each superpoint.
    value : ndarray (C,), float
        What a candidate is worth; those of 0 or less are never taken.
    least_left : float
        Share of its points that a candidate must still have to itself, 0..1.

    Returns
    -------
    ndarray (S,), int64
        Candidate of each superpoint, -1 = none.

    """
    owner = np.full(len(points), -1)
    order = np.argsort(-value, kind='stable')
    for k in order[value[order] > 0].tolist():
        mask = candidates.masks[:, k]
        left = mask & (owner < 0)
        if points[left].sum() >= max(least_left * points[mask].sum(), 1):
            owner[left] = k
    return owner


def choose_on_tree(candidates: Candidates, value: np.ndarray) -> np.ndarray:
    """
    Take the nodes of the merge tree that are worth most in sum and share no superpoint: exact.

    The best of a node is the larger of its own value and the sum of the best of its parts.

    Parameters
    ----------
    candidates : Candidates
        Their queries take no part.
    value : ndarray (C,), float
        What a candidate is worth; those of 0 or less are never taken.

    Returns
    -------
    ndarray (S,), int64
        Candidate of each superpoint, -1 = none.

    """
    parent = candidates.parent.tolist()
    own = value.tolist()
    best = [0.0] * len(own)  # of the parts of a node, until the node itself is reached
    is_taken = np.zeros(len(own), dtype=bool)
    for k in range(candidates.n_queries, len(own)):  # parts come before the node they make
        is_taken[k] = own[k] > best[k]
        best[k] = max(own[k], best[k])
        if parent[k] >= 0:
            best[parent[k]] += best[k]
    owner = np.full(candidates.masks.shape[0], -1)
    for k in np.flatnonzero(is_taken)[::-1]:  # the outermost first
        mask = candidates.masks[:, k]
        if owner[mask.argmax()] < 0:
            owner[mask] = k
    return owner


def exchange_for_queries(
    candidates: Candidates, value: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """
    Take masks of queries where they are worth more than all that they overlap.

    Parameters
    ----------
    candidates : Candidates
    value : ndarray (C,), float
    owner : ndarray (S,), int64
        Of `choose_on_tree`.

    Returns
    -------
    ndarray (S,), int64
        Candidate of each superpoint, -1 = none; worth at least as much in sum.

    """
    owner = owner.copy()
    queries = np.arange(candidates.n_queries)
    for k in queries[np.argsort(-value[queries], kind='stable')].tolist():
        if value[k] <= 0:
            break
        mask = candidates.masks[:, k]
        losers = np.unique(owner[mask])
        losers = losers[losers >= 0]
        if value[k] > value[losers].sum():
            owner[np.isin(owner, losers)] = -1
            owner[mask] = k
    return owner


def link_visits(
    regions: Regions, evidence: Evidence, masks: np.ndarray, least: float = LEAST_LIKENESS
) -> np.ndarray:
    """
    Join masks that no visit shows together, the most alike first.

    Two masks are alike where the same queries claim both, their colors are near and their sizes
    similar: also after a move.

    Parameters
    ----------
    regions : Regions
        Of T visits.
    evidence : Evidence
    masks : ndarray (S, I), bool
        Without overlap.
    least : float
        Least likeness, 0..1.

    Returns
    -------
    ndarray (I,), int64
        Object of each mask, 0..J - 1.

    """
    n = masks.shape[1]
    shown = np.stack(
        [masks[regions.visit == t].any(axis=0) for t in range(regions.visit.max(initial=0) + 1)]
    )
    together = (shown[:, :, None] & shown[:, None]).any(axis=0)
    first, second = np.nonzero(np.triu(~together, 1))
    group = np.arange(n)
    if not len(first):
        return group
    area = regions.points @ masks
    weighted = (masks * regions.points[:, None]).T / area[:, None].clip(min=1)
    claims = (weighted @ (evidence.mask_probs * evidence.certainty)).astype(np.float32)
    per_visit = area / shown.sum(axis=0).clip(min=1)
    ratio = per_visit[first] / per_visit[second].clip(min=1)
    pairs = np.stack([first, second], axis=1)
    likeness = (
        agreement(claims[first], claims[second])
        * color_likeness(weighted @ regions.color, pairs)
        * np.sqrt(np.minimum(ratio, 1 / ratio.clip(min=1e-9)))
    )
    order = np.argsort(-likeness, kind='stable')
    for a, b in pairs[order[likeness[order] >= least]].tolist():
        one, other = group == group[a], group == group[b]
        if not (shown[:, one].any(axis=1) & shown[:, other].any(axis=1)).any():
            group[other] = group[a]
    return np.unique(group, return_inverse=True)[1]
