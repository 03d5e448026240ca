"""How alike observations and remembered objects are, one matrix per kind of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.boxes import bounds_of, iou, most_iou
from rescene4d_ros.geometry.containment import fit_into
from rescene4d_ros.geometry.place_evidence import PlaceEvidence
from rescene4d_ros.geometry.point_sets import thinned
from rescene4d_ros.geometry.surface import shares_near, Surface
from rescene4d_ros.tracking.association.appearance import (
    color_ratios,
    ColorChange,
    feature_likeness,
)
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import BOX_SLACK, COVERED, SAME_SURFACE
from scipy.spatial.distance import cdist

# Overlap of places.
PLACE_POINTS = 150  # points per object by which places are compared
NUDGED = 0.8  # overlap of places where only the boxes agree: shifted by a hand's width
FEW = 3  # of them one in so many is compared first
CLEAR = 0.8  # share both ways that these are enough to tell,
CLEARLY_LESS = 0.3  # or an overlap that is so much less than enough

# Looks and shapes.
CLEAR_POINTS = 200  # points, thinned, from which a view shows what an object looks like
GOOD_FIT = 0.9  # share of the lesser view from which no better motion is searched


def overlap_of_places(
    observations: Sequence[Observation],
    known: Sequence[ObjectRecord],
    places: Sequence[PlaceEvidence],
    enough: float,
) -> np.ndarray:
    """
    Say how far each observation covers the surfaces of each object.

    Most boxes that touch are those of neighbors. So points are compared only where boxes and
    ranges leave it open whether the overlap reaches what is enough.

    Parameters
    ----------
    observations : sequence of M Observations
    known : sequence of O ObjectRecords
    places : sequence of O PlaceEvidence
        What the visit shows at each object's place.
    enough : float
        Overlap from which two places are the same.

    Returns
    -------
    ndarray (M, O), float64
        0..1; 0 where it is surely less than enough.

    """
    overlap = np.zeros((len(observations), len(known)))
    if not overlap.size:
        return overlap
    (new_low, new_high), (old_low, old_high) = (
        bounds_of([x.box for x in side]) for side in (observations, known)
    )
    touching = ((new_low[:, None] < old_high) & (old_low < new_high[:, None])).all(2)
    m, o = np.nonzero(touching)
    most_nudged = NUDGED * most_iou(
        [observations[k].box for k in m.tolist()], [known[k].box for k in o.tolist()]
    )
    new = thinned([seen.xyz for seen in observations], PLACE_POINTS)
    # Sides of the object that this visit did not scan say nothing against it.
    shown = thinned([np.flatnonzero(at.covered) for at in places], PLACE_POINTS)
    old = [record.xyz[at] for record, at in zip(known, shown)]
    forth, back = _most_near(new, known, m, o), _most_near(old, observations, o, m)
    most = np.maximum(_of_shares(forth, back), most_nudged)
    asked = np.flatnonzero(most >= enough)
    values = _of_points(
        [new[k] for k in m[asked]],
        [known[k].surface for k in o[asked]],
        [old[k] for k in o[asked]],
        [observations[k].surface for k in m[asked]],
        enough,
    )
    for k, value in zip(asked.tolist(), values.tolist()):
        seen, record = observations[m[k]], known[o[k]]
        if value < min(NUDGED, most_nudged[k]):
            value = max(value, NUDGED * iou(seen.box, record.box))
        overlap[m[k], o[k]] = value
    return overlap


def _of_points(
    new: Sequence[np.ndarray],
    known: Sequence[Surface],
    old: Sequence[np.ndarray],
    seen: Sequence[Surface],
    enough: float,
) -> np.ndarray:
    """
    Return the overlap (P,) by points of observations and of objects.

    Most objects stand where they stood, which a few points tell well enough.
    """
    forth, back = np.zeros((2, len(new)))
    unclear = np.arange(len(new))
    for step in (FEW, 1):
        asked = unclear.tolist()
        shares = shares_near(
            [*(new[p][::step] for p in asked), *(old[p][::step] for p in asked)],
            [*(known[p] for p in asked), *(seen[p] for p in asked)],
            SAME_SURFACE,
        )
        forth[unclear], back[unclear] = shares.reshape(2, -1)
        unclear = np.flatnonzero(
            (np.minimum(forth, back) < CLEAR) & (_of_shares(forth, back) > enough - CLEARLY_LESS)
        )
    return _of_shares(forth, back)


def _of_shares(forth: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return the overlap by the shares of observation and object that lie on each other."""
    return np.maximum((forth + back) / 2, np.where(forth >= COVERED, COVERED * forth, 0))


def _most_near(
    points: Sequence[np.ndarray],
    others: Sequence[Observation | ObjectRecord],
    k: np.ndarray,
    j: np.ndarray,
) -> np.ndarray:
    """Return the share (P,) of points k that are near enough to the range of others j."""
    count = np.array([len(xyz) for xyz in points])
    if not count.any():
        return np.zeros(len(k))
    place = np.arange(PLACE_POINTS)
    at = (np.cumsum(count) - count)[:, None] + np.minimum(place, count[:, None] - 1)
    columns = np.ascontiguousarray(np.concatenate(points).T)
    padded = columns.take(at, axis=1)
    low, high = np.array([other.surface.limits for other in others]).transpose(1, 2, 0)[:, :, j]
    asked, reach = padded.take(k, axis=1), np.float32(SAME_SURFACE)
    inside = (asked >= (low - reach)[:, :, None]) & (asked <= (high + reach)[:, :, None])
    return (inside.all(0) & (place < count[k, None])).sum(1) / np.maximum(count[k], 1)


