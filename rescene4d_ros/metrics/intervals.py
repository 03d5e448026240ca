"""
Percentile intervals of scores by a cluster bootstrap over rooms.

Every score is computed for every draw of rooms from the outcome of each prediction: predictions
are matched within their sequence, so a draw changes only their multiplicity. The intervals are
exact for the drawn sequences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.metrics.identity.identity_scores import identity_counts, RATES
from rescene4d_ros.metrics.rates import draw_rooms, percentile_interval, resampled_rates
from rescene4d_ros.metrics.segmentation.average_precision import LOOSE, Outcome, THRESHOLDS
from rescene4d_ros.metrics.segmentation.segmentation_scores import Judged, JudgedHeads
from rescene4d_ros.metrics.summary import change_counts, CHANGE_RATES, ReducedSequence

DRAWS = 1000
MOST_CELLS = 2**21  # predictions times draws in memory at once


def intervals(
    sequences: Sequence[ReducedSequence],
    judged: JudgedHeads,
    rng: np.random.Generator,
    n_draws: int = DRAWS,
) -> dict[str, list[float] | None]:
    """
    Compute 95 % intervals of average precision, recall, and all rates that are pooled counts.

    Parameters
    ----------
    sequences : sequence of S ReducedSequence
    judged : JudgedHeads
        Of the same sequences.
    rng : numpy Generator
    n_draws : int
        0 = no intervals.

    Returns
    -------
    dict of str to list of float, or None
        Low and high end; None where the score is undefined, or with fewer than two rooms.

    """
    times = draw_rooms([s.truth.room for s in sequences], rng, n_draws)
    rates = resampled_rates(_counts(sequences), times)
    values = dict(zip((*RATES, *CHANGE_RATES), rates.T))
    values['t_mrec'] = resampled_recall(judged.temporal, times)
    for prefix, head in (('t_', judged.temporal), ('', judged.pooled)):
        mean, at_50, at_25 = resampled_precisions(head, times)
        values |= {f'{prefix}map': mean, f'{prefix}map50': at_50, f'{prefix}map25': at_25}
    ends = {name: percentile_interval(drawn) for name, drawn in values.items()}
    return {name: None if e is None else list(e) for name, e in ends.items()}


def _counts(sequences: Sequence[ReducedSequence]) -> np.ndarray:
    """Return (S, M, 2) events and opportunities of all rates."""
    none = np.zeros((len(CHANGE_RATES), 2), dtype=np.int64)
    counts = [
        np.concatenate(
            [identity_counts(s.ids), none if s.changes is None else change_counts(s.changes)]
        )
        for s in sequences
    ]
    return np.array(counts).reshape(len(sequences), len(RATES) + len(CHANGE_RATES), 2)


def resampled_precisions(
    judged: Judged, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Compute mean average precision of every draw.

    Parameters
    ----------
    judged : Judged
        Of S sequences.
    times : ndarray (D, S), int
        How often each sequence is in each draw.

    Returns
    -------
    mean, at_50, at_25 : ndarray (D,), float64
        Means over the classes that have truth in the draw; NaN where none has.

    """
    table = {
        h: _mean(
            [
                resampled_precision(of_class[h], times[:, judged.numbers[c]])
                for c, of_class in judged.outcomes.items()
            ],
            len(times),
        )
        for h in (*THRESHOLDS, LOOSE)
    }
    return (np.mean([table[h] for h in THRESHOLDS], axis=0), table[THRESHOLDS[0]], table[LOOSE])


def resampled_recall(judged: Judged, times: np.ndarray) -> np.ndarray:
    """Return (D,) recall of every draw, mean over classes and strict thresholds."""
    shares = []
    for c, of_class in judged.outcomes.items():
        for h in THRESHOLDS:
            found = np.array([[o.is_found.sum(), o.n_true] for o in of_class[h]])
            shares.append(resampled_rates(found[:, None], times[:, judged.numbers[c]])[:, 0])
    return _mean(shares, len(times))


def resampled_precision(outcomes: Sequence[Outcome], times: np.ndarray) -> np.ndarray:
    """
    Compute the average precision of every draw of sequences.

    Parameters
    ----------
    outcomes : sequence of S Outcome
        Of one class at one threshold.
    times : ndarray (D, S), int
        How often each of them is in each draw.

    Returns
    -------
    ndarray (D,), float64
        `average_precision` of the outcomes, each taken so many times; NaN without truth.

    """
    scores = np.concatenate([np.empty(0), *(o.scores for o in outcomes)])
    order = np.argsort(-scores, kind='stable')
    right = np.concatenate([np.empty(0, bool), *(o.is_right for o in outcomes)])[order]
    sequence = np.repeat(np.arange(len(outcomes)), [len(o.scores) for o in outcomes])[order]
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf) != 0)
    truth = np.array([[o.n_true, o.n_true - o.is_found.sum()] for o in outcomes]).reshape(-1, 2)
    step = max(MOST_CELLS // max(len(order), 1), 1)
    return np.concatenate(
        [
            np.empty(0),
            *(
                _areas(right, sequence, last, truth, times[first : first + step])
                for first in range(0, len(times), step)
            ),
        ]
    )


def _areas(
    right: np.ndarray, sequence: np.ndarray, last: np.ndarray, truth: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """
    Compute the areas of some draws.

    Precision over recall has area only where recall grows: at the scores E' with something right.

    Parameters
    ----------
    right : ndarray (P,), bool
        By falling score.
    sequence : ndarray (P,), int
        Where each prediction is.
    last : ndarray (E,), int
        Last prediction of each score.
    truth : ndarray (S, 2), int
        Instances that are asked for, and those of them that were missed.
    times : ndarray (D, S), int

    Returns
    -------
    ndarray (D,), float64

    """
    n_true, missed = (times @ truth).T
    n_right = np.cumsum(right)[last]  # up to each score
    grows = np.flatnonzero(np.diff(n_right, prepend=0))
    if not len(grows):
        return np.where(n_true > 0, 0.0, np.nan)
    of_draws = np.ascontiguousarray(times.T)
    nothing = np.zeros((1, len(times)), dtype=of_draws.dtype)
    stated = np.cumsum(np.concatenate([nothing, of_draws[sequence]]), axis=0)  # (P + 1, D)
    hits = np.cumsum(of_draws[sequence[right]], axis=0)[n_right[grows] - 1]  # (E', D)
    before = np.concatenate([nothing, hits[:-1]])
    stated_before = stated[np.append(-1, last)[grows] + 1]
    high = np.where(stated_before > 0, before / np.maximum(stated_before, 1), 1.0)
    low = hits / np.maximum(stated[last[grows] + 1], 1)
    area = ((hits - before) * (high + low)).sum(axis=0) / 2
    return np.divide(area, hits[-1] + missed, where=n_true > 0, out=np.full(len(times), np.nan))


def _mean(values: Sequence[np.ndarray], n_draws: int) -> np.ndarray:
    """Return (D,) the mean of defined values per draw; NaN if none is defined."""
    table = np.array(values).reshape(len(values), n_draws)
    known = ~np.isnan(table)
    return np.divide(
        np.where(known, table, 0.0).sum(axis=0),
        known.sum(axis=0),
        where=known.any(axis=0),
        out=np.full(n_draws, np.nan),
    )
