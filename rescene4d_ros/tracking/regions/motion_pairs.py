"""Which thing that left is which thing that came: pairs that one upright motion explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.registration import register
from rescene4d_ros.tracking.regions.change_regions import ChangeRegion
from rescene4d_ros.tracking.regions.surfaces import VisitSurfaces
from scipy.optimize import linear_sum_assignment

SIZE_RATIO = 0.6  # least ratio of the heights and of the radii of two views of one thing
SIZE_SLACK = 0.08  # m; by which heights and radii may differ in any case
COLOR_DISTANCE = 45.0  # of 255; mean colors that differ more are of two things
RIVALS = 3  # partners of a region that are registered, those of most alike size and color
LEAST_OVERLAP = 0.55  # of two views after the best motion, from which they are one thing


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
