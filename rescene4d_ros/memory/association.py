"""
Which remembered object each observation is: all evidence in one global assignment.

Every kind of evidence says how much likelier the two are one object than two, as a logarithm,
so evidence adds up and a new object has score 0. Most furniture stands still, so the same place
speaks loudest; then the query that the network shares between visits; then color, shape, size
and class, which alone can bring back an object that was away.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.boxes import bounds_of, iou
from rescene4d_ros.geometry.neighbors import evenly, share_near
from rescene4d_ros.geometry.registration import compare_shapes
from rescene4d_ros.geometry.visibility import Place, PlaceEvidence
from rescene4d_ros.memory.appearance import color_evidence
from rescene4d_ros.memory.records import ObjectRecord, Observation
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

PLACE_RADIUS = 0.05      # m; points this near count as the same surface
PLACE_POINTS = 150       # points per object by which places are compared
NUDGED = 0.8             # overlap of places where only the boxes agree: shifted by a hand's width
CONTAINED = 0.85         # share on old surfaces from which a small view is a view of that object
PART_FIT = 0.92          # share on the other's surfaces from which a view is one of a part
PART_LIKENESS = 0.73     # likeness of shape of such a view: a little against it
MIN_PAIRS = 16           # of observation and object, from which their usual likeness is known
MAX_USUAL = 0.9          # cosine of any two objects that is still taken as the usual one
SAME_KIND = 0.5          # agreement of class posteriors from which a piece may be a part
FORBIDDEN = -1e3         # score of a pair that cannot be


@dataclass(frozen=True)
class AssociationConfig:
    """Say how much each kind of evidence counts, in units of log likelihood ratio."""

    place: float = param(14.0, 'Per overlap of places above one half.', ge=0, le=50)
    query: float = param(5.0, 'For one query that wholly covers both visits.', ge=0, le=20)
    color: float = param(0.7, 'Weight of the color, whose channels are not independent.', ge=0,
                         le=5)
    feature: float = param(2.0, 'Per cosine of the query features above one half.', ge=0, le=20)
    kind: float = param(1.5, 'Per agreement of the class posteriors above one half.', ge=0,
                        le=20)
    size: float = param(8.0, 'Per likeness of the boxes above four fifths.', ge=0, le=50)
    shape: float = param(20.0, 'Per overlap after the best motion above four fifths.', ge=0,
                         le=50)
    nearness: float = param(0.5, 'For being near the old place.', ge=0, le=10)
    nearness_m: float = param(2.0, 'Distance at which nearness has faded to 1/e.', unit='m',
                              ge=0.1, le=100)
    left: float = param(1.75, 'Cost of an object standing elsewhere than before.', ge=0, le=20)
    left_unseen: float = param(3.0, 'The same where its old place was not looked at.', ge=0,
                               le=20)
    left_occupied: float = param(4.0, 'The same where its old place still shows its points.',
                                 ge=0, le=20)
    birth: float = param(0.0, 'Score of being a new object.', ge=-20, le=20)
    same_place: float = param(0.5, 'Overlap from which two places are the same.', ge=0, le=1)
    min_size: float = param(0.35, 'Likeness of the boxes below which a move is impossible.',
                            ge=0, le=1)
    min_fragment: float = param(0.6, 'Share of an unlinked observation on a linked object '
                                'from which it is a part of it.', ge=0, le=1)
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
        0..1: how much better the link is than the observation's next choice.
    births : tuple of int
        Numbers of observations that are new objects.
    parts : mapping of observation number to observation number
        Fragments, and the linked or new observation they belong to.

    """

    links: Mapping[int, int]
    reasons: Mapping[int, str]
    confidence: Mapping[int, float]
    births: tuple[int, ...]
    parts: Mapping[int, int]


@dataclass(frozen=True)
class _Evidence:
    """All pairs (observation, object) as matrices (M, O), 0..1 unless said."""

    place: np.ndarray
    query: np.ndarray
    feature: np.ndarray
    color: np.ndarray      # log likelihood ratio
    size: np.ndarray
    kind: np.ndarray
    shape: np.ndarray      # NaN where not compared
    distance: np.ndarray   # m
    leaving: np.ndarray    # (O,) cost of an object having left its old place


