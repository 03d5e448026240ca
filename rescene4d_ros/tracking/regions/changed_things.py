"""Things that came, left or moved between the visits of a window, as points of the scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.regions.change_regions import ChangeRegion, find_change_regions
from rescene4d_ros.tracking.regions.motion_pairs import bind_motions
from rescene4d_ros.tracking.regions.surfaces import last_seen, prepare_surfaces, VisitSurfaces

REACH = 0.06  # m; a point farther from all thinned ones of a thing is not its


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
    claimed = np.flatnonzero(owner >= 0)
    nothing = np.zeros(0, dtype=np.int64)
    if len(claimed) == 0:
        return [nothing] * n
    low, high = visit.xyz[claimed].min(0) - REACH, visit.xyz[claimed].max(0) + REACH
    near = np.flatnonzero(((scan.xyz > low) & (scan.xyz < high)).all(1))
    distance, nearest = visit.tree.query(scan.xyz[near], distance_upper_bound=REACH)
    found = np.isfinite(distance)
    near, thing = near[found], owner[nearest[found]]
    order = np.argsort(thing, kind='stable')
    edges = np.searchsorted(thing[order], np.arange(n + 1))
    return [np.sort(near[order[a:b]]) for a, b in zip(edges, edges[1:])]
