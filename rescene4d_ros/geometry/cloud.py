"""Points of one visit, and the range of view from each sensor position."""

from __future__ import annotations

from collections.abc import Sequence
import functools
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.geometry.floor.structure import (
    COLUMN,
    floor_without_normals,
    shows_below,
    standing_places,
)
from rescene4d_ros.geometry.point_sets import covers_more, evenly, thin
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from rescene4d_ros.geometry.floor.local_views import LocalViews  # it imports this file
    from rescene4d_ros.structures import Scan
    from rescene4d_ros.structures.free_space import FreeSpace

RAY_POSITIONS = 24  # sensor positions used, spread over the path
RAY_SPACING = 0.04  # m; spacing of surfaces that may occlude an object
RAY_REACH = 1.5  # m; range around an object for revealed surfaces
FAR = 2.5  # m; beyond RAY_REACH and the tolerances of what asks
RAY_POINTS = 4000  # number of surface points per object
PAST_OF_REACH = 0.5  # share of the positions that could see a point, and of all positions:
PAST_OF_ALL = 0.35  # if this many look past it, the place was empty
RAY_BIN = np.pi / 120  # rad; angular bin around one sensor position
RAY_CLEARANCE = 0.12  # m; a surface this far behind an object's points is occluded by them
FLOOR_LAYER = 0.06  # m; around the rough height of the floor, where its points lie
PASSED = 0.10  # m; a surface this far behind a point was observed past it
RAY_RANGE = 4.5  # m; farther points are rarely scanned and give no evidence
ONE_PLACE = 128.0  # m^2 of floor, above which each place has positions of its own
STRIP = 2.0  # m; width of the strips along x in which points are looked up
AROUND = 2.5  # m; how far around a place a visit to it shows anything
SECTORS = 16  # directions around it,
MOST_SECTORS = 10  # of which more show something than from beyond a wall
PLAN_CELL = 0.25  # m; of the floor plan by which that is judged
PATH_STEP = 0.5  # s; between two places of the path of a sensor
PATH_POINTS = 200  # most places of one path


