"""Rigid motions of upright things: a turn about z and a shift, as 4 x 4 matrices."""

from __future__ import annotations

import numpy as np


def upright(yaw: float, shift) -> np.ndarray:
    """
    Build the rigid motion that turns by `yaw` about z, then shifts.

    Parameters
    ----------
    yaw : float, rad
    shift : sequence of 3 float, m

    Returns
    -------
    ndarray (4, 4), float64

    """
    c, s = np.cos(yaw), np.sin(yaw)
    motion = np.eye(4)
    motion[:2, :2] = [[c, -s], [s, c]]
    motion[:3, 3] = shift
    return motion


def transform(motion: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Apply a (4, 4) motion to points (N, 3); returns float64."""
    return np.asarray(xyz, dtype=np.float64) @ motion[:3, :3].T + motion[:3, 3]


def invert(motion: np.ndarray) -> np.ndarray:
    """Return the inverse of a rigid (4, 4) motion, by transposing its rotation."""
    inverse = np.eye(4)
    inverse[:3, :3] = motion[:3, :3].T
    inverse[:3, 3] = -motion[:3, :3].T @ motion[:3, 3]
    return inverse


def wrap(angle: float) -> float:
    """Return the angle in [-pi, pi)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def yaw_of(motion: np.ndarray) -> float:
    """Return the turn about z of an upright motion, rad in [-pi, pi)."""
    return wrap(float(np.arctan2(motion[1, 0], motion[0, 0])))


def size_of(motion: np.ndarray, center) -> tuple[float, float]:
    """
    Measure a motion where the object is.

    The shift column alone would grow with the distance from the map's origin as soon as the
    object turns; what a person calls "moved by" is how far its middle went.

    Parameters
    ----------
    motion : ndarray (4, 4)
    center : sequence of 3 float, m, in map
        Middle of the object before the motion.

    Returns
    -------
    distance : float, m
    angle : float, rad
        Absolute turn, in [0, pi].

    """
    center = np.asarray(center, dtype=np.float64)
    distance = float(np.linalg.norm(transform(motion, center[None])[0] - center))
    return distance, abs(yaw_of(motion))