def associate(observations: Sequence[Observation], records: Mapping[int, ObjectRecord],
              places: Mapping[int, PlaceEvidence], config: AssociationConfig) -> Association:
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

    Returns
    -------
    Association
        One object per observation and one observation per object; deterministic.

    """
    ids = sorted(records)
    known = [records[i] for i in ids]
    evidence = _gather(observations, known, [places[i] for i in ids], config)
    score, pairs = _solve(observations, known, evidence, config)
    links, reasons, confidence, unlinked = {}, {}, {}, []
    for m, o in pairs:
        if o < len(ids) and score[m, o] > FORBIDDEN / 2:
            links[m] = ids[o]
            reasons[ids[o]] = _reason(evidence, m, o, config)
            rivals = np.append(np.delete(score[m], o), config.birth)
            confidence[ids[o]] = float(1 / (1 + np.exp(rivals.max() - score[m, o])))
        else:
            unlinked.append(m)
    parts = _fragments(observations, records, links, unlinked, config.min_fragment)
    new = tuple(m for m in unlinked if m not in parts)
    return Association(links, reasons, confidence, new, parts)


def _gather(observations: Sequence[Observation], known: Sequence[ObjectRecord],
            places: Sequence[PlaceEvidence], config: AssociationConfig) -> _Evidence:
    """Compare every observation with every object."""
    shape = len(observations), len(known)
    query = np.zeros(shape)
    column = {record.object_id: o for o, record in enumerate(known)}
    for m, seen in enumerate(observations):
        for object_id, share in seen.votes.items():
            if object_id in column:
                query[m, column[object_id]] = share
    cost = {Place.OCCUPIED: config.left_occupied, Place.UNSEEN: config.left_unseen,
            Place.SEEN_EMPTY: config.left}
    leaving = np.array([config.left if record.is_gone else cost[at.place]
                        for record, at in zip(known, places)])
    centers = [np.array([x.box.center for x in side]).reshape(-1, 3)
               for side in (observations, known)]
    distance = np.linalg.norm(centers[0][:, None] - centers[1][None], axis=2)
    return _Evidence(
        _same_place(observations, known, places), query, _features(observations, known),
        _colors(observations, known), _sizes(observations, known), _kinds(observations, known),
        np.full(shape, np.nan), distance, leaving)


def _solve(observations: Sequence[Observation], known: Sequence[ObjectRecord], e: _Evidence,
           config: AssociationConfig) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """
    Find the best assignment; columns beyond the objects are births.

    Comparing shapes is costly, so it is done lazily: a pair counts as of fitting shape until
    the assignment wants it, then it is compared, and the assignment made again. What comes out
    is what comparing all pairs would give, unless the rounds run out.

    """
    births = np.full((len(observations), len(observations)), 2 * FORBIDDEN)
    np.fill_diagonal(births, config.birth)
    for _ in range(config.shape_checks):
        score = _score(e, config)
        pairs = [(int(m), int(o)) for m, o in zip(*linear_sum_assignment(
            -np.hstack([score, births])))]
        unsure = [(m, o) for m, o in pairs if o < len(known) and np.isnan(e.shape[m, o])
                  and e.place[m, o] < config.same_place]
        if not unsure:
            break
        for m, o in unsure:
            e.shape[m, o] = _shape_likeness(known[o], observations[m])
    return score, pairs


def _shape_likeness(record: ObjectRecord, seen: Observation) -> float:
    """Return the overlap after the best motion; a view of a part says little against it."""
    found = compare_shapes(record.xyz, seen.xyz)
    return max(found.overlap, PART_LIKENESS) if found.contained >= PART_FIT else found.overlap


def _score(e: _Evidence, config: AssociationConfig) -> np.ndarray:
    """Add the evidence up, (M, O)."""
    stays = e.place >= config.same_place
    fits = e.size >= config.min_size
    # Identical chairs: the query may jump to a twin while the old place is still taken.
    taken = stays & fits
    taken_by_other = taken.sum(0, keepdims=True) - taken > 0
    query = np.where(taken_by_other | ~fits, 0.0, e.query)
    # At its old place an object is often seen from another side only: size says less there.
    size = np.clip(config.size * (e.size - 0.8), np.where(stays, -1, -4), 1)
    looks = (np.clip(config.color * e.color, -7, 4) + config.feature * (e.feature - 0.5)
             + config.kind * (e.kind - 0.5) + size)
    shape = np.clip(config.shape * (np.nan_to_num(e.shape, nan=1.0) - 0.8), -6, 2)
    moved = config.nearness * np.exp(-e.distance / config.nearness_m) - e.leaving + shape
    score = config.query * query + looks + np.where(
        stays, config.place * (e.place - 0.5), moved)
    return np.where(stays | fits, score, FORBIDDEN)


def _same_place(observations: Sequence[Observation], known: Sequence[ObjectRecord],
                places: Sequence[PlaceEvidence]) -> np.ndarray:
    """Return how far observation and object cover the same surfaces, (M, O), 0..1."""
    overlap = np.zeros((len(observations), len(known)))
    if not overlap.size:
        return overlap
    (new_low, new_high), (old_low, old_high) = (
        bounds_of([x.box for x in side]) for side in (observations, known))
    touching = ((new_low[:, None] < old_high) & (old_low < new_high[:, None])).all(2)
    for m, o in np.argwhere(touching).tolist():
        seen, record = observations[m], known[o]
        few = seen.xyz[evenly(len(seen.xyz), PLACE_POINTS)]
        forth = share_near(record.tree, few, PLACE_RADIUS)
        # Sides of the object that this visit did not scan say nothing against it.
        visible = record.xyz[places[o].covered]
        back = share_near(seen.tree, visible[evenly(len(visible), PLACE_POINTS)], PLACE_RADIUS)
        overlap[m, o] = (forth + back) / 2
        if forth >= CONTAINED:
            overlap[m, o] = max(overlap[m, o], CONTAINED * forth)
        if overlap[m, o] < NUDGED:
            overlap[m, o] = max(overlap[m, o], NUDGED * iou(seen.box, record.box))
    return overlap


def _features(observations: Sequence[Observation], known: Sequence[ObjectRecord]) -> np.ndarray:
    """
    Return how alike the query features are: 0 = like any two objects of the room, 1 = equal.

    Networks differ in how alike the features of any two objects are, so cosines are measured
    from their median. One half where a side has no feature.

    """
    new, old = _stack([x.feature for x in observations]), _stack([x.feature for x in known])
    alike = np.full((len(observations), len(known)), 0.5)
    for width in set(new) & set(old) - {0}:
        cosine = np.clip(new[width][1] @ old[width][1].T, 0, 1)
        usual = min(np.median(cosine), MAX_USUAL) if cosine.size >= MIN_PAIRS else 0.0
        alike[np.ix_(new[width][0], old[width][0])] = np.clip((cosine - usual) / (1 - usual), 0, 1)
    return alike


def _colors(observations: Sequence[Observation], known: Sequence[ObjectRecord]) -> np.ndarray:
    """Return how much likelier the colors are one object's than two's; 0 without color."""
    new, old = _stack([x.color for x in observations]), _stack([x.color for x in known])
    ratio = np.zeros((len(observations), len(known)))
    for width in set(new) & set(old) - {0}:
        ratio[np.ix_(new[width][0], old[width][0])] = color_evidence(
            new[width][1][:, None], old[width][1][None])
    return ratio


def _stack(vectors: Sequence[np.ndarray]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the vectors of each length with their numbers: weights may change over the years."""
    groups: dict[int, list[int]] = {}
    for number, vector in enumerate(vectors):
        groups.setdefault(len(vector), []).append(number)
    return {width: (np.array(numbers), np.array([vectors[k] for k in numbers], dtype=np.float64))
            for width, numbers in groups.items()}


def _sizes(observations: Sequence[Observation], known: Sequence[ObjectRecord]) -> np.ndarray:
    """Return how alike the boxes are, (M, O): mean ratio of height, long and short side."""
    sides = [np.array([x.box.size for x in side]).reshape(-1, 3) + 0.05
             for side in (observations, known)]
    ratio = sides[0][:, None] / sides[1][None]
    return np.minimum(ratio, 1 / ratio).mean(2)


def _kinds(observations: Sequence[Observation], known: Sequence[ObjectRecord]) -> np.ndarray:
    """Return how far the class posteriors agree: 1 = equal, soft, so a chair may be a sofa."""
    if not observations or not known:
        return np.zeros((len(observations), len(known)))
    roots = [np.sqrt(np.array([x.class_probs for x in side], dtype=np.float64))
             for side in (observations, known)]
    return np.clip(roots[0] @ roots[1].T, 0, 1)


def _reason(e: _Evidence, m: int, o: int, config: AssociationConfig) -> str:
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
            body = cKDTree(np.concatenate([whole.xyz, records[object_id].xyz]))
            if share_near(body, piece.xyz, PLACE_RADIUS) >= min_share:
                parts[m] = k
                break
    return parts
