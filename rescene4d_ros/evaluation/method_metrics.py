"""Entries of `metrics.json` per method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.evaluation.results_folder import SequenceRecord
from rescene4d_ros.evaluation.runs import Compared
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.intervals import DRAWS, intervals
from rescene4d_ros.metrics.segmentation.temporal_similarity import mean_similarity
from rescene4d_ros.metrics.summary import identity_by_split, judge_all, summarize


def metrics_of(
    compared: Compared, rules: ScoreRules, seed: int = 0, n_draws: int = DRAWS
) -> dict[str, dict]:
    """
    Compute all scores of all methods.

    Parameters
    ----------
    compared : Compared
    rules : ScoreRules
    seed : int
        Seed of the intervals; all methods use the same draws.
    n_draws : int
        Of rooms.

    Returns
    -------
    dict
        'methods', 'intervals', 'identity_by_split' as in `rescene4d score`; 'seconds_by_visits':
        mean seconds per method and number of visits; 'network', where t-SIM was asked for:
        `mean_similarity`.

    """
    judged = {m: judge_all(s, rules) for m, s in compared.sequences.items()}
    return _network_metrics(compared, seed, n_draws) | {
        'methods': {m: summarize(s, rules, judged[m]) for m, s in compared.sequences.items()},
        'intervals': {
            m: intervals(s, judged[m], np.random.default_rng(seed), n_draws)
            for m, s in compared.sequences.items()
        },
        'identity_by_split': {m: identity_by_split(s) for m, s in compared.sequences.items()},
        'seconds_by_visits': {
            m: seconds_by_visits(compared.records, m) for m in compared.sequences
        },
    }


def _network_metrics(compared: Compared, seed: int, n_draws: int) -> dict[str, dict]:
    """Return what the features are worth, whatever the method; empty if it was not asked for."""
    found = [r.similarity for r in compared.records if r.similarity is not None]
    if len(found) < len(compared.records) or not found:
        return {}
    rooms = [s.truth.room for s in next(iter(compared.sequences.values()))]
    return {'network': mean_similarity(found, rooms, np.random.default_rng(seed), n_draws)}


def seconds_by_visits(records: Sequence[SequenceRecord], method: str) -> dict[str, float]:
    """Return the mean seconds of one method per number of visits, ascending."""
    return {
        str(n): round(float(np.mean([r.seconds[method] for r in records if r.n_visits == n])), 4)
        for n in sorted({r.n_visits for r in records})
    }
