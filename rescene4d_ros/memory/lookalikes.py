"""Links that could be others: what every other choice would cost the assignment as a whole."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def find_alternatives(score: np.ndarray, loss: np.ndarray, chosen: Mapping[int, int],
                      n_objects: int, birth: float, margin: float
                      ) -> dict[int, tuple[int, ...]]:
    """
    Find the objects that an observation could be just as well.

    Of two equal chairs that both moved, each observation fits each chair. So a link is not judged
    on its own: another object is an alternative if the best assignment of all observations that
    contains it costs at most `margin`.

    Parameters
    ----------
    score : ndarray (M, O + M), float64
        Of each observation being each object, then of being new.
    loss : ndarray (M, O + M), float64
        From `loss_of_others`.
    chosen : mapping of row to column
        The links of the best assignment; rows that are left out are new.
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
    found = {}
    for m, o in sorted(chosen.items()):
        others = np.flatnonzero((loss[m, :n_objects] <= margin)
                                & (score[m, :n_objects] >= birth - margin))
        if len(others := others[others != o]):
            found[m] = tuple(others.tolist())
    return found


def loss_of_others(score: np.ndarray, chosen: Mapping[int, int], n_objects: int) -> np.ndarray:
    """
    Return what it costs all rows together to give one of them another column.

    Who gets a column that is taken drives its owner out, who drives out the next, until one takes
    the column that the first has left, or one that is free. These are shortest paths between
    rows, found for all at once (Floyd and Warshall): the same as to solve the assignment anew
    with each pair fixed, in the time of a few.

    Parameters
    ----------
    score, chosen, n_objects
        As in `find_alternatives`; `chosen` is the best assignment.

    Returns
    -------
    ndarray (M, O + M), float64
        0 at the chosen pairs.

    """
    rows = np.arange(len(score))
    taken = np.array([chosen.get(m, n_objects + m) for m in rows], dtype=int)
    now = score[rows, taken]
    free = np.setdiff1d(np.arange(score.shape[1]), taken)
    drive_out = now[:, None] - score[:, taken]           # row takes the column of another row
    evade = now - score[:, free].max(1, initial=-np.inf)
    path = drive_out.copy()
    detour = np.empty_like(path)
    for k in rows:
        np.add(path[:, k, None], path[k], out=detour)
        np.minimum(path, detour, out=path)
    # Whoever moves up into a column that was left for a free one.
    follow = np.minimum(path.min(0, initial=np.inf), 0.0)
    give_way = np.minimum(evade, (path + evade).min(1, initial=np.inf))
    loss = now[:, None] - score + follow[:, None]
    loss[:, taken] = drive_out + np.minimum(path.T, give_way + follow[:, None])
    loss[rows, taken] = 0.0
    return loss
