"""Places where something came or went between visits, found without any network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.geometry.se3 import size_of, transform
from rescene4d_ros.geometry.surface_registration import LEAST_PARTNERS, motion_onto
from rescene4d_ros.tracking.regions.candidates import compare, Compared, find_candidates
from rescene4d_ros.tracking.regions.region_evidence import (
    BoostedTrees,
    fitted_quality,
    RegionEvidence,
)
from rescene4d_ros.tracking.regions.surfaces import VisitSurfaces

# Registration of the later visit.
SAMPLED = 0.10  # m; spacing of the points that are laid on the other visit
GATES = (0.15, 0.10, 0.08, 0.06, 0.06, 0.05)  # m; farther points are no partners, per round
MOST_SHIFT = 0.10  # m; a larger error is no small one: the visits stay as they are
MOST_TURN = 0.05  # rad

# Choice of regions.
LEAST_QUALITY = 0.5  # less likely candidates are no regions
SHARED = 0.3  # of a region's points that a better region may hold


def aligned(surfaces: VisitSurfaces, other: VisitSurfaces) -> VisitSurfaces:
    """
    Return the surfaces of a visit, laid on what did not change in another visit.

    Point-to-plane registration with redescending weights: what changed has no say. The points
    keep their positions in the arrays.

    Parameters
    ----------
    surfaces, other : VisitSurfaces
        Registered to about `MOST_SHIFT` and `MOST_TURN`.

    Returns
    -------
    VisitSurfaces
        `surfaces` itself where nothing is gained.

    """
    sample = thin(surfaces.xyz, SAMPLED)
    points = surfaces.xyz[sample].astype(np.float64)
    found = motion_onto(points, other.xyz, other.normals, other.tree, GATES, more_rounds=0)
    if found is None:
        return surfaces
    motion, _ = found
    distance, turn = size_of(motion, points.mean(0))
    if distance > MOST_SHIFT or turn > MOST_TURN:
        return surfaces
    if _residual(transform(motion, points), other) >= _residual(points, other):
        return surfaces
    xyz = transform(motion, surfaces.xyz.astype(np.float64))
    normals = surfaces.normals @ motion[:3, :3].T
    return replace(surfaces, xyz=xyz.astype(np.float32), normals=normals.astype(np.float32))


def _residual(points: np.ndarray, other: VisitSurfaces) -> float:
    """Return the mean distance of points (N, 3) to the planes of another visit, bounded, m."""
    distance, nearest = other.tree.query(points, distance_upper_bound=GATES[0])
    found = np.isfinite(distance)
    near = nearest[found]
    offset = ((points[found] - other.xyz[near]) * other.normals[near]).sum(1)
    return float(np.minimum(np.abs(offset), GATES[-1]).mean()) if len(offset) else np.inf


def both_ways(before: VisitSurfaces, after: VisitSurfaces) -> tuple[Compared, Compared]:
    """
    Lay a visit on what was seen before, and compare each of the two with the other.

    Parameters
    ----------
    before, after : VisitSurfaces

    Returns
    -------
    now, then : Compared
        `after` beside `before`, and `before` beside `after`; positions of points are kept.

    """
    after = aligned(after, before)
    return compare(after, before), compare(before, after)


@dataclass(frozen=True)
class ChangeRegion:
    """
    Hold one thing that came or went, as far as the visits show it.

    Attributes
    ----------
    came : bool
        Whether the later visit shows it; else the earlier one does.
    points : ndarray (K,), int64
        Positions in the surfaces that show it, ascending.
    quality : float
        How likely this is one thing that came or went, 0..1.

    """

    came: bool
    points: np.ndarray
    quality: float


def find_change_regions(
    before: VisitSurfaces, after: VisitSurfaces, quality: BoostedTrees | None = None
) -> tuple[ChangeRegion, ...]:
    """
    Find what came or went between two states of a place.

    Parameters
    ----------
    before : VisitSurfaces
        What was seen last at each place before the visit, see `last_seen`.
    after : VisitSurfaces
        The new visit.
    quality : BoostedTrees, optional
        Default is the model of the package.

    Returns
    -------
    tuple of ChangeRegion
        Best first; those of one visit share few points. None where a visit has fewer than
        `LEAST_PARTNERS` points: it has hardly seen anything.

    """
    if min(len(before), len(after)) < LEAST_PARTNERS:
        return ()
    quality = quality or fitted_quality()
    now, then = both_ways(before, after)
    regions: list[ChangeRegion] = []
    for came, pair, other in ((True, now, then), (False, then, now)):
        # 1. Propose: changed surface in several strengths, grown to free-standing things.
        candidates = find_candidates(pair)
        # 2. Judge: was the place looked at, is it a shell, does it stand alone?
        likely = _likelihood(pair, other, candidates, quality)
        # 3. Choose: the best that do not overlap.
        chosen = choose(candidates, likely, len(pair.surfaces))
        regions += [ChangeRegion(came, candidates[k], float(likely[k])) for k in chosen]
    return tuple(sorted(regions, key=lambda region: -region.quality))


def _likelihood(
    pair: Compared, other: Compared, candidates: list[np.ndarray], quality: BoostedTrees
) -> np.ndarray:
    """Return how likely each candidate is one thing that came or went (C,), float64."""
    if not candidates:
        return np.zeros(0)
    return quality.probability(RegionEvidence(pair, other.distance, candidates).measure())


def choose(candidates: list[np.ndarray], quality: np.ndarray, n_points: int) -> list[int]:
    """
    Choose candidates by falling quality that share few points with those chosen before.

    Parameters
    ----------
    candidates : list of ndarray of int
        Positions of points.
    quality : ndarray (C,), float64
    n_points : int

    Returns
    -------
    list of int

    """
    taken, chosen = np.zeros(n_points, dtype=bool), []
    for k in np.argsort(-quality, kind='stable'):
        if quality[k] < LEAST_QUALITY:
            break
        if taken[candidates[k]].mean() < SHARED:
            taken[candidates[k]] = True
            chosen.append(int(k))
    return chosen
