"""
Rigid motions of upright objects: a rotation about z and a shift, as 4 x 4 matrices.

How they are made, applied, inverted, and found between two point sets by closest points.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from rescene4d_ros.geometry.point_sets import thinned
from scipy.spatial import cKDTree


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


class Pair:
    """
    Search the motion between two point sets by iterated closest points.

    Parameters
    ----------
    before, after : ndarray (N, 3), (M, 3), float64, m
        Search trees hold all points; at most `limit` of each ask for their nearest.
    limit : int

    """

    def __init__(self, before: np.ndarray, after: np.ndarray, limit: int):
        self.before, self.after = thinned((before, after), limit)
        self.before_tree, self.after_tree = cKDTree(before), cKDTree(after)

    def thinner(self, limit: int) -> Self:
        """Return the same sets with fewer query points."""
        pair = copy(self)
        pair.before, pair.after = thinned((self.before, self.after), limit)
        return pair

    def partners(self, motions: np.ndarray, gate: float) -> list[np.ndarray]:
        """
        Return both directions' distances (inf beyond the gate) and nearest indices.

        For motions (H, 4, 4) at once: ndarrays (H, N), (H, N), (H, M), (H, M).

        """
        found: list[np.ndarray] = []
        for tree, moved in (
            (self.after_tree, transform(motions, self.before)),
            (self.before_tree, transform_back(motions, self.after)),
        ):
            asked = tree.query(moved.reshape(-1, 3), distance_upper_bound=gate)
            found += [part.reshape(len(motions), -1) for part in asked]
        return found

    def reach(self, motions: np.ndarray, gate: float) -> np.ndarray:
        """Return the mean distance (H,) of the first set under each motion, at most the gate."""
        moved = transform(motions, self.before).reshape(-1, 3)
        distance = self.after_tree.query(moved, distance_upper_bound=gate)[0]
        return np.minimum(distance, gate).reshape(len(motions), -1).mean(1)

    def refine(self, motions: np.ndarray, gates: Sequence[float], rounds: int = 6) -> np.ndarray:
        """Iterate closest points for motions (H, 4, 4): pair, solve, and narrow the gate."""
        motions = motions.copy()
        for gate in gates:
            active = np.arange(len(motions))
            for _ in range(rounds):
                pairs = self._pairs(motions[active], gate)
                solvable = [k for k, (source, _) in enumerate(pairs) if len(source) >= 3]
                active = active[solvable]
                if not len(active):
                    break
                steps = solve_upright([pairs[k] for k in solvable])
                is_moving = np.abs(steps - motions[active]).max((1, 2)) >= 1e-4
                motions[active] = steps
                active = active[is_moving]
                if not len(active):
                    break
        return motions

    def _pairs(self, motions: np.ndarray, gate: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return source and target points, row by row, of each motion."""
        pairs = []
        for forth, i, back, j in zip(*self.partners(motions, gate)):
            use_forth, use_back = forth < gate, back < gate
            source = [self.before[use_forth], self.before_tree.data[j[use_back]]]
            target = [self.after_tree.data[i[use_forth]], self.after[use_back]]
            pairs.append((np.concatenate(source), np.concatenate(target)))
        return pairs
