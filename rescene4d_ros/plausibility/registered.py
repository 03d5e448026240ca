"""Whether a cloud lies on the points of earlier visits, and the motion that would lay it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.floor.structure import floor_without_normals
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.geometry.point_sets import evenly, near, thin
from rescene4d_ros.geometry.se3 import Pair, transform, upright
from rescene4d_ros.geometry.surface_registration import lay_on, moved_by
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.structures import Finding, Severity
from scipy import fft
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

# Search for another place of the cloud, by correlation of all turns and shifts.
CELL = 0.2  # m
TURNS = 72
CANDIDATES = 6
FINAL = 2  # candidates that are laid exactly
POINTS = (300, 900)  # of each cloud, for all candidates and for the final ones
GATES = (0.6, 0.3), (0.15, 0.08)  # m
ROUNDS = 3, 4
EXACT_POINTS = 3000
EXACT_GATES = (0.1, 0.05)  # m
TILT_GATES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.10)  # m
TILT_GAIN = 0.05  # of the share on the reference, to prefer a tilted place to an upright one
WIDEST = 60.0  # m; larger places get larger cells
LAYERS = 6  # heights that a column is divided into


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
    def normals(self) -> np.ndarray:
        """Return the normals (M, 3) of all points."""
        return estimate_normals(self.xyz)

    @cached_property
    def floor(self) -> float:
        """Return the height of the floor, m."""
        return floor_without_normals(self.xyz)

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

    def __str__(self) -> str:
        """Return what was measured, for people."""
        return (
            f'{self.overlap:.0%} of walls and furniture near remembered ones, {self.share:.0%} of '
            f'these within {ON} m (median {self.residual:.2f} m)'
        )


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
    floor = floor_without_normals(even)
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
    # What is tilted no upright motion lays down.
    tilted = _tilted(even[evenly(len(even), ASKED)], (np.eye(4), best), reference)
    motions = np.stack([best, *tilted])
    totals = [_total(transform(m, upper), transform(m, lower), reference) for m in motions]
    best = motions[int(np.argmax(totals - TILT_GAIN * (np.arange(len(motions)) > 0)))]
    then = measure_fit(transform(best, upper), reference)
    distance, angle = moved_by(best, upper.mean(0))
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


def _tilted(
    points: np.ndarray, motions: Sequence[np.ndarray], reference: Reference
) -> list[np.ndarray]:
    """Return motions (4, 4), about any axis, that lay points (N, 3) on the reference closely."""
    found = []
    for motion in motions:
        moved = transform(motion, points)
        laid = lay_on(moved, reference.xyz, reference.normals, reference.tree, TILT_GATES)
        if laid is not None:
            found.append(laid.motion @ motion)
    return found


def _total(upper: np.ndarray, lower: np.ndarray, reference: Reference) -> float:
    """Return the share of walls and furniture, and with less weight of the floor, that lies on."""
    on = [
        float(near(reference.tree, points, ON).mean()) for points in (upper, lower) if len(points)
    ]
    return float(np.average(on, weights=(2, 1)[: len(on)]))


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
        str(fit),
        f'a cloud in the map frame: moved by {distance:.2f} m and turned by '
        f'{np.rad2deg(angle):.1f} degrees it would be {then.overlap:.0%} and {then.share:.0%}',
        remedy,
    )


def _not_explained(fit: Fit, config: PlausibilityConfig) -> list[Finding]:
    if fit.overlap < config.overlap_expected:
        expected = f'{config.overlap_expected:.0%} near remembered ones'
        remedy = 'taken as another part of the map'
        return [Finding('overlap', Severity.INFO, str(fit), expected, remedy)]
    if fit.share >= config.fit_expected:
        return []
    expected = f'{config.fit_expected:.0%} on remembered ones'
    remedy = 'much has changed, or the map is bent; look at the registration before trusting moves'
    return [Finding('residual', Severity.WARNING, str(fit), expected, remedy)]


def search(cloud: np.ndarray, reference: np.ndarray, lift: float) -> np.ndarray:
    """
    Return motions that may lay a cloud on the reference, each laid as closely as it goes.

    Seen from above, walls and furniture make a picture; pictures of all turns are correlated with
    that of the reference.

    Parameters
    ----------
    cloud, reference : ndarray (N, 3), (M, 3), m
        Walls and furniture; z up.
    lift : float, m
        From the floor of the cloud to that of the reference.

    Returns
    -------
    ndarray (H, 4, 4), float64
        reference_T_cloud of each, H > 0.

    """
    middle = (cloud.min(0) + cloud.max(0)) / 2
    span = max(
        float(np.linalg.norm(np.ptp(cloud[:, :2], axis=0))),
        float(np.ptp(reference[:, :2], axis=0).max()),
    )
    cell = CELL * max(1.0, span / WIDEST)
    corner = reference[:, :2].min(0)
    half = int(np.ceil(np.linalg.norm(np.ptp(cloud[:, :2], axis=0)) / 2 / cell)) + 2
    base = _picture((reference[:, :2] - corner) / cell, reference[:, 2], None)
    shape = [fft.next_fast_len(int(n) + 2 * half + 2) for n in base.shape]
    spectrum = fft.rfft2(base, shape)
    found = []
    for turn in 2 * np.pi * np.arange(TURNS) / TURNS:
        c, s = np.cos(turn), np.sin(turn)
        turned = (cloud[:, :2] - middle[:2]) @ np.array([[c, s], [-s, c]])
        picture = _picture(turned / cell + half, cloud[:, 2], 2 * half + 1)
        match = fft.irfft2(spectrum * np.conj(fft.rfft2(picture, shape)), shape)
        at = np.unravel_index(match.argmax(), shape)
        place = [p - n if p >= n - 2 * half else p for p, n in zip(at, shape)]
        shift = corner + (np.array(place) + half) * cell
        motion = upright(turn, np.zeros(3))
        motion[:3, 3] = [*shift, middle[2] + lift] - motion[:3, :3] @ middle
        found.append((float(match.max()), motion))
    found.sort(key=lambda item: -item[0])
    motions = np.stack([motion for _, motion in _distinct(found)[:CANDIDATES]])
    pair = Pair(cloud.astype(np.float64), reference.astype(np.float64), POINTS[1])
    rough = pair.thinner(POINTS[0])
    motions = rough.refine(motions, gates=GATES[0], rounds=ROUNDS[0])
    reach = rough.reach(motions, GATES[0][1])
    best = motions[np.argsort(reach, kind='stable')[:FINAL]]
    return pair.refine(best, gates=GATES[1], rounds=ROUNDS[1])


def polish(motion: np.ndarray, cloud: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return a motion (4, 4) that lays a cloud on the reference as exactly as it goes."""
    pair = Pair(cloud.astype(np.float64), reference.astype(np.float64), EXACT_POINTS)
    return pair.refine(motion[None], gates=EXACT_GATES, rounds=10)[0]


def _picture(places: np.ndarray, z: np.ndarray, size: int | None) -> np.ndarray:
    """Return in how many layers of height each cell (I, J) is filled, as a root."""
    cells = np.floor(places).astype(np.int64)
    layer = np.floor((z - z.min()) / (np.ptp(z) + 1e-6) * LAYERS).astype(np.int64)
    shape = tuple(cells.max(0) + 1) if size is None else (size, size)
    filled = np.zeros((*shape, LAYERS), dtype=bool)
    filled[cells[:, 0], cells[:, 1], np.minimum(layer, LAYERS - 1)] = True
    return np.sqrt(filled.sum(2))


def _distinct(found: list[tuple[float, np.ndarray]]) -> list[tuple[float, np.ndarray]]:
    """Drop candidates beside a better one: 10 degrees and 0.5 m."""
    kept: list[tuple[float, np.ndarray]] = []
    for score, motion in found:
        if all(
            motion[:2, :2].ravel() @ other[:2, :2].ravel() < 2 * np.cos(np.deg2rad(11))
            or np.linalg.norm(motion[:2, 3] - other[:2, 3]) > 0.5
            for _, other in kept
        ):
            kept.append((score, motion))
    return kept
