"""
Evidence of absence: whether the place of a remembered object was looked at and was empty.

Not to see an object is no proof that it is gone. It is gone only where something else was seen
that it would have hidden: the floor or table top below it, the wall behind it, or whatever lies
at the end of a ray through it.
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.boxes import bounds
from rescene4d_ros.geometry.depth_map import DepthMap
from rescene4d_ros.geometry.neighbors import evenly, near, thin
from rescene4d_ros.structures import Box
from scipy.spatial import cKDTree

CELL = 0.05            # m; edge of the columns by which a footprint is judged
SAME_SURFACE = 0.05    # m; a new point this near shows the old surface again
THIN = 0.15            # m; what is flatter than this hangs on a wall and is judged from the front
BEHIND = 0.12          # m; how far behind a flat thing its wall may lie
CLEARLY_BELOW = 0.08   # m; what is seen this far below a point is another surface
RAY_POSITIONS = 24     # sensor positions used, spread over the path
RAY_SPACING = 0.04     # m; spacing of the surfaces that may stand between sensor and object
RAY_REACH = 1.5        # m; how far around an object revealed surfaces are looked for
RAY_POINTS = 4000      # surface points looked at per object
PAST_OF_REACH = 0.5    # share of the positions that could see a point, and of all positions:
PAST_OF_ALL = 0.35     # where this many look past it, nothing was there


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
    index : ndarray (N,), int64
        Which points of the visit are kept: it is thinned.
    xyz : ndarray (N, 3), float32, m, in map
        These points.
    tree : cKDTree
        Over `xyz`.

    """

    def __init__(self, xyz: np.ndarray, sensor_path: np.ndarray | None = None,
                 spacing: float = 0.025):
        self.index = thin(xyz, spacing)
        self.xyz = xyz[self.index]
        self.tree = cKDTree(self.xyz)
        self._sorted = self.xyz[np.argsort(self.xyz[:, 0], kind='stable')]
        self._sensor_path = sensor_path

    @cached_property
    def _depth_maps(self) -> list[DepthMap]:
        """Return what each of some sensor positions can see; made when first asked for."""
        if self._sensor_path is None or len(self._sensor_path) == 0:
            return []
        last = len(self._sensor_path) - 1
        chosen = np.unique(np.linspace(0, last, RAY_POSITIONS).astype(int))
        surfaces = self.xyz[thin(self.xyz, RAY_SPACING)]
        return [DepthMap(self._sensor_path[i], surfaces) for i in chosen]

    def within(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return the points (M, 3) inside an axis-aligned range."""
        first, last = np.searchsorted(self._sorted[:, 0], [low[0], high[0]])
        slab = self._sorted[first:last]
        return slab[((slab >= low) & (slab <= high)).all(1)]

    def revealed(self, xyz: np.ndarray) -> float:
        """
        Return the share of an object's points in front of surfaces that it would have hidden.

        Where the sensor looked at each position is not known, only where it was. So a surface
        tells only if every position that could see it would have had to look through the
        object: then it was seen, and the object was not there.

        """
        if not self._depth_maps or len(xyz) == 0:
            return 0.0
        around = self.within(xyz.min(0) - RAY_REACH, xyz.max(0) + RAY_REACH)
        around = around[evenly(len(around), RAY_POINTS)]
        seen, free = np.zeros(len(around), dtype=bool), np.zeros(len(around), dtype=bool)
        views = []
        for depth_map in self._depth_maps:
            sees, surface_bin, hidden, object_bin = depth_map.look(around, xyz)
            seen |= sees
            free |= sees & ~hidden
            views.append((sees & hidden, surface_bin, object_bin))
        before = np.zeros(len(xyz), dtype=bool)
        for behind, surface_bin, object_bin in views:
            before |= np.isin(object_bin, surface_bin[behind & seen & ~free])
        return float(before.mean())

    def seen_through(self, xyz: np.ndarray) -> np.ndarray:
        """
        Say of each point whether the visit looked past it: nothing was there.

        Which way the sensor looked at a position is not known. Where many positions see only
        what lies behind a point, some of them did look that way, and would have brought it home.

        Parameters
        ----------
        xyz : ndarray (N, 3), float32, m, in map

        Returns
        -------
        ndarray (N,), bool
            All False for a visit without sensor path.

        """
        past, in_reach = np.zeros(len(xyz), dtype=int), np.zeros(len(xyz), dtype=int)
        for depth_map in self._depth_maps:
            is_past, is_in_reach = depth_map.passes(xyz)
            past += is_past
            in_reach += is_in_reach
        return (past > 0) & (past >= PAST_OF_REACH * in_reach) \
            & (past >= PAST_OF_ALL * len(self._depth_maps))


def is_flat(box: Box) -> bool:
    """Return whether a box is that of something flat and upright: a picture, a door, a window."""
    return min(box.size[:2]) < THIN < max(box.size[:2]) and box.size[2] > THIN


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
