"""How far observations and remembered objects cover the same surfaces."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.geometry.boxes import bounds_of, iou, most_iou
from rescene4d_ros.geometry.neighbors import evenly
from rescene4d_ros.geometry.visibility import PlaceEvidence
from rescene4d_ros.memory.records import ObjectRecord, Observation

PLACE_RADIUS = 0.05      # m; points this near count as the same surface
PLACE_POINTS = 150       # points per object by which places are compared
NUDGED = 0.8             # overlap of places where only the boxes agree: shifted by a hand's width
CONTAINED = 0.85         # share on old surfaces from which a small view is a view of that object


def overlap_of_places(observations: Sequence[Observation], known: Sequence[ObjectRecord],
                      places: Sequence[PlaceEvidence], enough: float) -> np.ndarray:
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
        bounds_of([x.box for x in side]) for side in (observations, known))
    touching = ((new_low[:, None] < old_high) & (old_low < new_high[:, None])).all(2)
    m, o = np.nonzero(touching)
    most_nudged = NUDGED * most_iou([observations[k].box for k in m], [known[k].box for k in o])
    new = [seen.xyz[evenly(len(seen.xyz), PLACE_POINTS)] for seen in observations]
    # Sides of the object that this visit did not scan say nothing against it.
    shown = [np.flatnonzero(at.covered) for at in places]
    old = [record.xyz[at[evenly(len(at), PLACE_POINTS)]] for record, at in zip(known, shown)]
    forth, back = _most_near(new, known, m, o), _most_near(old, observations, o, m)
    most = np.maximum(_of_shares(forth, back), most_nudged)
    for k in np.flatnonzero(most >= enough):
        seen, record = observations[m[k]], known[o[k]]
        value = float(_of_shares(record.surface.share_of(new[m[k]], PLACE_RADIUS),
                                 seen.surface.share_of(old[o[k]], PLACE_RADIUS)))
        if value < min(NUDGED, most_nudged[k]):
            value = max(value, NUDGED * iou(seen.box, record.box))
        overlap[m[k], o[k]] = value
    return overlap


def _of_shares(forth: np.ndarray | float, back: np.ndarray | float) -> np.ndarray | float:
    """Return the overlap by the shares of observation and object that lie on each other."""
    return np.maximum((forth + back) / 2, np.where(forth >= CONTAINED, CONTAINED * forth, 0))


def _most_near(points: Sequence[np.ndarray], others: Sequence[Observation | ObjectRecord],
               k: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the share (P,) of points k that are near enough to the range of others j."""
    padded = np.full((3, len(points), PLACE_POINTS), np.nan, dtype=np.float32)
    for number, xyz in enumerate(points):
        padded[:, number, :len(xyz)] = xyz.T
    low, high = np.array([other.surface.limits for other in others]).transpose(1, 2, 0)[:, :, j]
    asked, reach = padded[:, k], np.float32(PLACE_RADIUS)
    inside = (asked >= (low - reach)[:, :, None]) & (asked <= (high + reach)[:, :, None])
    count = np.array([max(len(xyz), 1) for xyz in points])
    return inside.all(0).sum(1) / count[k]
