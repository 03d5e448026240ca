"""Things that came, left or moved between the visits of a window, as points of the scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.point_sets import covers_more
from rescene4d_ros.geometry.registration import register
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.regions.change_regions import ChangeRegion, find_change_regions
from rescene4d_ros.tracking.regions.surfaces import last_seen, prepare_surfaces, VisitSurfaces
from scipy.optimize import linear_sum_assignment

# Pairs of regions that one motion explains.
SIZE_RATIO = 0.6  # least ratio of the heights and of the radii of two views of one thing
SIZE_SLACK = 0.08  # m; by which heights and radii may differ in any case
COLOR_DISTANCE = 45.0  # of 255; mean colors that differ more are of two things
RIVALS = 3  # partners of a region that are registered, those of most alike size and color
LEAST_OVERLAP = 0.55  # of two views after the best motion, from which they are one thing

TILE = 6.0  # m; edge of the tiles by which visits of many rooms are compared
AT_ONCE = 128.0  # m^2 of floor that are compared without tiles
REACH = 0.06  # m; a point farther from all thinned ones of a thing is not its


@dataclass(frozen=True)
class MotionPair:
    """
    Hold two regions that show one thing at two places.

    Attributes
    ----------
    left, came : int
        Positions in the regions.
    after_T_before : ndarray (4, 4), float64
        Upright motion in the map frame.
    overlap : float
        Share of the points of both that the motion lays on the other, 0..1.

    """

    left: int
    came: int
    after_T_before: np.ndarray
    overlap: float


def bind_motions(
    regions: Sequence[ChangeRegion], before: VisitSurfaces, after: VisitSurfaces
) -> tuple[MotionPair, ...]:
    """
    Assign things that came to things that left, all pairs at once.

    Parameters
    ----------
    regions : sequence of ChangeRegion
    before, after : VisitSurfaces
        What the regions are in: those that left in `before`, those that came in `after`.

    """
    left = [k for k, region in enumerate(regions) if not region.came]
    came = [k for k, region in enumerate(regions) if region.came]
    if not left or not came:
        return ()
    shape_left = np.array([_shape(before, regions[k].points) for k in left])
    shape_came = np.array([_shape(after, regions[k].points) for k in came])
    unlike = _unlikeness(shape_left, shape_came)
    overlap, motions = np.zeros(unlike.shape), {}
    for i in range(len(left)):
        for j in np.argsort(unlike[i], kind='stable')[:RIVALS]:
            if not np.isfinite(unlike[i, j]):
                break
            found = register(
                before.xyz[regions[left[i]].points],
                after.xyz[regions[came[j]].points],
                starts=16,
                coarse=120,
                fine=300,
            )
            overlap[i, j], motions[i, j] = found.overlap, found.after_T_before
    pairs = zip(*linear_sum_assignment(-overlap * (overlap >= LEAST_OVERLAP)))
    return tuple(
        MotionPair(left[i], came[j], motions[i, j], float(overlap[i, j]))
        for i, j in pairs
        if overlap[i, j] >= LEAST_OVERLAP
    )


def _shape(surfaces: VisitSurfaces, points: np.ndarray) -> np.ndarray:
    """Return height and radius, m, and mean color; the same at any upright pose (5,)."""
    xyz = surfaces.xyz[points].astype(np.float64)
    radius = np.linalg.norm(xyz[:, :2] - np.median(xyz[:, :2], axis=0), axis=1)
    color = np.zeros(3) if surfaces.rgb is None else surfaces.rgb[points].mean(0)
    return np.r_[np.ptp(xyz[:, 2]), np.percentile(radius, 90), color]


def _unlikeness(left: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Return how unlike shapes (L, 5) and (C, 5) are (L, C); inf where they cannot be one."""
    a, b = left[:, None], came[None]
    low, high = np.minimum(a[..., :2], b[..., :2]), np.maximum(a[..., :2], b[..., :2])
    fits = ((low >= SIZE_RATIO * high) | (high - low <= SIZE_SLACK)).all(-1)
    color = np.linalg.norm(a[..., 2:] - b[..., 2:], axis=-1)
    unlike = ((high - low) / np.maximum(high, SIZE_SLACK)).sum(-1) + color / COLOR_DISTANCE
    return np.where(fits & (color <= COLOR_DISTANCE), unlike, np.inf)


