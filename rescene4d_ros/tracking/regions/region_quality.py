"""How likely a candidate is a thing that came or went: boosted trees over its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from io import BytesIO

import numpy as np

MODEL = 'region_quality.npz'


@dataclass(frozen=True)
class BoostedTrees:
    """
    Hold an ensemble of binary decision trees whose values add up to a logit.

    Attributes
    ----------
    term : ndarray (T, M), int16
        Which term a node asks for; -1 at a leaf.
    limit : ndarray (T, M), float64
        A value of at most this goes left.
    left, right : ndarray (T, M), int16
        Nodes of the same tree.
    value : ndarray (T, M), float64
        Of leaves.
    base : float
        Logit without any tree.

    """

    term: np.ndarray
    limit: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    base: float

    def probability(self, evidence: np.ndarray) -> np.ndarray:
        """
        Return the probability of each row of evidence.

        Parameters
        ----------
        evidence : ndarray (N, F), float64

        Returns
        -------
        ndarray (N,), float64

        """
        tree = np.arange(len(self.term))
        node = np.zeros((len(evidence), len(tree)), dtype=np.int64)
        rows = np.arange(len(evidence))[:, None]
        while True:
            term = self.term[tree, node]  # (N, T)
            inner = term >= 0
            if not inner.any():
                break
            goes_left = evidence[rows, np.maximum(term, 0)] <= self.limit[tree, node]
            below = np.where(goes_left, self.left[tree, node], self.right[tree, node])
            node = np.where(inner, below, node)
        return 1 / (1 + np.exp(-(self.base + self.value[tree, node].sum(1))))


@lru_cache(maxsize=1)
def fitted_quality() -> BoostedTrees:
    """Return the model that is part of the package; `scripts/fit_regions.py` makes it."""
    data = (resources.files('rescene4d_ros.tracking.regions') / MODEL).read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        return BoostedTrees(
            arrays['term'],
            arrays['limit'].astype(np.float64),
            arrays['left'],
            arrays['right'],
            arrays['value'].astype(np.float64),
            float(arrays['base']),
        )
