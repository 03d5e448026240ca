"""
t-SIM: how alike the features of one object are in two visits, beside other objects of its class.

The published formula is not public; docs/experiments/published_values.md has the definition used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rescene4d_ros.metrics.rates import draw_rooms, percentile_interval, ratio
from rescene4d_ros.metrics.sequences import TrueSequence

SMALLEST = 1e-12  # length below which a feature has no direction
SCORES = ('t_sim', 't_sim_other')


@dataclass(frozen=True)
class InstanceSimilarity:
    """
    Cosines of M instances of one sequence between visits 0 and 1.

    Attributes
    ----------
    instance_ids : ndarray (M,), int
        True instances with a superpoint of their own in both visits.
    own : ndarray (M,), float64
        Between the mean features of the instance in both visits, -1..1.
    other : ndarray (M,), float64
        Largest between the instance in one visit and another of its class in the other visit; NaN
        where there is none.
    left_out : int
        Further instances with points in visit 0 or 1, but not with a superpoint in both.

    """

    instance_ids: np.ndarray
    own: np.ndarray
    other: np.ndarray
    left_out: int

    def scores(self) -> dict[str, Any]:
        """Return the means of the sequence, None where undefined, and the number of instances."""
        known = self.other[~np.isnan(self.other)]
        means = [float(np.mean(values)) if len(values) else None for values in (self.own, known)]
        return dict(zip(SCORES, means)) | {'instances': len(self.own), 'left_out': self.left_out}


NOT_COMPARABLE = InstanceSimilarity(np.empty(0, np.int64), np.empty(0), np.empty(0), 0)


def instance_similarity(
    features: Sequence[np.ndarray], superpoint: Sequence[np.ndarray], truth: TrueSequence
) -> InstanceSimilarity:
    """
    Compare the features of true instances between visits 0 and 1.

    A superpoint belongs to the instance that has most of its points, as in training.

    Parameters
    ----------
    features : sequence of 2 ndarrays (S_t, C), float
        Of the superpoints of each visit; only their directions count.
    superpoint : sequence of 2 ndarrays (N_t,), int
        Superpoint of each point, 0..S_t - 1.
    truth : TrueSequence
        At least these visits.

    """
    ids = np.sort(truth.instance_ids)
    means, known, seen = [], [], np.zeros(len(ids), dtype=bool)
    for visit, (feats, of_point) in enumerate(zip(features, superpoint, strict=True)):
        instance = truth.instance[truth.visit == visit]
        seen |= np.isin(ids, instance)
        owner = _owners(of_point, instance, ids, len(feats))
        unit = _directions(feats.astype(np.float64))
        total = np.zeros((len(ids) + 1, feats.shape[1]))
        np.add.at(total, owner, unit)
        means.append(_directions(total[1:]))  # cosines need no division by the number
        known.append(np.bincount(owner, minlength=len(ids) + 1)[1:] > 0)
    cosine = means[0] @ means[1].T  # (G, G): visit 0 by visit 1
    classes = truth.classes[np.argsort(truth.instance_ids)]
    is_rival = (classes[:, None] == classes) & known[0][:, None] & known[1]
    np.fill_diagonal(is_rival, False)
    rivals = np.where(is_rival, cosine, -np.inf)
    other = np.maximum(rivals.max(axis=1, initial=-np.inf), rivals.max(axis=0, initial=-np.inf))
    both = known[0] & known[1]
    return InstanceSimilarity(
        ids[both],
        np.diagonal(cosine)[both],
        np.where(np.isfinite(other), other, np.nan)[both],
        int((seen & ~both).sum()),
    )


def _owners(superpoint: np.ndarray, instance: np.ndarray, ids: np.ndarray, n: int) -> np.ndarray:
    """Return the row + 1 in sorted `ids` of each of n superpoints; 0 = none of them."""
    column = np.where(np.isin(instance, ids), np.searchsorted(ids, instance) + 1, 0)
    width = len(ids) + 1
    counts = np.bincount(superpoint.astype(np.int64) * width + column, minlength=n * width)
    owners: np.ndarray = counts.reshape(n, width).argmax(axis=1)
    return owners


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Return rows of length 1; rows without a direction are zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > SMALLEST)


def mean_similarity(
    sequences: Sequence[dict[str, Any]],
    rooms: Sequence[str],
    rng: np.random.Generator,
    n_draws: int = 0,
) -> dict[str, Any]:
    """
    Average over sequences.

    Parameters
    ----------
    sequences : sequence of S dict
        Of `InstanceSimilarity.scores`; those without a value are left out of a mean.
    rooms : sequence of S str
    rng : numpy Generator
    n_draws : int
        Of rooms for the 95 % intervals; 0 = none.

    Returns
    -------
    dict
        't_sim' and 't_sim_other', None where undefined; 'intervals' of both; 'instances',
        'left_out' and 'sequences' that have a value: numbers.

    """
    values = np.array([[s[k] for k in SCORES] for s in sequences], dtype=np.float64)  # None is NaN
    is_known = ~np.isnan(values)
    counts = np.stack([np.where(is_known, values, 0), is_known], axis=-1)  # (S, 2, 2)
    drawn = np.einsum('ds,skc->dkc', draw_rooms(rooms, rng, n_draws), counts)
    means = ratio(counts.sum(axis=0))
    return {
        **{k: None if np.isnan(m) else float(m) for k, m in zip(SCORES, means)},
        'intervals': {k: percentile_interval(ends) for k, ends in zip(SCORES, ratio(drawn).T)},
        **{k: sum(s[k] for s in sequences) for k in ('instances', 'left_out')},
        'sequences': int(is_known[:, 0].sum()),
    }
