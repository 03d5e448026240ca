"""
Which remembered object each observation is: all evidence in one global assignment.

Every kind of evidence says how much likelier the two are one object than two, as a logarithm,
so evidence adds up and a new object has score 0. Most furniture stands still, so the same place
speaks loudest; then the query that the network shares between visits; then color, shape, size
and class, which alone can bring back an object that was away.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.neighbors import near
from rescene4d_ros.geometry.visibility import Place, PlaceEvidence
from rescene4d_ros.memory.evidence import Evidence, gather, PLACE_RADIUS, shape_likeness
from rescene4d_ros.memory.lookalikes import find_alternatives, loss_of_others
from rescene4d_ros.memory.records import ObjectRecord, Observation
from scipy.optimize import linear_sum_assignment

SAME_KIND = 0.5          # agreement of class posteriors from which a piece may be a part
FORBIDDEN = -1e3         # score of a pair that cannot be


@dataclass(frozen=True)
class AssociationConfig:
    """Say how much each kind of evidence counts, in units of log likelihood ratio."""

    place: float = param(14.0, 'Per overlap of places above one half.', ge=0, le=50)
    query: float = param(5.0, 'For one query that wholly covers both visits.', ge=0, le=20)
    color: float = param(0.5, 'Weight of the color, whose channels are not independent.', ge=0,
                         le=5)
    feature: float = param(2.0, 'Per cosine of the query features above one half.', ge=0, le=20)
    kind: float = param(1.5, 'Per agreement of the class posteriors above one half.', ge=0,
                        le=20)
    size: float = param(11.0, 'Per likeness of the boxes above four fifths.', ge=0, le=50)
    misfit: float = param(0.5, 'Cost where neither box fits into the other.', ge=0, le=20)
    shape: float = param(9.5, 'Cost per share of the lesser view, above one tenth, that finds no '
                         'surface on the other after the best motion.', ge=0, le=50)
    nearness: float = param(1.7, 'For being near the old place.', ge=0, le=10)
    nearness_m: float = param(2.0, 'Distance at which nearness has faded to 1/e.', unit='m',
                              ge=0.1, le=100)
    left: float = param(1.4, 'Cost of an object standing elsewhere than before.', ge=0, le=20)
    returned: float = param(2.0, 'The same where it was gone: to be back is rarer than to move.',
                            ge=0, le=20)
    unseen: float = param(8.0, 'Cost where neither the old place was looked at now nor the new '
                          'one before: two things are likelier then than one that moved.',
                          ge=0, le=20)
    left_occupied: float = param(3.0, 'The same where its old place still shows its points.',
                                 ge=0, le=20)
    birth: float = param(0.0, 'Score of being a new object.', ge=-20, le=20)
    same_place: float = param(0.5, 'Overlap from which two places are the same.', ge=0, le=1)
    min_size: float = param(0.35, 'Likeness of the boxes below which a move is impossible, '
                            'unless one box fits into the other.',
                            ge=0, le=1)
    min_fragment: float = param(0.6, 'Share of an unlinked observation on a linked object '
                                'from which it is a part of it.', ge=0, le=1)
    ambiguous: float = param(2.0, 'Loss in the score of all links together up to which another '
                             'choice among look-alikes is as good.', ge=0, le=20)
    shape_checks: int = param(8, 'Rounds in which the shapes of likely pairs are compared.',
                              ge=1, le=50)


@dataclass(frozen=True)
class Association:
    """
    Hold who is who.

    Attributes
    ----------
    links : mapping of observation number to object id
    reasons : mapping of object id to str
        Why, in words and numbers.
    confidence : mapping of object id to float
        0..1: how likely the link is beside all other choices for the observation.
    births : tuple of int
        Numbers of observations that are new objects.
    parts : mapping of observation number to observation number
        Fragments, and the linked or new observation they belong to.
    alternatives : mapping of object id to tuple of int
        Of the links that are ambiguous: the other objects that the observation may as well be.

    """

    links: Mapping[int, int]
    reasons: Mapping[int, str]
    confidence: Mapping[int, float]
    births: tuple[int, ...]
    parts: Mapping[int, int]
    alternatives: Mapping[int, tuple[int, ...]]


def associate(observations: Sequence[Observation], records: Mapping[int, ObjectRecord],
              places: Mapping[int, PlaceEvidence], config: AssociationConfig,
              was_seen: Callable[[Observation], bool] = lambda _: True) -> Association:
    """
    Give every observation one remembered object, or declare it new.

    Parameters
    ----------
    observations : sequence of Observation
        Of the newest visit.
    records : mapping of object id to ObjectRecord
        All remembered objects: present, absent, not observed.
    places : mapping of object id to PlaceEvidence
        What the newest visit shows at each object's old place.
    config : AssociationConfig
    was_seen : callable
        Say whether an earlier visit looked at the place of an observation; asked where it counts.

    Returns
    -------
    Association
        One object per observation and one observation per object; deterministic.

    """
    ids = sorted(records)
    known = [records[i] for i in ids]
    evidence = gather(observations, known, [places[i] for i in ids])
    leaving = _leaving(known, [places[i] for i in ids], config)
    score, pairs = _solve(observations, known, evidence, leaving, config, was_seen)
    links, reasons, unlinked = {}, {}, []
    for m, o in pairs:
        if o < len(ids) and score[m, o] > FORBIDDEN / 2:
            links[m] = ids[o]
            reasons[ids[o]] = _reason(evidence, m, o, config)
        else:
            unlinked.append(m)
    alternatives, confidence = _doubts(observations, known, evidence, leaving, links, config)
    for object_id, others in alternatives.items():
        reasons[object_id] += f'; may as well be {", ".join(map(str, others))}, a look-alike'
    parts = _fragments(observations, records, links, unlinked, config.min_fragment)
    new = tuple(m for m in unlinked if m not in parts)
    return Association(links, reasons, confidence, new, parts, alternatives)


def _leaving(known: Sequence[ObjectRecord], places: Sequence[PlaceEvidence],
             config: AssociationConfig) -> np.ndarray:
    """Return what it costs each object to have left its old place, (O,)."""
    return np.array([config.returned if record.is_gone
                     else config.left_occupied if at.place is Place.OCCUPIED
                     else config.left for record, at in zip(known, places)])


def _births(n: int, config: AssociationConfig) -> np.ndarray:
    """Return the columns (n, n) beyond the objects: each observation may be new."""
    births = np.full((n, n), 2 * FORBIDDEN)
    np.fill_diagonal(births, config.birth)
    return births


def _solve(observations: Sequence[Observation], known: Sequence[ObjectRecord], e: Evidence,
           leaving: np.ndarray, config: AssociationConfig, was_seen: Callable[[Observation], bool]
           ) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """
    Find the best assignment; columns beyond the objects are births.

    Comparing shapes is costly, so it is done lazily: a pair counts as of fitting shape, at a
    place that was looked at before, until the assignment wants it; then it is compared, and the
    assignment made again. What comes out is what comparing all pairs would give, unless the
    rounds run out.

    """
    births = _births(len(observations), config)
    for _ in range(config.shape_checks):
        score = _score(e, leaving, config)
        pairs = [(int(m), int(o)) for m, o in zip(*linear_sum_assignment(
            -np.hstack([score, births])))]
        unsure = [(m, o) for m, o in pairs if o < len(known) and np.isnan(e.shape[m, o])
                  and e.place[m, o] < config.same_place]
        if not unsure:
            break
        for m, o in unsure:
            e.shape[m, o] = shape_likeness(known[o], observations[m])
            if e.unseen[o] and np.isnan(e.fresh[m]):
                e.fresh[m] = not was_seen(observations[m])
    return score, pairs


def _score(e: Evidence, leaving: np.ndarray, config: AssociationConfig) -> np.ndarray:
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
    looks = (np.where(color < 0, e.clarity * color, color) + config.feature * (e.feature - 0.5)
             + config.kind * (e.kind - 0.5) + size)
    shape = e.clarity * np.clip(config.shape * (np.nan_to_num(e.shape, nan=1.0) - 0.9), -6, 0)
    moved = config.nearness * np.exp(-e.distance / config.nearness_m) - leaving + shape
    moved = moved - config.unseen * np.nan_to_num(e.fresh)[:, None] * e.unseen
    score = config.query * query + looks + np.where(
        stays, config.place * (e.place - 0.5), moved)
    return np.where(stays | fits | e.nests, score, FORBIDDEN)


def _doubts(observations: Sequence[Observation], known: Sequence[ObjectRecord],
            e: Evidence, leaving: np.ndarray, links: Mapping[int, int],
            config: AssociationConfig
            ) -> tuple[dict[int, tuple[int, ...]], dict[int, float]]:
    """
    Return which links could be others at hardly any loss, and how likely each link is.

    A pair whose shapes were not compared counts as fitting until it would be an alternative;
    then it is compared. Its score only falls, so the best assignment stays the best. What
    another choice costs all together is the logarithm of how much less likely it is.

    """
    column = {record.object_id: o for o, record in enumerate(known)}
    chosen = {m: column[i] for m, i in links.items()}
    found, loss = {}, np.zeros((len(observations), len(known)))
    for _ in range(2):
        score = np.hstack([_score(e, leaving, config), _births(len(observations), config)])
        loss = loss_of_others(score, chosen, len(known))
        found = find_alternatives(score, loss, chosen, len(known), config.birth,
                                  config.ambiguous)
        for m, others in found.items():
            for o in others:
                if np.isnan(e.shape[m, o]) and e.place[m, o] < config.same_place:
                    e.shape[m, o] = shape_likeness(known[o], observations[m])
    return ({known[chosen[m]].object_id: tuple(known[o].object_id for o in others)
             for m, others in found.items()},
            {i: float(1 / np.exp(-loss[m]).sum()) for m, i in links.items()})


def _reason(e: Evidence, m: int, o: int, config: AssociationConfig) -> str:
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
    said.append(f'color {e.color[m, o]:+.1f}, size {e.size[m, o]:.2f}, '
                f'feature {e.feature[m, o]:.2f}, class {e.kind[m, o]:.2f}')
    return '; '.join(said)


def _fragments(observations: Sequence[Observation], records: Mapping[int, ObjectRecord],
               links: Mapping[int, int], unlinked: Sequence[int],
               min_share: float) -> dict[int, int]:
    """Find unlinked observations that lie on a linked object: pieces of a mask that split."""
    parts = {}
    for m in unlinked:
        piece = observations[m]
        for k, object_id in sorted(links.items()):
            whole = observations[k]
            alike = np.sqrt(piece.class_probs * whole.class_probs).sum() >= SAME_KIND
            if len(piece.points) >= len(whole.points) or not alike:
                continue
            on_it = (near(whole.tree, piece.xyz, PLACE_RADIUS)
                     | near(records[object_id].tree, piece.xyz, PLACE_RADIUS))
            if on_it.mean() >= min_share:
                parts[m] = k
                break
    return parts