class Cloud:
    """
    Points of one visit, prepared for many queries about places.

    Attributes
    ----------
    index : ndarray (N,), int32
        Indices of the kept points: the cloud is thinned.
    xyz : ndarray (N, 3), float32, m, in map
        These points.
    tree : cKDTree
        Over `xyz`.

    """

    def __init__(
        self,
        xyz: np.ndarray,
        sensor_path: np.ndarray | None = None,
        spacing: float = 0.025,
        free: FreeSpace | None = None,
    ):
        self.index = thin(xyz, spacing).astype(np.int32)
        self.xyz = xyz[self.index]
        self.tree = cKDTree(self.xyz)
        has_path = sensor_path is not None and len(sensor_path) > 0
        self._sensor_path = sensor_path if has_path else None
        self._free = free

    @classmethod
    def of(cls, scan: Scan) -> Cloud:
        """Return the points of a scan, with what is known of how they were measured."""
        return cls(scan.xyz, scan.sensor_path, free=scan.free)

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the lowest and the highest coordinates (3,), None without points."""
        return (self.xyz.min(0), self.xyz.max(0)) if len(self.xyz) else None

    def _views(self, xyz: np.ndarray) -> list[DepthMap]:
        """Return the depth maps that tell of an object: of all positions, or of those near it."""
        if self._sensor_path is None or len(xyz) == 0:
            return []
        return self._depth_maps if self._local_views is None else self._local_views.around(xyz)

    @cached_property
    def _depth_maps(self) -> list[DepthMap]:
        """Return the depth maps of sampled sensor positions; computed at first use."""
        if self._sensor_path is None:
            return []
        chosen = evenly(len(self._sensor_path), RAY_POSITIONS)
        return depth_maps(self._sensor_path[chosen], self._surfaces)

    @cached_property
    def _likely_maps(self) -> list[DepthMap]:
        """Return the same of where the sensor may have been, where no path is known."""
        if len(self.xyz) == 0:
            return []
        top = floor_without_normals(self.xyz)
        layer = self.xyz[np.abs(self.xyz[:, 2] - top) < FLOOR_LAYER, 2]
        places = standing_places(self.xyz, float(np.median(layer)), RAY_POSITIONS)
        return depth_maps(places, self._surfaces)

    @cached_property
    def _local_views(self) -> LocalViews | None:
        """Return the views of each place of a visit of many rooms, None of another visit."""
        if self._sensor_path is None or not covers_more([self.xyz], ONE_PLACE):
            return None
        from rescene4d_ros.geometry.floor.local_views import LocalViews

        return LocalViews(self._sensor_path, self._surfaces, RAY_POSITIONS)

    @property
    def _surfaces(self) -> np.ndarray:
        """Return the points (M, 3) of the surfaces in depth maps."""
        return self.xyz[thin(self.xyz, RAY_SPACING)]

    def within(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return the points (M, 3) inside an axis-aligned range, by rising x."""
        slab = self.xyz[self._strips.rows(low, high)]
        slab = slab[((slab >= low) & (slab <= high)).all(1)]
        return slab[np.argsort(slab[:, 0], kind='stable')]

    @cached_property
    def _strips(self) -> Strips:
        """Return the points in strips."""
        return Strips(self.xyz)

    @cached_property
    def _plan(self) -> np.ndarray:
        """Return the middles (C, 2) of the cells of the floor plan that hold points."""
        cells = np.unique(np.floor(self.xyz[:, :2].astype(np.float64) / PLAN_CELL), axis=0)
        return (cells + 0.5) * PLAN_CELL

    def surrounds(self, xyz: np.ndarray) -> bool:
        """
        Return whether the visit shows surfaces in most directions around points (N, 3).

        A place that it does not show is then a zone missed by it; else it may be in a room that
        it did not enter, of which a wall is the border.
        """
        if len(xyz) == 0:
            return False
        x, y = (self._plan - (xyz[:, :2].min(0) + xyz[:, :2].max(0)) / 2).T
        near = x * x + y * y < AROUND**2
        sector = np.floor(np.arctan2(y[near], x[near]) * (SECTORS / (2 * np.pi))) % SECTORS
        return len(np.unique(sector)) >= MOST_SECTORS

    def revealed(self, xyz: np.ndarray) -> float:
        """
        Return the share of an object's points in front of surfaces that it would occlude.

        The direction of the sensor at each position is unknown. A surface is evidence only if
        every position that could observe it would have had to look through the object: then it was
        observed, and the object was not there.

        """
        depth_views = self._views(xyz)
        if not depth_views:
            return 0.0
        around = self.within(xyz.min(0) - RAY_REACH, xyz.max(0) + RAY_REACH)
        around = around[evenly(len(around), RAY_POINTS)]
        seen, free = np.zeros(len(around), dtype=bool), np.zeros(len(around), dtype=bool)
        views = []
        for depth_map in depth_views:
            sees, surface_bin, hidden, object_bin = depth_map.look(around, xyz)
            seen |= sees
            free |= sees & ~hidden
            views.append((sees & hidden, surface_bin, object_bin))
        before = np.zeros(len(xyz), dtype=bool)
        for behind, surface_bin, object_bin in views:
            before |= np.isin(object_bin, surface_bin[behind & seen & ~free])
        return float(before.mean())

    def seen_free(self, xyz: np.ndarray) -> float:
        """Return the share of points (N, 3) amid cells that the visit looked through."""
        if self._free is None or len(xyz) == 0:
            return 0.0
        return float(self._free.around(xyz).mean())

    def seen_through(self, xyz: np.ndarray) -> np.ndarray:
        """
        Return for each point whether the visit looked past it, so that nothing was there.

        The direction of the sensor at a position is unknown. If many positions observe only what
        lies behind a point, some of them looked in that direction and would have measured it.
        Without a sensor path places stand for it where the sensor may have been. It was at some
        of them only, and from the others sides that it never saw look as if seen through; so
        a surface must show below the point, too, which a thing hides together with its side.

        Parameters
        ----------
        xyz : ndarray (N, 3), float32, m, in map

        Returns
        -------
        ndarray (N,), bool
            All False for a visit with neither a sensor path nor free floor.

        """
        has_path = self._sensor_path is not None
        depth_views = self._views(xyz) if has_path else self._likely_maps
        if len(xyz) == 0 or not depth_views:
            return np.zeros(len(xyz), dtype=bool)
        past, in_reach = _count_past(depth_views, xyz)
        is_past = (
            (past > 0)
            & (past >= PAST_OF_REACH * in_reach)
            & (past >= PAST_OF_ALL * len(depth_views))
        )
        if not has_path:
            low, high = xyz.min(0) - COLUMN, xyz.max(0) + COLUMN
            is_past &= shows_below(self.within(np.r_[low[:2], -np.inf], high), xyz)
        return is_past


