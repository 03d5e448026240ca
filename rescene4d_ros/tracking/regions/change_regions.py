"""Places where something came or went between visits, found without any network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.tracking.regions.alignment import aligned
from rescene4d_ros.tracking.regions.candidates import compare, Compared, find_candidates
from rescene4d_ros.tracking.regions.evidence import RegionEvidence
from rescene4d_ros.tracking.regions.region_quality import BoostedTrees, fitted_quality
from rescene4d_ros.tracking.regions.surfaces import VisitSurfaces

LEAST_QUALITY = 0.5  # less likely candidates are no regions
SHARED = 0.3  # of a region's points that a better region may hold


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
        Best first; those of one visit share few points.

    """
    if len(before) == 0 or len(after) == 0:
        return ()
    quality = quality or fitted_quality()
    after = aligned(after, before)
    now, then = compare(after, before), compare(before, after)
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
    evidence = RegionEvidence(pair, other.distance, candidates)
    return quality.probability(np.array([evidence.measure(points) for points in candidates]))


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
