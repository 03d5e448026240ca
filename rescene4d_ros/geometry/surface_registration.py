"""Lay one visit on the surfaces of another: point to plane, and what changed has no say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

LEAST_PARTNERS = 200  # fewer points tell nothing
RESTS = 1e-5  # m and rad
SPREAD = 3.0  # residuals that the last gate spans at least: surfaces may be noisy
STIFFNESS = 1e-6  # of the system per partner, for motions along which all slides
ON_PLANE = 0.03  # m; partners this near their plane are laid on it


@dataclass(frozen=True)
class Laid:
    """
    Hold how one cloud is laid on another.

    Attributes
    ----------
    motion : ndarray (4, 4), float64
        target_T_points.
    residual : float, m
        Median distance to the planes, of the points that have a partner.
    coverage : float
        Share of the points that lie on a plane of the target, within 3 cm.
    held : float
        Smallest share of the partners that resists a shift in any direction, 0..1/3; near 0 the
        cloud slides along the target, as in a corridor.

    """

    motion: np.ndarray
    residual: float
    coverage: float
    held: float


def lay_on(
    points: np.ndarray,
    target: np.ndarray,
    normals: np.ndarray,
    tree: cKDTree,
    gates: Sequence[float],
    more_rounds: int = 30,
) -> Laid | None:
    """
    Find the small rigid motion that lays points on the planes of a target, and how it fits.

    Parameters
    ----------
    points : ndarray (N, 3), m
        Spread evenly.
    target : ndarray (M, 3), m
    normals : ndarray (M, 3)
        Of the target.
    tree : cKDTree
        Over the target.
    gates : sequence of float, m
        Largest distance of partners, per round.
    more_rounds : int
        At most so many at the last gate, until the motion rests.

    Returns
    -------
    Laid or None
        None where fewer than `LEAST_PARTNERS` points find a partner.

    """
    found = motion_onto(points, target, normals, tree, gates, more_rounds)
    if found is None:
        return None
    motion, held = found
    moved = np.asarray(points, np.float64) @ motion[:3, :3].T + motion[:3, 3]
    return Laid(motion, *plane_fit(moved, target, normals, tree, gates[0]), held)


def motion_onto(
    points: np.ndarray,
    target: np.ndarray,
    normals: np.ndarray,
    tree: cKDTree,
    gates: Sequence[float],
    more_rounds: int = 30,
) -> tuple[np.ndarray, float] | None:
    """
    Find the small rigid motion that lays points on the planes of a target, see `lay_on`.

    Iterated point-to-plane distance with redescending weights: the weight of a partner falls with
    its distance, so what was moved, came or left has no say.

    Returns
    -------
    motion : ndarray (4, 4), float64
    held : float
        See `Laid`.

    """
    points = np.asarray(points, np.float64)
    middle = points.mean(0) if len(points) else np.zeros(3)
    rotation, shift = np.eye(3), np.zeros(3)
    held, gate = 0.0, gates[0]
    for k in range(len(gates) + more_rounds):
        moved = (points - middle) @ rotation.T + middle + shift
        distance, nearest = tree.query(moved, distance_upper_bound=gate)
        found = np.flatnonzero(np.isfinite(distance))
        if len(found) < LEAST_PARTNERS:
            return None
        normal = normals[nearest[found]].astype(np.float64)
        offset = ((moved[found] - target[nearest[found]]) * normal).sum(1)
        weight = np.square(1 - np.square(offset / gate).clip(0, 1))
        arm = moved[found] - middle - shift
        rows = np.c_[np.cross(arm, normal), normal]  # (K, 6)
        system = (rows * weight[:, None]).T @ rows + STIFFNESS * len(found) * np.eye(6)
        step = -np.linalg.solve(system, (rows * weight[:, None]).T @ offset)
        rotation, shift = Rotation.from_rotvec(step[:3]).as_matrix() @ rotation, shift + step[3:]
        held = float(np.linalg.eigvalsh(system[3:, 3:] / max(weight.sum(), 1e-9))[0])
        if k + 1 < len(gates):
            gate = gates[k + 1]
        else:
            gate = max(gates[-1], SPREAD * float(np.median(np.abs(offset))))
            if np.abs(step).max() < RESTS:
                break
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation, middle + shift - rotation @ middle
    return motion, held


def moved_by(motion: np.ndarray, center: np.ndarray) -> tuple[float, float]:
    """Return how far a motion (4, 4) moves a center (3,), m, and turns about any axis, rad."""
    to = motion[:3, :3] @ center + motion[:3, 3]
    angle = Rotation.from_matrix(motion[:3, :3]).magnitude()
    return float(np.linalg.norm(to - center)), float(angle)


def plane_fit(
    points: np.ndarray, target: np.ndarray, normals: np.ndarray, tree: cKDTree, gate: float
) -> tuple[float, float]:
    """
    Measure how points lie on the planes of a target.

    Returns
    -------
    residual : float, m
        Median distance to the planes of those with a partner within the gate; inf without any.
    coverage : float
        Share of all points within `ON_PLANE` of a plane.

    """
    distance, nearest = tree.query(points, distance_upper_bound=gate)
    found = np.isfinite(distance)
    near = nearest[found]
    offset = np.abs(((points[found] - target[near]) * normals[near]).sum(1))
    if not len(offset):
        return float('inf'), 0.0
    return float(np.median(offset)), float((offset < ON_PLANE).sum() / len(points))
