"""Rates of pooled counts, and their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def ratio(counts: np.ndarray | Sequence[float]) -> np.ndarray:
    """Divide events by opportunities along the last axis; NaN without opportunities."""
    counts = np.asarray(counts, dtype=np.float64)
    return np.divide(
        counts[..., 0],
        counts[..., 1],
        where=counts[..., 1] > 0,
        out=np.full(counts.shape[:-1], np.nan),
    )


def draw_rooms(rooms: Sequence[str], rng: np.random.Generator, n_draws: int) -> np.ndarray:
    """
    Draw bootstrap samples of rooms.

    Rooms are drawn, not sequences, because sequences of one room are not independent.

    Parameters
    ----------
    rooms : sequence of S str
        All sequences of one room are drawn together.
    rng : numpy Generator
    n_draws : int

    Returns
    -------
    ndarray (D, S), int32
        How often each sequence is in each draw; no draw (0, S) of fewer than two rooms.

    """
    names, room = np.unique(np.asarray(rooms, dtype=str), return_inverse=True)
    if len(names) < 2:
        return np.zeros((0, len(room)), dtype=np.int32)
    share = np.full(len(names), 1 / len(names))
    return rng.multinomial(len(names), share, size=n_draws)[:, room].astype(np.int32)


def resampled_rates(counts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """
    Compute pooled rates of every draw.

    Parameters
    ----------
    counts : ndarray (S, M, 2), int
        Events and opportunities of M rates in S sequences.
    times : ndarray (D, S), int
        Of `draw_rooms`.

    Returns
    -------
    ndarray (D, M), float64

    """
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    return ratio((times @ flat).reshape(len(times), *counts.shape[1:]))


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float] | None:
    """
    Return the percentile interval of the draws.

    Parameters
    ----------
    values : ndarray (D,), float64
        One score per draw; NaN where it was undefined.
    level : float
        The share.

    Returns
    -------
    tuple of float, or None
        None where no draw has a value.

    """
    if np.isnan(values).all():
        return None
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
