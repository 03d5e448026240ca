"""
Evidence of absence: whether the place of a remembered object was looked at and was empty.

Not to see an object is no proof that it is gone. It is gone only where something else was seen
that it would have hidden: the floor or table top below it, the wall behind it, or whatever lies
at the end of a ray through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from rescene4d_ros.geometry.boxes import bounds
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.neighbors import near
from rescene4d_ros.geometry.tolerances import SAME_SURFACE
from rescene4d_ros.structures import Box

CELL = 0.05  # m; edge of the columns by which a footprint is judged
THIN = 0.15  # m; what is flatter than this hangs on a wall and is judged from the front
BEHIND = 0.12  # m; how far behind a flat object its wall may lie
CLEARLY_BELOW = 0.08  # m; what is seen this far below a point is another surface


class Place(Enum):
    """Say what a visit showed at the place where an object used to be."""

    OCCUPIED = 'occupied'
    SEEN_EMPTY = 'seen empty'
    UNSEEN = 'unseen'


@dataclass(frozen=True)
class PlaceEvidence:
    """
    Hold what a visit showed at one remembered place.

    Attributes
    ----------
    place : Place
    occupied : float
        Share of the object's points that the new cloud shows again, 0..1.
    observed : float
        Share of the place that was looked at and shows something else, 0..1.
    covered : ndarray (M,), bool
        Which of the object's points the new cloud shows again.

    """

    place: Place
    occupied: float
    observed: float
    covered: np.ndarray


def is_flat(box: Box) -> bool:
    """Return whether a box is that of something flat and upright: a picture, a door, a window."""
    return min(box.size[:2]) < THIN < max(box.size[:2]) and box.size[2] > THIN


def look_at(
    cloud: Cloud,
    xyz: np.ndarray,
    box: Box,
    *,
    occupied_at: float = 0.45,
    observed_at: float = 0.35,
) -> PlaceEvidence:
    """
    Judge what a visit shows at the place where an object was last known.

    Parameters
    ----------
    cloud : Cloud
        The new visit.
    xyz : ndarray (M, 3), float32, m, in map
        The remembered points of the object.
    box : Box
        Where it was.
    occupied_at : float
        Share of its points that must show again for OCCUPIED.
    observed_at : float
        Share of its place that must have been looked at for SEEN_EMPTY.

    Returns
    -------
    PlaceEvidence
        UNSEEN wherever neither is reached: a doubt is never turned into "gone".

    """
    covered = near(cloud.tree, xyz, SAME_SURFACE)
    standing = xyz[:, 2] > xyz[:, 2].min() + SAME_SURFACE if len(xyz) else covered
    # The lowest points lie on the floor, which shows whether or not the object stands on it.
    telling = standing if standing.mean() > 0.3 else np.ones(len(xyz), dtype=bool)
    occupied = float(covered[telling].mean())
    if is_flat(box):
        observed = _observed_from_front(cloud, box)
    else:
        observed = _observed_from_above(cloud, xyz)
    if occupied < occupied_at and observed < observed_at:
        observed = max(observed, cloud.revealed(xyz[telling]))
    if occupied >= occupied_at:
        place = Place.OCCUPIED
    elif observed >= observed_at:
        place = Place.SEEN_EMPTY
    else:
        place = Place.UNSEEN
    return PlaceEvidence(place, occupied, observed, covered)


def looked_past(cloud: Cloud, xyz: np.ndarray) -> float:
    """
    Return the share of points that a visit does not show, though it shows something below them.

    A sensor above furniture height that sees the seat would see the backrest over it, too: what
    is missing there has left. Parts that are merely on the unscanned side do not count.

    Parameters
    ----------
    cloud : Cloud
    xyz : ndarray (M, 3), float32, m, in map
        Points where an object was, or will be.

    """
    missing = xyz[~near(cloud.tree, xyz, SAME_SURFACE)]
    shown = cloud.within(xyz.min(0) - SAME_SURFACE, xyz.max(0)) if len(xyz) else xyz
    if len(missing) == 0 or len(shown) == 0:
        return 0.0
    columns, place = np.unique(_cells(shown[:, :2]), return_inverse=True)
    lowest = np.full(len(columns), np.inf)
    np.minimum.at(lowest, place, shown[:, 2])
    asked = _cells(missing[:, :2])
    at = np.minimum(np.searchsorted(columns, asked), len(columns) - 1)
    past = (columns[at] == asked) & (lowest[at] < missing[:, 2] - CLEARLY_BELOW)
    return float(past.sum() / len(xyz))


def _observed_from_above(cloud: Cloud, xyz: np.ndarray) -> float:
    """Return the share of the footprint's columns that show something, from its support up."""
    low, high = xyz.min(0) - SAME_SURFACE, xyz.max(0)
    columns = _cells(xyz[:, :2])
    seen = np.unique(_cells(cloud.within(low, high)[:, :2]))
    return float(np.isin(np.unique(columns), seen).mean())


def _observed_from_front(cloud: Cloud, box: Box) -> float:
    """Return the share of a flat object's front that shows something at or behind it."""
    long_side = int(box.size[1] > box.size[0])
    turn = box.yaw + long_side * np.pi / 2
    along, across = (np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))
    low, high = bounds(box)
    points = cloud.within(low - BEHIND, high + BEHIND).astype(np.float64) - box.center
    u, v = points[:, :2] @ along, points[:, :2] @ across
    half = box.size[long_side] / 2, box.size[1 - long_side] / 2 + BEHIND, box.size[2] / 2
    inside = (np.abs(u) <= half[0]) & (np.abs(v) <= half[1]) & (np.abs(points[:, 2]) <= half[2])
    seen = np.unique(_cells(np.c_[u, points[:, 2]][inside]))
    total = np.ceil(2 * half[0] / CELL) * np.ceil(2 * half[2] / CELL)
    return float(min(len(seen) / total, 1.0))


def _cells(flat: np.ndarray) -> np.ndarray:
    """Return one integer per point (N, 2): the square it falls in."""
    cell = np.floor(np.asarray(flat, dtype=np.float64) / CELL).astype(np.int64)
    return cell[:, 0] * (1 << 32) + cell[:, 1]
