"""How alike observations and remembered objects are, one matrix per kind of evidence."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.boxes import bounds_of, iou
from rescene4d_ros.geometry.containment import fit_into
from rescene4d_ros.geometry.neighbors import evenly, share_near
from rescene4d_ros.geometry.visibility import Place, PlaceEvidence
from rescene4d_ros.memory.appearance import color_evidence
from rescene4d_ros.memory.records import ObjectRecord, Observation

PLACE_RADIUS = 0.05      # m; points this near count as the same surface
PLACE_POINTS = 150       # points per object by which places are compared
NUDGED = 0.8             # overlap of places where only the boxes agree: shifted by a hand's width
CONTAINED = 0.85         # share on old surfaces from which a small view is a view of that object
CLEAR_POINTS = 200       # points, thinned, from which a view shows what a thing looks like
SLACK = 0.06             # m; by which the box of a view may exceed that of the whole
MIN_PAIRS = 16           # of observation and object, from which their usual likeness is known
MAX_USUAL = 0.9          # cosine of any two objects that is still taken as the usual one


@dataclass(frozen=True)
class Evidence:
    """All pairs (observation, object) as matrices (M, O), 0..1 unless said."""

    place: np.ndarray
    query: np.ndarray
    feature: np.ndarray
    color: np.ndarray      # log likelihood ratio
    size: np.ndarray
    nests: np.ndarray      # bool: one box fits into the other, as that of a partial view does
    clarity: np.ndarray    # how far the lesser view shows what the thing looks like
    kind: np.ndarray
    shape: np.ndarray      # NaN where not compared
    distance: np.ndarray   # m
    unseen: np.ndarray     # (O,) bool: the newest visit did not look at the old place
    fresh: np.ndarray      # (M,) 1: no earlier visit looked at the place; NaN where not asked


def gather(observations: Sequence[Observation], known: Sequence[ObjectRecord],
            places: Sequence[PlaceEvidence]) -> Evidence:
    """Compare every observation with every object."""
    shape = len(observations), len(known)
    query = np.zeros(shape)
    column = {record.object_id: o for o, record in enumerate(known)}
    for m, seen in enumerate(observations):
        for object_id, share in seen.votes.items():
            if object_id in column:
                query[m, column[object_id]] = share
    centers = [np.array([x.box.center for x in side]).reshape(-1, 3)
               for side in (observations, known)]
    distance = np.linalg.norm(centers[0][:, None] - centers[1][None], axis=2)
    return Evidence(
        _same_place(observations, known, places), query, _features(observations, known),
        _colors(observations, known), *_sizes(observations, known),
        _clarity(observations, known), _kinds(observations, known),
        np.full(shape, np.nan), distance,
        np.array([at.place is Place.UNSEEN and not record.is_gone
                  for record, at in zip(known, places)], dtype=bool),
        np.full(len(observations), np.nan))


def shape_likeness(record: ObjectRecord, seen: Observation) -> float:
    """Return how much of the lesser view lies on the other after the best motion, 0..1."""
    if len(seen.xyz) <= len(record.xyz):
        return fit_into(seen.xyz, record.xyz, record.tree)
    return fit_into(record.xyz, seen.xyz, seen.tree)


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


def _sizes(observations: Sequence[Observation], known: Sequence[ObjectRecord]
           ) -> tuple[np.ndarray, np.ndarray]:
    """
    Return how alike the boxes are, and whether one fits into the other, both (M, O).

    Alike: mean ratio of height, long and short side.
    """
    new, old = (np.array([x.box.size for x in side]).reshape(-1, 3) + 0.05
                for side in (observations, known))
    ratio = new[:, None] / old[None]
    beyond = new[:, None] - old[None]
    nests = (beyond <= SLACK).all(2) | (beyond >= -SLACK).all(2)
    return np.minimum(ratio, 1 / ratio).mean(2), nests


def _clarity(observations: Sequence[Observation], known: Sequence[ObjectRecord]) -> np.ndarray:
    """Return how far what differs counts, (M, O): a few points of a thing look like anything."""
    new, old = (np.array([len(x.xyz) for x in side], dtype=np.float64)
                for side in (observations, known))
    return np.minimum(np.minimum(new[:, None], old[None]) / CLEAR_POINTS, 1)


def _kinds(observations: Sequence[Observation], known: Sequence[ObjectRecord]) -> np.ndarray:
    """Return how far the class posteriors agree: 1 = equal, soft, so a chair may be a sofa."""
    if not observations or not known:
        return np.zeros((len(observations), len(known)))
    roots = [np.sqrt(np.array([x.class_probs for x in side], dtype=np.float64))
             for side in (observations, known)]
    return np.clip(roots[0] @ roots[1].T, 0, 1)
