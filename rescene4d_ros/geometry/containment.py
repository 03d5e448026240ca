"""Whether one view of an upright thing can be a view of another's part, told quickly."""
from __future__ import annotations

import numpy as np
from rescene4d_ros.geometry.neighbors import evenly
from scipy.spatial import cKDTree

FIT_RADIUS = 0.05                          # m; a point this near lies on the other's surface
GATES = (0.30, 0.20, 0.12, 0.08, 0.06)     # m; a pair farther apart is no pair, then narrower
TURNS = 12                                 # starting turns
REFINED = 3                                # of them, the best, are refined
POINTS = 64                                # of the part that are laid on the whole


def fit_into(part: np.ndarray, whole: np.ndarray, tree: cKDTree) -> float:
    """
    Lay a view on a whole by the best upright motion, and say how much of it finds surface.

    Asks one way only: that the whole has more to show says nothing against the view. All
    starting turns are moved together, which is what makes it quick; for how exactly a thing
    moved, see `registration.register`.

    Parameters
    ----------
    part, whole : ndarray (N, 3), (M, 3), float32, m, in map
    tree : cKDTree
        Over `whole`.

    Returns
    -------
    float
        Share of the part's points within `FIT_RADIUS` of the whole; 0 where either has fewer
        than 3 points.

    """
    if min(len(part), len(whole)) < 3:
        return 0.0
    # Near the origin, so that turns are about the thing and not about the map.
    middle = _middle(whole)
    asked = np.asarray(part[evenly(len(part), POINTS)], dtype=np.float64)
    asked = asked - (*_middle(part)[:2], middle[2])
    if asked[:, 2].min() < whole[:, 2].min() - middle[2] - FIT_RADIUS \
            or asked[:, 2].max() > whole[:, 2].max() - middle[2] + FIT_RADIUS:
        asked[:, 2] += whole[:, 2].min() - middle[2] - asked[:, 2].min()
    yaw = np.arange(TURNS) * (2 * np.pi / TURNS)
    shift = np.zeros((TURNS, 3))
    distance, _ = _partners(tree, _moved(asked, yaw, shift) + middle, GATES[0])
    best = np.argsort(np.minimum(distance, GATES[0]).mean(1), kind='stable')[:REFINED]
    yaw, shift = yaw[best], shift[best]
    for gate in GATES:
        distance, at = _partners(tree, _moved(asked, yaw, shift) + middle, gate)
        yaw, shift = _step(asked, whole[np.minimum(at, len(whole) - 1)] - middle,
                           distance < gate, yaw, shift)
    distance, _ = _partners(tree, _moved(asked, yaw, shift) + middle, FIT_RADIUS)
    return float((distance < FIT_RADIUS).mean(1).max())


def _middle(xyz: np.ndarray) -> np.ndarray:
    """Return the middle (3,) of the range of some points, float64."""
    return (xyz.min(0).astype(np.float64) + xyz.max(0)) / 2


def _moved(xyz: np.ndarray, yaw: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return points (P, 3) after each of H motions, (H, P, 3)."""
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    turned = np.stack([c * xyz[:, 0] - s * xyz[:, 1], s * xyz[:, 0] + c * xyz[:, 1],
                       np.broadcast_to(xyz[:, 2], (len(yaw), len(xyz)))], axis=2)
    return turned + shift[:, None]


def _partners(tree: cKDTree, xyz: np.ndarray, gate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance (H, P) to the nearest points, inf beyond the gate, and their places."""
    distance, at = tree.query(xyz.reshape(-1, 3), distance_upper_bound=gate)
    return distance.reshape(xyz.shape[:2]), at.reshape(xyz.shape[:2])


def _step(source: np.ndarray, target: np.ndarray, use: np.ndarray, yaw: np.ndarray,
          shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Solve H motions (turn about z, shift) for the pairs in use; least squares, closed form.

    Hypotheses with fewer than 3 pairs stay as they are.

    """
    n = np.maximum(use.sum(1), 1)[:, None]
    weight = use[:, :, None]
    a, b = (weight * source).sum(1) / n, (weight * target).sum(1) / n
    p, q = weight * (source - a[:, None]), target - b[:, None]
    turn = np.arctan2((p[:, :, 0] * q[:, :, 1] - p[:, :, 1] * q[:, :, 0]).sum(1),
                      (p[:, :, :2] * q[:, :, :2]).sum((1, 2)))
    enough = use.sum(1) >= 3
    return np.where(enough, turn, yaw), np.where(enough[:, None], b - _turned(a, turn),
                                                    shift)


def _turned(xyz: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Return point h of (H, 3) after turn h."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([c * xyz[:, 0] - s * xyz[:, 1], s * xyz[:, 0] + c * xyz[:, 1], xyz[:, 2]], 1)
