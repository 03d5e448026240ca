"""Rates of pooled counts, and how far they may be chance."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def ratio(counts: np.ndarray) -> np.ndarray:
    """Divide events by opportunities, along the last axis; NaN where there was none."""
    counts = np.asarray(counts, dtype=np.float64)
    return np.divide(counts[..., 0], counts[..., 1], where=counts[..., 1] > 0,
                     out=np.full(counts.shape[:-1], np.nan))


def bootstrap_intervals(counts: np.ndarray, rooms: Sequence[str], rng: np.random.Generator,
                        n_draws: int = 2000, level: float = 0.95) -> np.ndarray:
    """
    Compute percentile intervals of pooled rates by a cluster bootstrap over rooms.

    Rooms are drawn anew, not sequences: what was seen of one room is not independent.

    Parameters
    ----------
    counts : ndarray (S, M, 2), int
        Events and opportunities of M rates in S sequences.
    rooms : sequence of S str
        All sequences of one room are drawn together.
    rng : numpy Generator
    n_draws : int
    level : float
        Share of the draws inside the interval.

    Returns
    -------
    ndarray (M, 2), float64
        Low and high end; NaN for a rate without opportunity, or with fewer than two rooms.

    """
    names, room = np.unique(np.asarray(rooms, dtype=str), return_inverse=True)
    per_room = np.zeros((len(names), *counts.shape[1:]))
    np.add.at(per_room, room, counts)
    out = np.full((counts.shape[1], 2), np.nan)
    if len(names) < 2:
        return out
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_draws)
    rates = ratio(np.einsum('dr,rmc->dmc', times, per_room))
    for m in np.flatnonzero(~np.isnan(rates).all(axis=0)):
        out[m] = np.nanquantile(rates[:, m], [(1 - level) / 2, (1 + level) / 2])
    return out
