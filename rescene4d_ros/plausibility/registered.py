"""Whether a cloud lies on the points of earlier visits, and the motion that would lay it there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.point_sets import evenly, near, thin
from rescene4d_ros.geometry.se3 import size_of, transform, upright
from rescene4d_ros.plausibility.alignment import polish, search
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.plausibility.foreign_points import floor_height
from rescene4d_ros.structures import Finding, Severity
from scipy.spatial import cKDTree

SPACING = 0.05  # m
UPPER = (0.25, 2.3)  # m above the floor: walls and furniture, no floor and no ceiling
ON = 0.08  # m; nearer points lie on the reference
NEAR = 0.5  # m; farther ones are of another place
ASKED = 4000  # points
LEAST = 300  # points of walls and furniture that can tell
WIDE = 2.0  # m both ways; of one thing alone, its own motion cannot be told from the cloud's
FLOOR = 0.1  # m about its height
SURE = 0.8  # share of walls and furniture on the reference above which no other place is tried
SMALLEST_TURN = np.deg2rad(2)
CERTAIN = 0.85  # share on the reference that overrules a place that may be right too


@dataclass(frozen=True)
class Reference:
    """
    Hold the points of earlier visits.

    Attributes
    ----------
    xyz : ndarray (M, 3), float32, m, in map
        Thinned; `of_points` makes it.

    """

    xyz: np.ndarray

    @classmethod
    def of_points(cls, *clouds: np.ndarray) -> Reference:
        """Make the reference of the points (N, 3) of one or more visits."""
        points = np.concatenate(clouds)
        return cls(points[thin(points, SPACING)])

    @cached_property
    def tree(self) -> cKDTree:
        """Return the search tree of all points."""
        return cKDTree(self.xyz)

    @cached_property
    def floor(self) -> float:
        """Return the height of the floor, m."""
        return floor_height(self.xyz)

    @cached_property
    def upper(self) -> np.ndarray:
        """Return the points (K, 3) of walls and furniture."""
        return upper_part(self.xyz, self.floor)

    @cached_property
    def upper_tree(self) -> cKDTree:
        """Return the search tree of walls and furniture."""
        return cKDTree(self.upper)


def upper_part(xyz: np.ndarray, floor: float) -> np.ndarray:
    """Return the points (K, 3) of walls and furniture, which tell where a cloud lies."""
    above = xyz[:, 2] - floor
    return xyz[(above > UPPER[0]) & (above < UPPER[1])]


@dataclass(frozen=True)
class Fit:
    """
    Hold how a cloud lies on the reference.

    Attributes
    ----------
    overlap : float
        Share of walls and furniture within 0.5 m of the reference's.
    share : float
        Share of these that lies on them, within 8 cm.
    residual : float, m
        Median distance of those near them.

    """

    overlap: float
    share: float
    residual: float


def measure_fit(upper: np.ndarray, reference: Reference) -> Fit:
    """Measure how walls and furniture (N, 3) lie on the reference's."""
    distance = reference.upper_tree.query(upper, distance_upper_bound=NEAR)[0]
    found = distance[np.isfinite(distance)]
    if not len(found):
        return Fit(0.0, 0.0, NEAR)
    return Fit(len(found) / len(upper), float((found < ON).mean()), float(np.median(found)))


def check_registered(
    xyz: np.ndarray, reference: Reference, config: PlausibilityConfig
) -> tuple[list[Finding], np.ndarray | None]:
    """
    Check that a cloud lies where the map says.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
    reference : Reference
    config : PlausibilityConfig

    Returns
    -------
    findings : list of Finding
    reference_T_scan : ndarray (4, 4) or None
        Motion that would lay the cloud on the reference, where it is refused for not being there.

    """
    even = xyz[thin(xyz, SPACING)]
    floor = floor_height(even)
    upper, lower = upper_part(even, floor), even[np.abs(even[:, 2] - floor) < FLOOR]
    if min(len(upper), len(reference.upper)) < LEAST or np.ptp(upper[:, :2], axis=0).min() < WIDE:
        return [], None
    upper, lower = upper[evenly(len(upper), ASKED)], lower[evenly(len(lower), ASKED // 4)]
    fit, lift = measure_fit(upper, reference), reference.floor - floor
    if (
        fit.share >= max(SURE, config.fit_expected)
        and fit.overlap >= config.overlap_expected
        and abs(lift) <= config.smallest_motion
    ):
        return [], None
    motions = np.concatenate([search(upper, reference.upper, lift), [upright(0.0, (0, 0, lift))]])
    totals = [_total(transform(m, upper), transform(m, lower), reference) for m in motions]
    best = polish(motions[int(np.argmax(totals))], upper, reference.upper)
    then = measure_fit(transform(best, upper), reference)
    distance, angle = size_of(best, upper.mean(0))
    explains = (
        (distance > config.smallest_motion or angle > SMALLEST_TURN)
        and max(totals) - _total(upper, lower, reference) > config.fit_refused
        and then.overlap * then.share > config.fit_expected * 0.8
    )
    if not explains:
        return _not_explained(fit, config), None
    may_be_right = (
        fit.share >= config.fit_expected
        and abs(lift) <= config.smallest_motion
        and then.overlap * then.share < CERTAIN
    )
    elsewhere = fit.overlap < config.overlap_expected
    told = _misplaced(fit, then, distance, angle, elsewhere or may_be_right)
    return [told], best if told.severity == Severity.REFUSED else None


def _total(upper: np.ndarray, lower: np.ndarray, reference: Reference) -> float:
    """Return the share of walls and furniture, and with less weight of the floor, that lies on."""
    on = [
        float(near(reference.tree, points, ON).mean()) for points in (upper, lower) if len(points)
    ]
    return float(np.average(on, weights=(2, 1)[: len(on)]))


def _measured(fit: Fit) -> str:
    return (
        f'{fit.overlap:.0%} of walls and furniture near remembered ones, {fit.share:.0%} of these '
        f'within {ON} m (median {fit.residual:.2f} m)'
    )


def _misplaced(fit: Fit, then: Fit, distance: float, angle: float, is_doubtful: bool) -> Finding:
    remedy = 'register the scan to the map'
    if is_doubtful:
        remedy += ', unless it shows another room that looks alike, or a part of the same'
    else:
        remedy += (
            '; --register (plausibility: register) takes this motion, --accept registration '
            '(plausibility: warn) the scan as it is'
        )
    return Finding(
        'registration',
        Severity.WARNING if is_doubtful else Severity.REFUSED,
        _measured(fit),
        f'a cloud in the map frame: moved by {distance:.2f} m and turned by '
        f'{np.rad2deg(angle):.1f} degrees it would be {then.overlap:.0%} and {then.share:.0%}',
        remedy,
    )


def _not_explained(fit: Fit, config: PlausibilityConfig) -> list[Finding]:
    if fit.overlap < config.overlap_expected:
        return [
            Finding(
                'overlap',
                Severity.INFO,
                _measured(fit),
                f'{config.overlap_expected:.0%} near remembered ones',
                'taken as another part of the map',
            )
        ]
    if fit.share >= config.fit_expected:
        return []
    return [
        Finding(
            'residual',
            Severity.WARNING,
            _measured(fit),
            f'{config.fit_expected:.0%} on remembered ones',
            'much has changed, or the map is bent; look at the registration before trusting moves',
        )
    ]
