"""How far the poses drift within a visit: late keyframes against early surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.geometry.point_sets import evenly, thin
from rescene4d_ros.geometry.se3 import size_of
from rescene4d_ros.geometry.surface_registration import lay_on
from rescene4d_ros.structures import Finding, Severity
from scipy.spatial import cKDTree

SAMPLED = 0.10  # m; spacing of the points that are kept of a keyframe
MOST = 600  # keyframes that are kept; of more, every second one
EARLY, LATE = 0.4, 0.7  # share of the visit up to which, and from which on, it is compared
SURFACE = 0.05  # m; spacing of the early surfaces
GATES = (0.3, 0.2, 0.15, 0.10, 0.08, 0.06, 0.05)  # m
LEAST_COVERAGE = 0.3  # of the late points on early surfaces; else they show other places
LEAST_HELD = 0.03
LARGE, TURNED = 0.03, 0.5  # m and degrees; more makes things look moved


@dataclass(frozen=True)
class Drift:
    """
    Hold what late keyframes are off.

    Attributes
    ----------
    distance : float, m
        That the late points must move to lie on the early ones.
    angle : float, degrees
    residual : float, m
        Median distance to the early surfaces then.
    coverage : float
        Share of the late points on early surfaces then, 0..1.

    """

    distance: float
    angle: float
    residual: float
    coverage: float


class DriftGauge:
    """Keep a few points of each keyframe, and compare those of the end with the first ones."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._count, self._step = 0, 1

    def add(self, xyz: np.ndarray) -> None:
        """Take the points (N, 3), m, of a keyframe, in the frame of the visit."""
        if self._count % self._step == 0:
            self._kept.append(xyz[thin(xyz, SAMPLED)])
        self._count += 1
        if len(self._kept) > MOST:
            self._kept, self._step = self._kept[::2], 2 * self._step

    def measure(self) -> Drift | None:
        """Return the drift; None where the end does not show what the begin showed."""
        count = len(self._kept)
        early, late = self._kept[: int(EARLY * count)], self._kept[int(LATE * count) :]
        if not early or not late:
            return None
        surface = np.concatenate(early)
        surface = surface[thin(surface, SURFACE)]
        points = np.concatenate(late)
        points = points[thin(points, SAMPLED)]
        points = points[evenly(len(points), 5000)]
        laid = lay_on(points, surface, estimate_normals(surface), cKDTree(surface), GATES)
        if laid is None or laid.coverage < LEAST_COVERAGE or laid.held < LEAST_HELD:
            return None
        distance, angle = size_of(laid.motion, points.mean(0))
        return Drift(distance, float(np.rad2deg(angle)), laid.residual, laid.coverage)


def told_of_drift(drift: Drift | None) -> list[Finding]:
    """Return the finding about the drift of a visit; none where it cannot be told."""
    if drift is None:
        return []
    is_large = drift.distance > LARGE or drift.angle > TURNED
    return [
        Finding(
            'drift',
            Severity.WARNING if is_large else Severity.INFO,
            f'late keyframes {100 * drift.distance:.1f} cm and {drift.angle:.2f} degrees off '
            f'early surfaces, {drift.coverage:.0%} of them on these',
            f'at most {100 * LARGE:.0f} cm and {TURNED} degrees',
            'improve the localization, or make shorter visits' if is_large else 'good enough',
        )
    ]