@dataclass(frozen=True)
class Evidence:
    """
    Hold how alike M observations and O objects are.

    Attributes
    ----------
    place : ndarray (M, O), 0..1
        Overlap of the surfaces; 0 where it is surely less than enough for the same place.
    query : ndarray (M, O), 0..1
        Share of the object's old points that the observation's query covers.
    feature : ndarray (M, O), 0..1
        Likeness of the query features.
    color : ndarray (M, O)
        Log likelihood ratio.
    size : ndarray (M, O), 0..1
        Likeness of the boxes.
    nests : ndarray (M, O), bool
        Whether one box fits into the other, as that of a partial view does.
    clarity : ndarray (M, O), 0..1
        How far the lesser view shows what the object looks like.
    class_agreement : ndarray (M, O), 0..1
    distance : ndarray (M, O), m
        Between the centers of the boxes.
    unobserved_now : ndarray (O,), float64, 0..1
        How unobserved the old place is by the newest visit, see `PlaceEvidence`.
    shape : ndarray (M, O), 0..1
        Share of the lesser view on the other; NaN where not compared yet.
    unobserved_before : ndarray (M,), float64
        How unobserved the place is by all earlier visits, 0..1; NaN where not asked yet.

    """

    place: np.ndarray
    query: np.ndarray
    feature: np.ndarray
    color: np.ndarray
    size: np.ndarray
    nests: np.ndarray
    clarity: np.ndarray
    class_agreement: np.ndarray
    distance: np.ndarray
    unobserved_now: np.ndarray
    shape: np.ndarray
    unobserved_before: np.ndarray


def gather(
    observations: Sequence[Observation],
    known: Sequence[ObjectRecord],
    places: Sequence[PlaceEvidence],
    same_place: float,
    colors: ColorChange | None = None,
) -> Evidence:
    """Compare every observation with every object; `same_place` is enough overlap."""
    shape = len(observations), len(known)
    query = np.zeros(shape)
    column = {record.object_id: o for o, record in enumerate(known)}
    for m, seen in enumerate(observations):
        for object_id, share in seen.votes.items():
            if object_id in column:
                query[m, column[object_id]] = share
    centers = [
        np.array([x.box.center for x in side]).reshape(-1, 3) for side in (observations, known)
    ]
    return Evidence(
        overlap_of_places(observations, known, places, same_place),
        query,
        feature_likeness(observations, known),
        color_ratios(observations, known, colors),
        *_sizes(observations, known),
        _clarity(observations, known),
        class_agreement(observations, known),
        cdist(*centers),
        np.array(
            [0.0 if record.is_gone else at.unobserved for record, at in zip(known, places)],
            dtype=np.float64,
        ),
        np.full(shape, np.nan),
        np.full(len(observations), np.nan),
    )


def compare_shapes(
    e: Evidence,
    observations: Sequence[Observation],
    known: Sequence[ObjectRecord],
    pairs: Sequence[tuple[int, int]],
) -> Evidence:
    """
    Return the evidence with `shape` of some pairs, after the best motion of each.

    From `GOOD_FIT` on no better motion is searched.

    """
    shape = e.shape.copy()
    sides = [
        sorted((observations[m].surface, known[o].surface), key=lambda side: len(side.xyz))
        for m, o in pairs
    ]
    fits = fit_into([part for part, _ in sides], [whole for _, whole in sides], GOOD_FIT)
    for (m, o), fit in zip(pairs, fits):
        shape[m, o] = fit
    return replace(e, shape=shape)


def _sizes(
    observations: Sequence[Observation], known: Sequence[ObjectRecord]
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return how alike the boxes are, and whether one fits into the other, both (M, O).

    Alike: mean ratio of height, long and short side.
    """
    new, old = (
        np.array([x.box.size for x in side]).reshape(-1, 3).T + 0.05
        for side in (observations, known)
    )
    alike = np.zeros((new.shape[1], old.shape[1]))
    inside, around = np.ones_like(alike, dtype=bool), np.ones_like(alike, dtype=bool)
    for mine, other in zip(new, old):  # side by side of the boxes: a third of the memory
        ratio, beyond = mine[:, None] / other, mine[:, None] - other
        alike += np.minimum(ratio, 1 / ratio)
        inside &= beyond <= BOX_SLACK
        around &= beyond >= -BOX_SLACK
    return alike / 3, inside | around


def _clarity(observations: Sequence[Observation], known: Sequence[ObjectRecord]) -> np.ndarray:
    """Return the weight of differences, (M, O): few points of an object look like anything."""
    new, old = (
        np.array([len(x.xyz) for x in side], dtype=np.float64) for side in (observations, known)
    )
    return np.minimum(np.minimum(new[:, None], old[None]) / CLEAR_POINTS, 1)


def class_agreement(
    one: Sequence[Observation | ObjectRecord], other: Sequence[Observation | ObjectRecord]
) -> np.ndarray:
    """Return how far the class posteriors agree: 1 = equal, soft, so a chair may be a sofa."""
    if not one or not other:
        return np.zeros((len(one), len(other)))
    roots = [
        np.sqrt(np.array([x.class_probs for x in side], dtype=np.float64)) for side in (one, other)
    ]
    return np.clip(roots[0] @ roots[1].T, 0, 1)
