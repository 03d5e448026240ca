"""Scores of pairs of observation and object: the weighted sum of their evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.tracking.association.pair_evidence import Evidence
from rescene4d_ros.tracking.records import ObjectRecord
from rescene4d_ros.tracking.settings import AssociationConfig, AssociationWeights

FORBIDDEN = -1e3  # score of a pair that cannot be
USUAL_OBJECTS = 15  # in view in the rooms that the weights are fitted to
OTHER_ROOMS = 10  # objects of any room that count beside those of this one


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
    # Far away, in space that no visit has looked at, another object is likelier than this one.
    unobserved = np.nan_to_num(e.unobserved_before)[:, None] * e.unobserved_now
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
