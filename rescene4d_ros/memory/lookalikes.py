"""Links that could be others: what every other choice would cost the assignment as a whole."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment


def find_alternatives(score: np.ndarray, chosen: Mapping[int, int], n_objects: int,
                      birth: float, margin: float) -> dict[int, tuple[int, ...]]:
    """
    Find the objects that an observation could be just as well.

    Of two equal chairs that both moved, each observation fits each chair. So a link is not judged
    on its own: another object is an alternative if the best assignment of all observations that
    contains it costs at most `margin`.

    Parameters
    ----------
    score : ndarray (M, O + M), float64
        Of each observation being each object, then of being new.
    chosen : mapping of row to column
        The links of the best assignment.
    n_objects : int
        O.
    birth : float
        Score of a new object; what fits worse is no alternative.
    margin : float

    Returns
    -------
    dict of row to tuple of columns
        Only of rows that have alternatives.

    """
    if not chosen:
        return {}
    best = _total(score)
    found = {}
    for m, o in sorted(chosen.items()):
        likely = np.flatnonzero(score[m, :n_objects] >= birth - margin)
        others = [int(k) for k in likely if k != o
                  and best - _total_with(score, m, int(k)) <= margin]
        if others:
            found[m] = tuple(others)
    return found


def _total(score: np.ndarray) -> float:
    """Return the score of the best assignment."""
    rows, columns = linear_sum_assignment(-score)
    return float(score[rows, columns].sum())


def _total_with(score: np.ndarray, row: int, column: int) -> float:
    """Return the score of the best assignment that contains one pair."""
    rest = np.delete(np.delete(score, row, axis=0), column, axis=1)
    return float(score[row, column]) + (_total(rest) if len(rest) else 0.0)
