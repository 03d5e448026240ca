"""Scores of pairs of observation and object, and ambiguity: what every other choice would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.tracking.association.pair_evidence import Evidence
from rescene4d_ros.tracking.records import ObjectRecord
from rescene4d_ros.tracking.settings import AssociationConfig, AssociationWeights
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

FORBIDDEN = -1e3  # score of a pair that cannot be
USUAL_OBJECTS = 15  # in view in the rooms that the weights are fitted to
OTHER_ROOMS = 10  # objects of any room that count beside those of this one
CERTAIN = 14.0  # loss of a choice from which it takes a millionth of the link's confidence
ROUNDING = 1e-6  # by which sums of scores may be off, with much to spare


def leaving_costs(
    known: Sequence[ObjectRecord], places: Sequence[PlaceEvidence], weights: AssociationWeights
) -> np.ndarray:
    """Return what it costs each object to have left its old place, (O,)."""
    return np.array(
        [
            weights.reappeared_cost
            if record.is_gone
            else weights.occupied_cost
            if at.place is Place.OCCUPIED
            else weights.moved_cost
            for record, at in zip(known, places)
        ]
    )


def birth_scores(n: int, birth: float) -> np.ndarray:
    """Return the scores (n, n) of being new, columns beyond those of the objects."""
    births = np.full((n, n), 2 * FORBIDDEN)
    np.fill_diagonal(births, birth)
    return births


def score_pairs(
    e: Evidence, leaving: np.ndarray, config: AssociationConfig, weights: AssociationWeights
) -> np.ndarray:
    """Add the evidence up, (M, O) log likelihood ratios; `leaving` is from `leaving_costs`."""
    stays = e.place >= config.same_place
    fits = e.size >= config.min_size
    # Of identical chairs the query may jump to the twin while the old place is still taken.
    taken = stays & fits
    taken_by_other = taken.sum(0, keepdims=True) - taken > 0
    query = np.where(taken_by_other | ~fits, 0.0, e.query)
    # A view of a part is smaller than the whole: a smaller box is no evidence against it. And
    # the fewer points a view has, the less evidence against it counts.
    size = weights.size * np.maximum(e.size - 0.8, 0)
    size = size - weights.size_mismatch * e.clarity * ~e.nests
    color = np.clip(weights.color * e.color, -5, 4)
    color = np.where(color < 0, e.clarity * color, color)
    looks = (
        color
        - usual_color(color)
        + weights.feature * (e.feature - 0.5)
        + weights.class_agreement * (e.class_agreement - 0.5)
        + size
    )
    shape = e.clarity * np.clip(weights.shape * (np.nan_to_num(e.shape, nan=1.0) - 1), -6, 0)
    near = np.exp(-e.distance / config.nearness_m)
    moved = weights.nearness * near - leaving + shape - rarer_in_crowds(len(e.place))
    # Far away, in space that no visit has looked at, another object is likelier than this one;
    # less so in a zone that was missed between surfaces that were not.
    before, now = np.nan_to_num(e.unobserved_before)[:, None], e.unobserved_now
    unobserved = np.where((before > 0) & (now > 0), np.maximum(before, now), 0.0)
    moved = moved - weights.unobserved_cost * (1 - near) * unobserved
    place = weights.place * (e.place - 0.5)
    score = weights.query * query + looks + np.where(stays, place, moved)
    return np.where(stays | fits | e.nests, score, FORBIDDEN)


def rarer_in_crowds(n: int) -> float:
    """
    Return how much less likely each absent object is what stands elsewhere, among n in view.

    To twice as many objects twice as many are added between visits, while each of those that
    were there comes back only once. Fewer than usual may be the view of a corner: no matter.
    """
    return float(np.log(max(n, USUAL_OBJECTS) / USUAL_OBJECTS))


def usual_color(color: np.ndarray) -> np.ndarray:
    """
    Return how much likelier each observation's color is in this room than in any.

    A color that half of the room has distinguishes nothing; so this is taken off the evidence,
    which compares with any two objects. Few objects do not show what is usual, hence some of
    other rooms count beside them.

    Parameters
    ----------
    color : ndarray (M, O), float64
        Log likelihood ratio of the colors being one object's, not those of any two.

    Returns
    -------
    ndarray (M, O), float64
        Logarithm of the mean ratio over the other objects: each but that of the pair.

    """
    ratio = np.exp(color)
    others = np.maximum(ratio.sum(1, keepdims=True) - ratio, 0.0)
    return np.log((OTHER_ROOMS + others) / (OTHER_ROOMS + color.shape[1] - 1))


def reason_of(e: Evidence, m: int, o: int, config: AssociationConfig) -> str:
    """Say in words and numbers why a link was made."""
    parts = []
    if e.place[m, o] >= config.same_place:
        parts.append(f'same place ({e.place[m, o]:.2f})')
    else:
        parts.append(f'{e.distance[m, o]:.2f} m from its old place')
    if e.query[m, o] > 0.1:
        parts.append(f'shared query ({e.query[m, o]:.2f})')
    if np.isfinite(e.shape[m, o]):
        parts.append(f'shape {e.shape[m, o]:.2f}')
    parts.append(
        f'color {e.color[m, o]:+.1f}, size {e.size[m, o]:.2f}, '
        f'feature {e.feature[m, o]:.2f}, class {e.class_agreement[m, o]:.2f}'
    )
    return '; '.join(parts)


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
    the column that the first has left, or a free one. These are shortest paths between rows: the
    same as solving the assignment again with each pair fixed, in the time of a few. Ways to a free
    column and from one are found for all rows at once (Bellman and Ford), those back to the first
    row among rows that may drive each other out (Floyd and Warshall).

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
    follow = _nearest(drive_out, np.zeros(len(score)))  # into a column left for a free one
    give_way = _nearest(drive_out.T, evade)
    back = np.full_like(drive_out, np.inf)
    for group in _circles(drive_out, follow, up_to):
        path = drive_out[np.ix_(group, group)]
        for k in range(len(group)):
            np.minimum(path, path[:, k, None] + path[k], out=path)
        back[np.ix_(group, group)] = path.T
    loss = now[:, None] - score + follow[:, None]
    loss[:, taken] = drive_out + np.minimum(back, give_way + follow[:, None])
    loss[rows, taken] = 0.0
    return loss


def _nearest(steps: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the least of `start` plus the way (M,) along `steps` (M, M) from row to column."""
    found = start
    for _ in range(len(steps)):  # a few rounds, as chains are short
        nearer = np.minimum(found, (found[:, None] + steps).min(0, initial=np.inf))
        if np.array_equal(nearer, found):
            break
        found = nearer
    return found


def _circles(drive_out: np.ndarray, follow: np.ndarray, up_to: float) -> list[np.ndarray]:
    """
    Return the groups of rows that may drive each other out at a loss of at most `up_to`.

    Potentials that make no step cheaper than nothing change no circle's length (Johnson); so a
    step that is too long itself is on none that counts.

    """
    if np.isinf(up_to):
        return [np.arange(len(follow))]
    counts = drive_out + follow[:, None] - follow <= up_to + ROUNDING
    group = connected_components(csr_matrix(counts), connection='strong')[1]
    order = np.argsort(group, kind='stable')
    groups = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return [one for one in groups if len(one) > 1]
