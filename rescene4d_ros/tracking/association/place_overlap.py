"""How far observations and remembered objects cover the same surfaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.geometry.boxes import bounds_of, iou, most_iou
from rescene4d_ros.geometry.place_evidence import PlaceEvidence
from rescene4d_ros.geometry.point_sets import evenly
from rescene4d_ros.geometry.surface import shares_near, Surface
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import COVERED, SAME_SURFACE

PLACE_POINTS = 150  # points per object by which places are compared
NUDGED = 0.8  # overlap of places where only the boxes agree: shifted by a hand's width
FEW = 3  # of them one in so many is compared first
CLEAR = 0.8  # share both ways that these are enough to tell,
CLEARLY_LESS = 0.3  # or an overlap that is so much less than enough


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
    new = [seen.xyz[evenly(len(seen.xyz), PLACE_POINTS)] for seen in observations]
    # Sides of the object that this visit did not scan say nothing against it.
    shown = [np.flatnonzero(at.covered) for at in places]
    old = [record.xyz[at[evenly(len(at), PLACE_POINTS)]] for record, at in zip(known, shown)]
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
