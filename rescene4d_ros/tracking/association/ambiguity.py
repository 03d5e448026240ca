"""Ambiguous links: what every other choice would cost the assignment as a whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ROUNDING = 1e-6  # by which sums of scores may be off, with much to spare


def find_alternatives(
    score: np.ndarray,
    loss: np.ndarray,
    chosen: Mapping[int, int],
    n_objects: int,
    birth: float,
    margin: float,
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
    as_good = (loss[:, :n_objects] <= margin) & (score[:, :n_objects] >= birth - margin)
    found: dict[int, tuple[int, ...]] = {}
    for m, o in zip(*(side.tolist() for side in np.nonzero(as_good))):
        if chosen.get(m, o) != o:
            found[m] = (*found.get(m, ()), o)
    return found


def loss_of_others(
    score: np.ndarray, chosen: Mapping[int, int], n_objects: int, up_to: float = np.inf
) -> np.ndarray:
    """
    Return what it costs all rows together to give one of them another column.

    A row that gets a taken column displaces its owner, which displaces the next, until one takes
    the column that the first has left, or a free one. These are shortest paths between rows, found
    for all at once (Floyd and Warshall): the same as solving the assignment again with each pair
    fixed, in the time of a few.

    Parameters
    ----------
    score, chosen, n_objects
        As in `find_alternatives`; `chosen` is the best assignment.
    up_to : float
        What costs more may be returned as more than it costs, which takes less time.

    Returns
    -------
    ndarray (M, O + M), float64
        0 at the chosen pairs.

    """
    rows = np.arange(len(score))
    taken = np.array([chosen.get(m, n_objects + m) for m in range(len(score))], dtype=np.int64)
    now = score[rows, taken]
    free = np.setdiff1d(np.arange(score.shape[1]), taken)
    drive_out = now[:, None] - score[:, taken]  # row takes the column of another row
    evade = now - score[:, free].max(1, initial=-np.inf)
    path = drive_out.copy()
    detour = np.empty_like(path)
    for k in rows if np.isinf(up_to) else _involved(drive_out, evade, up_to):
        np.add(path[:, k, None], path[k], out=detour)
        np.minimum(path, detour, out=path)
    # A row that moves into a column that another left for a free one.
    follow = np.minimum(path.min(0, initial=np.inf), 0.0)
    give_way = np.minimum(evade, (path + evade).min(1, initial=np.inf))
    loss = now[:, None] - score + follow[:, None]
    loss[:, taken] = drive_out + np.minimum(path.T, give_way + follow[:, None])
    loss[rows, taken] = 0.0
    return loss


def _involved(drive_out: np.ndarray, evade: np.ndarray, up_to: float) -> np.ndarray:
    """
    Return the rows that may be driven out, and drive out others, at a loss of at most `up_to`.

    Every other choice is a circle of rows, closed by a free column where there is one. Potentials
    that make no step cheaper than nothing change no circle's length (Johnson); so a row through
    which the shortest way in and the shortest way out are too long is on none that counts.

    """
    n = len(evade)
    steps = np.zeros((n + 1, n + 1))
    steps[:n, :n], steps[:n, n] = drive_out, evade
    potential = np.zeros(n + 1)
    for _ in range(n):  # Bellman and Ford; a few rounds, as chains are short
        nearer = (potential[:, None] + steps).min(0)
        if np.array_equal(nearer, potential):
            break
        potential = nearer
    steps += potential[:, None] - potential
    np.fill_diagonal(steps, np.inf)
    return np.flatnonzero((steps.min(0) + steps.min(1))[:n] <= up_to + ROUNDING)
