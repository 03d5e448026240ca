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
from rescene4d_ros.geometry.neighbors import near, thin
from rescene4d_ros.structures import Box
from scipy.spatial import cKDTree

CELL = 0.05            # m; edge of the columns by which a footprint is judged
SAME_SURFACE = 0.05    # m; a new point this near shows the old surface again
THIN = 0.15            # m; what is flatter than this hangs on a wall and is judged from the front
BEHIND = 0.12          # m; how far behind a flat thing its wall may lie
RAY_CLEARANCE = 0.15   # m; a ray must end this far behind a point to have passed through it
RAY_BIN = np.pi / 120  # rad; angular bin of the depth map around one sensor position
RAY_POSITIONS = 12     # sensor positions used, spread over the path


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


class Cloud:
    """
    One visit's points, prepared for many questions about places.

    Attributes
    ----------
    xyz : ndarray (N, 3), float32, m, in map
        Thinned.
    tree : cKDTree
        Over `xyz`.

    """

    def __init__(self, xyz: np.ndarray, sensor_path: np.ndarray | None = None,
                 spacing: float = 0.025):
        self.xyz = xyz[thin(xyz, spacing)]
        self.tree = cKDTree(self.xyz)
        self._order = np.argsort(self.xyz[:, 0], kind='stable')
        self._sorted = self.xyz[self._order]
        self._depth_maps = []
        if sensor_path is not None and len(sensor_path):
            chosen = np.unique(np.linspace(0, len(sensor_path) - 1, RAY_POSITIONS).astype(int))
            self._depth_maps = [_DepthMap(sensor_path[i], self.xyz) for i in chosen]

    def within(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return the points (M, 3) inside an axis-aligned range."""
        first, last = np.searchsorted(self._sorted[:, 0], [low[0], high[0]])
        slab = self._sorted[first:last]
        return slab[((slab >= low) & (slab <= high)).all(1)]

    def seen_through(self, xyz: np.ndarray) -> np.ndarray:
        """Return, per point (M, 3), whether a ray from the sensor's path passed through it."""
        votes = np.zeros(len(xyz), dtype=np.int64)
        for depth_map in self._depth_maps:
            votes += depth_map.passes(xyz)
        return votes >= 2      # one ray may end on a surface that another position saw


class _DepthMap:
    """How far one sensor position can see in each direction, by the points that were seen."""

    def __init__(self, position: np.ndarray, xyz: np.ndarray):
        self._position = np.asarray(position, dtype=np.float64)
        self._columns = int(round(2 * np.pi / RAY_BIN))
        rows = int(round(np.pi / RAY_BIN)) + 1
        self._nearest = np.full(self._columns * rows, np.inf)
        key, distance = self._bins(xyz)
        np.minimum.at(self._nearest, key, distance)

    def _bins(self, xyz: np.ndarray):
        """Return bin number and distance of each point."""
        ray = np.asarray(xyz, dtype=np.float64) - self._position
        distance = np.maximum(np.linalg.norm(ray, axis=1), 1e-6)
        column = (np.arctan2(ray[:, 1], ray[:, 0]) / RAY_BIN).astype(int) % self._columns
        row = (np.arccos(np.clip(ray[:, 2] / distance, -1, 1)) / RAY_BIN).astype(int)
        return row * self._columns + column, distance

    def passes(self, xyz: np.ndarray) -> np.ndarray:
        """Return, per point, whether the nearest surface in its direction lies behind it."""
        key, distance = self._bins(xyz)
        nearest = self._nearest[key]
        return np.isfinite(nearest) & (nearest > distance + RAY_CLEARANCE)


def look_at(cloud: Cloud, xyz: np.ndarray, box: Box, *, occupied_at: float = 0.45,
            observed_at: float = 0.35) -> PlaceEvidence:
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
    if min(box.size[:2]) < THIN < max(box.size[:2]) and box.size[2] > THIN:
        observed = _observed_from_front(cloud, box)
    else:
        observed = _observed_from_above(cloud, xyz)
    rays = float(cloud.seen_through(xyz[telling]).mean())
    observed = max(observed, rays)
    if occupied >= occupied_at:
        place = Place.OCCUPIED
    elif observed >= observed_at:
        place = Place.SEEN_EMPTY
    else:
        place = Place.UNSEEN
    return PlaceEvidence(place, occupied, observed, covered)


def _observed_from_above(cloud: Cloud, xyz: np.ndarray) -> float:
    """Return the share of the footprint's columns that show something, from its support up."""
    low, high = xyz.min(0) - SAME_SURFACE, xyz.max(0)
    columns = _cells(xyz[:, :2])
    seen = np.unique(_cells(cloud.within(low, high)[:, :2]))
    return float(np.isin(np.unique(columns), seen).mean())


def _observed_from_front(cloud: Cloud, box: Box) -> float:
    """Return the share of a flat thing's front that shows something at or behind it."""
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
