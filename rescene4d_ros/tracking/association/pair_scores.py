"""What the evidence for a pair of observation and object adds up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.visibility import Place, PlaceEvidence
from rescene4d_ros.tracking.association.pair_evidence import Evidence
from rescene4d_ros.tracking.records import ObjectRecord

FORBIDDEN = -1e3  # score of a pair that cannot be
USUAL_OBJECTS = 15  # in view in the rooms that the weights are fitted to
OTHER_ROOMS = 10  # objects of any room that count beside those of this one


@dataclass(frozen=True)
class AssociationConfig:
    """Say how much each kind of evidence counts, in units of log likelihood ratio."""

    place: float = param(14.0, 'Per overlap of places above one half.', ge=0, le=50)
    query: float = param(5.0, 'For one query that wholly covers both visits.', ge=0, le=20)
    color: float = param(
        0.5, 'Weight of the color, whose channels are not independent.', ge=0, le=5
    )
    feature: float = param(2.0, 'Per cosine of the query features above one half.', ge=0, le=20)
    kind: float = param(1.5, 'Per agreement of the class posteriors above one half.', ge=0, le=20)
    size: float = param(17.0, 'Per likeness of the boxes above four fifths.', ge=0, le=50)
    misfit: float = param(0.5, 'Cost where neither box fits into the other.', ge=0, le=20)
    shape: float = param(
        8.0,
        'Cost per share of the lesser view that finds no surface on the '
        'other after the best motion.',
        ge=0,
        le=50,
    )
    nearness: float = param(1.7, 'For being near the old place.', ge=0, le=10)
    nearness_m: float = param(
        2.0, 'Distance at which nearness has faded to 1/e.', unit='m', ge=0.1, le=100
    )
    left: float = param(1.0, 'Cost of an object standing elsewhere than before.', ge=0, le=20)
    returned: float = param(
        1.5, 'The same where it was gone: to be back is rarer than to move.', ge=0, le=20
    )
    unseen: float = param(
        10.0,
        'Cost, with distance, where neither the old place was looked at '
        'now nor the new one before: two things are likelier then than one.',
        ge=0,
        le=20,
    )
    left_occupied: float = param(
        3.0, 'The same where its old place still shows its points.', ge=0, le=20
    )
    birth: float = param(0.0, 'Score of being a new object.', ge=-20, le=20)
    same_place: float = param(0.5, 'Overlap from which two places are the same.', ge=0, le=1)
    min_size: float = param(
        0.35,
        'Likeness of the boxes below which a move is impossible, '
        'unless one box fits into the other.',
        ge=0,
        le=1,
    )
    min_fragment: float = param(
        0.6,
        'Share of an unlinked observation on a linked object from which it is a part of it.',
        ge=0,
        le=1,
    )
    ambiguous: float = param(
        2.0,
        'Loss in the score of all links together up to which another '
        'choice among look-alikes is as good.',
        ge=0,
        le=20,
    )


def leaving_costs(
    known: Sequence[ObjectRecord], places: Sequence[PlaceEvidence], config: AssociationConfig
) -> np.ndarray:
    """Return what it costs each object to have left its old place, (O,)."""
    return np.array(
        [
            config.returned
            if record.is_gone
            else config.left_occupied
            if at.place is Place.OCCUPIED
            else config.left
            for record, at in zip(known, places)
        ]
    )


def birth_scores(n: int, config: AssociationConfig) -> np.ndarray:
    """Return the scores (n, n) of being new, columns beyond those of the objects."""
    births = np.full((n, n), 2 * FORBIDDEN)
    np.fill_diagonal(births, config.birth)
    return births


def score_pairs(e: Evidence, leaving: np.ndarray, config: AssociationConfig) -> np.ndarray:
    """Add the evidence up, (M, O)."""
    stays = e.place >= config.same_place
    fits = e.size >= config.min_size
    # Identical chairs: the query may jump to a twin while the old place is still taken.
    taken = stays & fits
    taken_by_other = taken.sum(0, keepdims=True) - taken > 0
    query = np.where(taken_by_other | ~fits, 0.0, e.query)
    # A view of a part is smaller than the whole: that its box is says nothing against it. And
    # the fewer points a view has, the less weighs what speaks against it.
    size = config.size * np.maximum(e.size - 0.8, 0) - config.misfit * e.clarity * ~e.nests
    color = np.clip(config.color * e.color, -5, 4)
    color = np.where(color < 0, e.clarity * color, color)
    looks = (
        color
        - usual_color(color)
        + config.feature * (e.feature - 0.5)
        + config.kind * (e.kind - 0.5)
        + size
    )
    shape = e.clarity * np.clip(config.shape * (np.nan_to_num(e.shape, nan=1.0) - 1), -6, 0)
    near = np.exp(-e.distance / config.nearness_m)
    moved = config.nearness * near - leaving + shape - rarer_in_crowds(len(e.fresh))
    # In a room never entered stands another thing; what was pushed within a corner may be this.
    moved = moved - config.unseen * (1 - near) * np.nan_to_num(e.fresh)[:, None] * e.unseen
    score = config.query * query + looks + np.where(stays, config.place * (e.place - 0.5), moved)
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

    A color that half of the room has tells nothing apart; so this is taken off the evidence,
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
    said = []
    if e.place[m, o] >= config.same_place:
        said.append(f'same place ({e.place[m, o]:.2f})')
    else:
        said.append(f'{e.distance[m, o]:.2f} m from its old place')
    if e.query[m, o] > 0.1:
        said.append(f'shared query ({e.query[m, o]:.2f})')
    if np.isfinite(e.shape[m, o]):
        said.append(f'shape {e.shape[m, o]:.2f}')
    said.append(
        f'color {e.color[m, o]:+.1f}, size {e.size[m, o]:.2f}, '
        f'feature {e.feature[m, o]:.2f}, class {e.kind[m, o]:.2f}'
    )
    return '; '.join(said)