class Strips:
    """
    Points in strips along x of the floor plan, to look up those in a range without the others.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m

    """

    def __init__(self, xyz: np.ndarray):
        strip = np.floor(xyz[:, 1].astype(np.float64) / STRIP)
        self._order = np.lexsort((xyz[:, 0], strip)).astype(np.int32)
        self._x = xyz[self._order, 0]
        self._names, starts = np.unique(strip[self._order], return_index=True)
        self._starts = np.append(starts, len(strip))

    def rows(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return the points (M,), int64, ascending, of a range in x and of its strips in y."""
        first, last = np.floor(np.array([low[1], high[1]], dtype=np.float64) / STRIP)
        found = [self._order[:0]]
        for k in range(*np.searchsorted(self._names, [first, last + 1])):
            start, end = self._starts[k], self._starts[k + 1]
            begin = np.searchsorted(self._x[start:end], low[0], side='left')
            stop = np.searchsorted(self._x[start:end], high[0], side='right')
            found.append(self._order[start + begin : start + stop])
        return np.sort(np.concatenate(found)).astype(np.int64)


class DepthMap:
    """Depth in each direction from one sensor position, by the measured points."""

    def __init__(self, position: np.ndarray, xyz: np.ndarray):
        self._position = np.asarray(position, dtype=np.float64)
        self._columns = int(round(2 * np.pi / RAY_BIN))
        rows = int(round(np.pi / RAY_BIN)) + 1
        self._nearest = np.full(self._columns * rows, np.inf)
        key, distance = self._bins(xyz)
        np.minimum.at(self._nearest, key, distance)

    def _bins(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return bin number and distance of each point."""
        # Axis by axis: sums over rows of three take several times as long.
        x, y, z = (xyz[:, k].astype(np.float64) - self._position[k] for k in range(3))
        distance = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-6)
        column = (np.arctan2(y, x) / RAY_BIN).astype(int)
        column[column < 0] += self._columns
        row = (np.arccos(np.clip(z / distance, -1, 1)) / RAY_BIN).astype(int)
        return row * self._columns + column, distance

    def look(
        self, surface: np.ndarray, occluder: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """
        Test the visibility of surface points with an object that may occlude them.

        Returns
        -------
        sees : ndarray (N,), bool
            The surface point is visible from here; tolerant, because bins are wide.
        surface_bin : ndarray (N,), int
        hidden : ndarray (N,), bool
            The object would occlude it.
        object_bin : ndarray (M,), int

        """
        surface_bin, far = self._bins(surface)
        object_bin, near_by = self._bins(occluder)
        sees = far <= self._nearest[surface_bin] + 0.1 + 0.05 * far
        bins, place = np.unique(object_bin, return_inverse=True)
        first = np.full(len(bins), np.inf)
        np.minimum.at(first, place, near_by)
        at = np.minimum(np.searchsorted(bins, surface_bin), len(bins) - 1)
        hidden = (bins[at] == surface_bin) & (first[at] < far - RAY_CLEARANCE)
        return sees, surface_bin, hidden, object_bin

    def is_behind_wall(self, xyz: np.ndarray, gap: float) -> bool:
        """Return whether, at its own height, surfaces that far in front hide most of a place."""
        key, distance = self._bins(np.c_[xyz[:, :2], np.full(len(xyz), self._position[2])])
        return bool(np.mean(self._nearest[key] < distance - gap) > 0.5)

    def passes(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Return past which points this position looks, and which are in its reach.

        Parameters
        ----------
        xyz : ndarray (N, 3), m, in map

        Returns
        -------
        past : ndarray (N,), bool
            All measured points in its direction, neighboring bins included, lie behind it.
        in_reach : ndarray (N,), bool
            There is a measured point in its direction, at any depth.

        """
        key, distance = self._bins(xyz)
        in_reach = np.isfinite(self._nearest[key]) & (distance < RAY_RANGE)
        return in_reach & (self._nearest_around[key] > distance + PASSED), in_reach

    @cached_property
    def _nearest_around(self) -> np.ndarray:
        """Return the least depth of each bin and the eight around it."""
        beyond = self._columns + 1
        depth = np.pad(self._nearest, beyond, mode='edge')
        least = np.minimum(np.minimum(depth[:-2], depth[1:-1]), depth[2:])
        last = len(self._nearest)
        rows = (least[k * self._columns :][:last] for k in range(3))
        return functools.reduce(np.minimum, rows)


def depth_maps(positions: np.ndarray, xyz: np.ndarray) -> list[DepthMap]:
    """Return what is measured in each direction from places (P, 3) of the sensor."""
    return [DepthMap(position, xyz) for position in positions]


def share_past(views: Sequence[DepthMap], xyz: np.ndarray) -> np.ndarray:
    """
    Return the share of views, of those that reach a point, that look past it.

    Parameters
    ----------
    views : sequence of DepthMap
    xyz : ndarray (N, 3), m, in map

    Returns
    -------
    ndarray (N,), float64
        0 where no view reaches the point.

    """
    past, in_reach = _count_past(views, xyz)
    return past / np.maximum(in_reach, 1)


def _count_past(views: Sequence[DepthMap], xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many views look past points (N, 3), and how many reach them, two (N,), int."""
    past, in_reach = np.zeros(len(xyz), dtype=int), np.zeros(len(xyz), dtype=int)
    for view in views:
        is_past, reaches = view.passes(xyz)
        past += is_past
        in_reach += reaches
    return past, in_reach


def path_times(stamp_ns: int, duration: float) -> list[int]:
    """Return the times in ns at which a path of `duration` s up to a stamp is asked for."""
    count = 1 + min(PATH_POINTS, int(duration / PATH_STEP))
    return [stamp_ns - int(before * 1e9) for before in np.linspace(duration, 0.0, count)]
