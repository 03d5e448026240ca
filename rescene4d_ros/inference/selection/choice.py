"""Choice of candidates that share no superpoint and promise most quality in sum."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.inference.selection.candidates import Candidates


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
