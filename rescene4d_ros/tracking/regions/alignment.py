"""Small errors of registration between two visits, taken out before they are compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.tracking.regions.surfaces import VisitSurfaces
from scipy.spatial.transform import Rotation

SAMPLED = 0.10  # m; spacing of the points that are laid on the other visit
GATES = (0.15, 0.10, 0.08, 0.06, 0.06, 0.05)  # m; farther points are no partners, per round
LEAST_PARTNERS = 200
MOST_SHIFT = 0.10  # m; a larger error is no small one: the visits stay as they are
MOST_TURN = 0.05  # rad


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
    middle = points.mean(0) if len(points) else np.zeros(3)
    rotation, shift = np.eye(3), np.zeros(3)
    for gate in GATES:
        moved = (points - middle) @ rotation.T + middle + shift
        distance, nearest = other.tree.query(moved, distance_upper_bound=gate)
        found = np.flatnonzero(np.isfinite(distance))
        if len(found) < LEAST_PARTNERS:
            return surfaces
        normal = other.normals[nearest[found]].astype(np.float64)
        offset = ((moved[found] - other.xyz[nearest[found]]) * normal).sum(1)
        weight = np.square(1 - np.square(offset / gate).clip(0, 1))
        arm = moved[found] - middle - shift
        rows = np.c_[np.cross(arm, normal), normal]  # (K, 6)
        system = (rows * weight[:, None]).T @ rows + 1e-6 * len(found) * np.eye(6)
        step = -np.linalg.solve(system, (rows * weight[:, None]).T @ offset)
        rotation, shift = Rotation.from_rotvec(step[:3]).as_matrix() @ rotation, shift + step[3:]
    turn = float(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    if np.linalg.norm(shift) > MOST_SHIFT or turn > MOST_TURN:
        return surfaces
    moved = (points - middle) @ rotation.T + middle + shift
    if _residual(moved, other) >= _residual(points, other):
        return surfaces
    xyz = (surfaces.xyz - middle) @ rotation.T + middle + shift
    normals = surfaces.normals @ rotation.T
    return replace(surfaces, xyz=xyz.astype(np.float32), normals=normals.astype(np.float32))


def _residual(points: np.ndarray, other: VisitSurfaces) -> float:
    """Return the mean distance of points (N, 3) to the planes of another visit, bounded, m."""
    distance, nearest = other.tree.query(points, distance_upper_bound=GATES[0])
    found = np.isfinite(distance)
    near = nearest[found]
    offset = ((points[found] - other.xyz[near]) * other.normals[near]).sum(1)
    return float(np.minimum(np.abs(offset), GATES[-1]).mean()) if len(offset) else np.inf