@dataclass(frozen=True)
class ChangedThing:
    """
    Hold one thing that came, left or moved.

    Attributes
    ----------
    parts : tuple of T ndarrays (K_t,), int64
        Its points in each scan, ascending; at most one earlier visit has any.
    quality : float
        How likely it is one thing that changed, 0..1.

    """

    parts: tuple[np.ndarray, ...]
    quality: float

    @property
    def earlier(self) -> int | None:
        """Return the position of the earlier visit that shows it; None = it came."""
        return next((t for t, part in enumerate(self.parts[:-1]) if len(part)), None)


def find_changed_things(scans: Sequence[Scan]) -> tuple[ChangedThing, ...]:
    """
    Find what the last of several visits shows changed.

    Parameters
    ----------
    scans : sequence of T Scan
        Oldest first. Sensor paths are not used: what judges regions is fitted without.

    Returns
    -------
    tuple of ChangedThing
        Best first, disjoint; empty for a single visit.

    """
    if len(scans) < 2:
        return ()
    if covers_more([scan.xyz for scan in scans], AT_ONCE):
        from rescene4d_ros.tracking.regions.tiled_things import find_by_tiles

        return find_by_tiles(scans, TILE, _find_in_one)
    return _find_in_one(scans)


def _find_in_one(scans: Sequence[Scan]) -> tuple[ChangedThing, ...]:
    """Find what changed in a room; see `find_changed_things`."""
    visits = [prepare_surfaces(scan.xyz, scan.normals, scan.rgb) for scan in scans]
    before, after = last_seen(visits[:-1]), visits[-1]
    regions = find_change_regions(before, after)
    partner = {pair.left: pair.came for pair in bind_motions(regions, before, after)}
    owners = [np.full(len(visit), -1) for visit in visits]
    quality: list[float] = []
    for k, region in enumerate(regions):  # best first: it keeps what regions share
        if k in partner.values():
            continue
        both = [region, *([regions[partner[k]]] if k in partner else [])]
        for part in both:
            _claim(part, len(quality), before, owners)
        quality.append(min(part.quality for part in both))
    parts = [
        _points_of(scan, visit, owner, len(quality))
        for scan, visit, owner in zip(scans, visits, owners)
    ]
    return tuple(ChangedThing(tuple(p[k] for p in parts), q) for k, q in enumerate(quality))


def _claim(
    region: ChangeRegion, thing: int, before: VisitSurfaces, owners: Sequence[np.ndarray]
) -> None:
    """Note a thing at the points of a region that belong to none; of one earlier visit at most."""
    if region.came:
        owner, rows = owners[-1], region.points
    else:
        source = before.source[region.points]
        visit = int(np.bincount(source).argmax())
        owner, rows = owners[visit], before.row[region.points[source == visit]]
    owner[rows[owner[rows] < 0]] = thing


def _points_of(scan: Scan, visit: VisitSurfaces, owner: np.ndarray, n: int) -> list[np.ndarray]:
    """Return the points of a scan that each of n things has, from those of its thinned ones."""
    close = np.zeros(len(scan), dtype=bool)
    axes = np.ascontiguousarray(scan.xyz.T)
    for k in range(n):
        if (mine := owner == k).any():
            bounds = zip(axes, visit.xyz[mine].min(0) - REACH, visit.xyz[mine].max(0) + REACH)
            close |= np.logical_and.reduce([(x > low) & (x < high) for x, low, high in bounds])
    near = np.flatnonzero(close)
    if len(near) == 0:
        return [np.zeros(0, dtype=np.int64)] * n
    distance, nearest = visit.tree.query(scan.xyz[near], distance_upper_bound=REACH)
    found = np.isfinite(distance)
    near, thing = near[found], owner[nearest[found]]
    order = np.argsort(thing, kind='stable')
    edges = np.searchsorted(thing[order], np.arange(n + 1))
    return [np.sort(near[order[a:b]]) for a, b in zip(edges, edges[1:])]
