"""Rigid motions of upright objects: a rotation about z and a shift, as 4 x 4 matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def upright(yaw: float | np.ndarray, shift: ArrayLike) -> np.ndarray:
    """
    Build the rigid motions that rotate by `yaw` about z, then shift.

    Parameters
    ----------
    yaw : float or ndarray (...), rad
    shift : array of float (..., 3), m

    Returns
    -------
    ndarray (..., 4, 4), float64

    """
    c, s = np.cos(yaw), np.sin(yaw)
    motion = np.zeros((*np.shape(yaw), 4, 4))
    motion[..., 0, 0], motion[..., 0, 1] = c, -s
    motion[..., 1, 0], motion[..., 1, 1] = s, c
    motion[..., 2, 2] = motion[..., 3, 3] = 1
    motion[..., :3, 3] = shift
    return motion


def turn_about(middle: np.ndarray, yaw: float | np.ndarray, to: np.ndarray) -> np.ndarray:
    """Return the motions (..., 4, 4) that rotate about the vertical and map `middle` to `to`."""
    motion = upright(yaw, np.zeros(3))
    motion[..., :3, 3] = to - np.matmul(motion[..., :3, :3], middle[..., None])[..., 0]
    return motion


def transform(motion: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Apply motions (..., 4, 4) to points (N, 3); returns (..., N, 3), float64."""
    turned = np.asarray(xyz, dtype=np.float64) @ np.swapaxes(motion[..., :3, :3], -1, -2)
    return turned + motion[..., None, :3, 3]


def transform_back(motion: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Apply the inverses of motions (..., 4, 4) to points (N, 3); as `transform`."""
    return transform(invert(motion), xyz)


def invert(motion: np.ndarray) -> np.ndarray:
    """Return the inverses of rigid motions (..., 4, 4), by transposing their rotations."""
    rotation = np.swapaxes(motion[..., :3, :3], -1, -2)
    inverse = np.zeros(motion.shape)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = np.matmul(-rotation, motion[..., :3, 3, None])[..., 0]
    inverse[..., 3, 3] = 1
    return inverse


def wrap(angle: float | np.ndarray) -> float | np.ndarray:
    """Return angles in [-pi, pi)."""
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    return wrapped if np.ndim(wrapped) else float(wrapped)


def yaw_of(motion: np.ndarray) -> float | np.ndarray:
    """Return the rotations about z of upright motions (..., 4, 4), rad in [-pi, pi)."""
    return wrap(np.arctan2(motion[..., 1, 0], motion[..., 0, 0]))


def size_of(motion: np.ndarray, center: ArrayLike) -> tuple[float, float]:
    """
    Return distance and angle of a motion at the object.

    The translation column grows with the distance from the map origin if the object rotates, so
    the distance is that of its center.

    Parameters
    ----------
    motion : ndarray (4, 4)
    center : sequence of 3 float, m, in map
        Center of the object before the motion.

    Returns
    -------
    distance : float, m
    angle : float, rad
        Absolute rotation, in [0, pi].

    """
    center = np.asarray(center, dtype=np.float64)
    distance = float(np.linalg.norm(transform(motion, center[None])[0] - center))
    return distance, float(np.abs(yaw_of(motion)))


def solve_upright(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """
    Solve for the rotations about z and the shifts that best align paired points.

    Parameters
    ----------
    pairs : sequence of H pairs of ndarray (N_h, 3), m
        Source and target; row i of one corresponds to row i of the other.

    Returns
    -------
    ndarray (H, 4, 4), float64
        Least squares, closed form (Procrustes in the plane).

    """
    yaw, middles = np.zeros(len(pairs)), np.zeros((len(pairs), 2, 3))
    for h, (source, target) in enumerate(pairs):
        a, b = middles[h] = source.mean(0), target.mean(0)
        p, q = (source - a)[:, :2], (target - b)[:, :2]
        yaw[h] = np.arctan2((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum(), (p * q).sum())
    return turn_about(middles[:, 0], yaw, middles[:, 1])
