"""
Evidence of absence: whether the place of an object was observed and empty.

A missing observation is no evidence of absence. An object is absent only if something was observed
that it would have occluded: the floor or table top below it, the wall behind it, or a surface at
the end of a ray through it; or if the cells of its place were looked through, whatever the cloud
has of what was measured behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from rescene4d_ros.geometry.boxes import bounds
from rescene4d_ros.geometry.cloud import Cloud, FAR
from rescene4d_ros.geometry.floor.structure import shows_below
from rescene4d_ros.geometry.point_sets import near, SAME_SURFACE
from rescene4d_ros.structures import Box

CELL = 0.05  # m; edge of the columns of a footprint
THIN = 0.15  # m; flatter objects hang on a wall and are tested from the front
MISSED_ZONE = 0.3  # how unobserved a place is that a visit missed in a room it was in
BEHIND = 0.12  # m; largest distance of the wall behind a flat object


class Place(Enum):
    """Result of a visit at the former place of an object."""

    OCCUPIED = 'occupied'
    SEEN_EMPTY = 'seen empty'
    UNSEEN = 'unseen'


@dataclass(frozen=True)
class PlaceEvidence:
    """
    Place evidence of a visit for one object.

    Attributes
    ----------
    place : Place
    occupied : float
        Share of the object's points that the new cloud has again, 0..1.
    observed : float
        Share of the place that was observed with something else, 0..1.
    covered : ndarray (M,), bool
        Which of the object's points the new cloud has again.
    unobserved : float
        UNSEEN: 1, or `MISSED_ZONE` where the visit shows what is around; else 0.

    """

    place: Place
    occupied: float
    observed: float
    covered: np.ndarray
    unobserved: float = 0.0


def is_flat(box: Box) -> bool:
    """Return whether a box is flat and upright, as that of a picture, door or window."""
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
    Compute the place evidence of a visit at the last known place of an object.

    Parameters
    ----------
    cloud : Cloud
        The new visit.
    xyz : ndarray (M, 3), float32, m, in map
        Points of the object in the memory.
    box : Box
        Where it was.
    occupied_at : float
        Minimum share of its points for OCCUPIED.
    observed_at : float
        Minimum observed share of its place for SEEN_EMPTY.

    Returns
    -------
    PlaceEvidence
        UNSEEN if neither is reached: doubt is never reported as absence.

    """
    if _is_far(cloud, xyz):
        return PlaceEvidence(Place.UNSEEN, 0.0, 0.0, np.zeros(len(xyz), dtype=bool), 1.0)
    covered = near(cloud.tree, xyz, SAME_SURFACE)
    standing = xyz[:, 2] > xyz[:, 2].min() + SAME_SURFACE if len(xyz) else covered
    # The lowest points lie on the floor, which is observed with or without the object.
    telling = standing if standing.mean() > 0.3 else np.ones(len(xyz), dtype=bool)
    occupied = float(covered[telling].mean())
    if is_flat(box):
        observed = _observed_from_front(cloud, box)
    else:
        observed = _observed_from_above(cloud, xyz)
    if occupied < occupied_at and observed < observed_at:
        # Neither denies the other: what was not looked through may have been looked past.
        observed = max(observed, cloud.seen_free(xyz[telling]), cloud.revealed(xyz[telling]))
    if occupied >= occupied_at:
        place, unobserved = Place.OCCUPIED, 0.0
    elif observed >= observed_at:
        place, unobserved = Place.SEEN_EMPTY, 0.0
    else:
        place, unobserved = Place.UNSEEN, MISSED_ZONE if cloud.surrounds(xyz) else 1.0
    return PlaceEvidence(place, occupied, observed, covered, unobserved)


def _is_far(cloud: Cloud, xyz: np.ndarray) -> bool:
    """Return whether a visit shows nothing near points (N, 3), so that it cannot tell of them."""
    if len(xyz) == 0 or cloud.bounds is None:
        return False
    low, high = cloud.bounds
    return bool((xyz.min(0) > high + FAR).any() or (xyz.max(0) < low - FAR).any())


def looked_past(cloud: Cloud, xyz: np.ndarray) -> float:
    """
    Return the share of points that a visit lacks although it has points below them.

    A sensor above furniture height that observes the seat would also observe the backrest above
    it, so a missing backrest has left. Parts on the unscanned side are not counted.

    Parameters
    ----------
    cloud : Cloud
    xyz : ndarray (M, 3), float32, m, in map
        Points of an object at its earlier or later place.

    """
    missing = xyz[~near(cloud.tree, xyz, SAME_SURFACE)]
    shown = cloud.within(xyz.min(0) - SAME_SURFACE, xyz.max(0)) if len(xyz) else xyz
    if len(missing) == 0 or len(shown) == 0:
        return 0.0
    past = shows_below(shown, missing)
    return float(past.sum() / len(xyz))


def _observed_from_above(cloud: Cloud, xyz: np.ndarray) -> float:
    """Return the share of the footprint's columns with points, from its support up."""
    low, high = xyz.min(0) - SAME_SURFACE, xyz.max(0)
    columns = _cells(xyz[:, :2])
    seen = np.unique(_cells(cloud.within(low, high)[:, :2]))
    return float(np.isin(np.unique(columns), seen).mean())


def _observed_from_front(cloud: Cloud, box: Box) -> float:
    """Return the share of a flat object's front with points at or behind it."""
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
    """Return one integer per point (N, 2): its square."""
    cell = np.floor(np.asarray(flat, dtype=np.float64) / CELL).astype(np.int64)
    return cell[:, 0] * (1 << 32) + cell[:, 1]
