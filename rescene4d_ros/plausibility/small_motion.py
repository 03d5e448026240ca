"""The last centimeters: lay a cloud that is nearly in its place on what stayed in its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.geometry.surface_registration import Laid, lay_on, moved_by, plane_fit
from rescene4d_ros.plausibility.registered import Reference
from rescene4d_ros.structures import Finding, Severity

SAMPLED = 0.10  # m; spacing of the points that are laid
GATES = (0.4, 0.3, 0.2, 0.15, 0.10, 0.08, 0.06, 0.05)  # m
FARTHEST, WIDEST = 0.15, np.deg2rad(4)  # m and rad; a larger motion must explain more
GAIN = 0.1  # of the coverage, by which it does
LEAST, LEAST_TURN = 0.003, np.deg2rad(0.05)  # m and rad; less is not worth a motion
LEAST_COVERAGE = 0.3  # of the cloud on remembered surfaces
LEAST_HELD = 0.03  # share of the surfaces that resist a shift in each direction
CODE = 'laid_on'


@dataclass(frozen=True)
class SmallMotion:
    """
    Hold what was found.

    Attributes
    ----------
    finding : Finding
        With residual and coverage, and the verdict as its remedy.
    motion : ndarray (4, 4) or None
        reference_T_scan; None where the cloud stays.
    coverage : float
        Share of the cloud on remembered surfaces then, 0..1.

    """

    finding: Finding
    motion: np.ndarray | None
    coverage: float


def lay_small(xyz: np.ndarray, reference: Reference) -> SmallMotion:
    """
    Lay a cloud that is off by up to 10 cm and 3 degrees on the remembered surfaces.

    What moved, came or left has no say. A cloud that could slide along what is remembered, as in
    a corridor, stays where it is. A larger motion, as of a cloud whose tilt no upright motion
    took out before, is taken where clearly more of the cloud lies on the surfaces then.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
    reference : Reference

    """
    points = xyz[thin(xyz, SAMPLED)].astype(np.float64)
    target, normals, tree = reference.xyz, reference.normals, reference.tree
    before, covered = plane_fit(points, target, normals, tree, GATES[0])
    laid = lay_on(points, target, normals, tree, GATES)
    if laid is None:
        verdict = 'too little of it is remembered; it stays'
        return SmallMotion(_told(before, covered, verdict), None, covered)
    verdict, is_taken = _judge(laid, points.mean(0), covered)
    finding = _told(before, covered, verdict)
    return SmallMotion(finding, *((laid.motion, laid.coverage) if is_taken else (None, covered)))


def _judge(laid: Laid, middle: np.ndarray, covered: float) -> tuple[str, bool]:
    """Return the verdict on a motion in words, and whether it is taken."""
    distance, angle = moved_by(laid.motion, middle)
    moved = f'moved by {100 * distance:.1f} cm and turned by {np.rad2deg(angle):.2f} degrees'
    told = f'{moved} it has {1000 * laid.residual:.0f} mm and {laid.coverage:.0%}'
    if distance < LEAST and angle < LEAST_TURN:
        return 'lies on it already', False
    if laid.held < LEAST_HELD:
        return f'{told}, but it can slide along it; it stays', False
    if laid.coverage < LEAST_COVERAGE or laid.coverage < covered:
        return f'{told}, which is no better; it stays', False
    if (distance > FARTHEST or angle > WIDEST) and laid.coverage < covered + GAIN:
        return f'{told}, which is no small motion; it stays', False
    return f'{told}; this motion is taken', True


def _told(residual: float, coverage: float, verdict: str) -> Finding:
    return Finding(
        CODE,
        Severity.INFO,
        f'{1000 * residual:.0f} mm from remembered surfaces (median), {coverage:.0%} on them',
        'a cloud that lies on what stayed in its place',
        verdict,
    )
