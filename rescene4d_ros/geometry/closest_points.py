"""Two views of one object laid on each other: which points belong together, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.neighbors import evenly
from rescene4d_ros.geometry.se3 import invert, transform, upright
from rescene4d_ros.geometry.tolerances import SAME_SURFACE
from scipy.spatial import cKDTree

GATES = (0.30, 0.15, 0.08, 0.05)  # m; a pair farther apart is no pair, first widely, then closely
LIKE_SPREAD = 0.02  # m; how far points of one surface lie apart in two views
LIKE_WEIGHT = 15.0  # log likelihood ratio per share of points that lie so near
TEXTURE_RADIUS = 0.03  # m; points this near show the same spot
TEXTURE_POINTS = 1600  # asked for their texture, at most
TEXTURE_MIN = 20  # fewer common spots tell nothing
TEXTURE_ALONE = 8.0  # spots that say as much as one would alone: neighbors agree
TEXTURE_MOST = 8.0  # log likelihood ratio that texture may speak with


@dataclass(frozen=True)
class Registration:
    """
    Hold how one point set was laid on another.

    Attributes
    ----------
    after_T_before : ndarray (4, 4), float64
        In the map frame: p_after = after_T_before @ p_before.
    residual : float, m
        Root mean square distance of the points that have a partner.
    overlap : float
        Share of points, mean of both sets, with a partner within `SAME_SURFACE`; 0..1.
    fit : float
        Smooth form of `overlap` by which a motion is compared with standing still; 0..1.
    support : float
        What speaks for it beside other motions of the same sets, as a logarithm: how closely
        surfaces lie on each other, and whether their texture agrees.

    """

    after_T_before: np.ndarray
    residual: float
    overlap: float
    fit: float
    support: float


class Pair:
    """Two point sets: all points in search trees, some of each to ask with; their texture."""

    def __init__(
        self,
        before: np.ndarray,
        after: np.ndarray,
        limit: int,
        textures: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        self.before = before[evenly(len(before), limit)]
        self.after = after[evenly(len(after), limit)]
        self.before_tree, self.after_tree = cKDTree(before), cKDTree(after)
        self._spots = None
        if textures is not None:
            shown = np.flatnonzero(np.isfinite(textures[0]))
            shown = shown[evenly(len(shown), TEXTURE_POINTS)]
            self._spots = before[shown], textures[0][shown], textures[1]

    def thinner(self, limit: int) -> Pair:
        """Return the same sets, asked with fewer points."""
        pair = copy(self)
        pair.before = self.before[evenly(len(self.before), limit)]
        pair.after = self.after[evenly(len(self.after), limit)]
        return pair

    def partners(self, motion: np.ndarray, gate: float):
        """Return both directions' distances (inf beyond the gate) and nearest indices."""
        forth, i = self.after_tree.query(transform(motion, self.before), distance_upper_bound=gate)
        back, j = self.before_tree.query(
            transform(invert(motion), self.after), distance_upper_bound=gate
        )
        return forth, i, back, j

    def score(self, motion: np.ndarray) -> Registration:
        """Say how well a motion lays the first set on the second."""
        forth, _, back, _ = self.partners(motion, SAME_SURFACE)
        near = [d[d < SAME_SURFACE] for d in (forth, back)]
        residual = (
            np.sqrt(np.mean(np.concatenate(near) ** 2))
            if len(near[0]) + len(near[1])
            else SAME_SURFACE
        )
        shares = [(d < SAME_SURFACE).mean() for d in (forth, back)]
        fit = np.mean([(1 - np.minimum(d / SAME_SURFACE, 1) ** 2).mean() for d in (forth, back)])
        like = np.mean(
            [
                np.exp(-((d[d < SAME_SURFACE] / LIKE_SPREAD) ** 2) / 2).sum() / len(d)
                for d in (forth, back)
            ]
        )
        return Registration(
            motion, float(residual), float(np.mean(shares)), float(fit), float(LIKE_WEIGHT * like)
        )

    def texture_support(self, motion: np.ndarray) -> float:
        """Return how much likelier the texture is of the same spots than of others; 0 or more."""
        if self._spots is None:
            return 0.0
        spots, before, after = self._spots
        distance, at = self.after_tree.query(
            transform(motion, spots), distance_upper_bound=TEXTURE_RADIUS
        )
        close = np.flatnonzero(np.isfinite(distance))
        close = close[np.isfinite(after[at[close]])]
        one, other = before[close], after[at[close]]
        power = (one**2).sum() * (other**2).sum()
        if len(close) < TEXTURE_MIN or power <= 0:
            return 0.0
        agreement = np.clip((one * other).sum() / np.sqrt(power), 0, 0.99)
        # Of two normal variables with this correlation, beside two that have none.
        ratio = -np.log1p(-(agreement**2)) / 2 * len(close) / TEXTURE_ALONE
        return float(min(ratio, TEXTURE_MOST))

    def reach(self, motions: Sequence[np.ndarray], gate: float) -> np.ndarray:
        """Return the mean distance (H,) of the first set under each motion, at most the gate."""
        moved = np.concatenate([transform(motion, self.before) for motion in motions])
        distance = self.after_tree.query(moved, distance_upper_bound=gate)[0]
        return np.minimum(distance, gate).reshape(len(motions), -1).mean(1)

    def refine(
        self, motions: Sequence[np.ndarray], gates: Sequence[float] = GATES, rounds: int = 6
    ) -> list[np.ndarray]:
        """Iterate closest points for each motion: pair, solve, and narrow the gate."""
        motions = list(motions)
        for gate in gates:
            active = list(range(len(motions)))
            for _ in range(rounds):
                still = []
                for k, (forth, i, back, j) in zip(
                    active, self._all_partners([motions[k] for k in active], gate)
                ):
                    use_forth, use_back = forth < gate, back < gate
                    source = np.concatenate(
                        [self.before[use_forth], self.before_tree.data[j[use_back]]]
                    )
                    target = np.concatenate(
                        [self.after_tree.data[i[use_forth]], self.after[use_back]]
                    )
                    if len(source) < 3:
                        continue
                    step = solve_upright(source, target)
                    if np.abs(step - motions[k]).max() >= 1e-4:
                        still.append(k)
                    motions[k] = step
                active = still
                if not active:
                    break
        return motions

    def _all_partners(self, motions: Sequence[np.ndarray], gate: float):
        """Return `partners` of each motion; one question to each tree instead of many."""
        sides = []
        for tree, points, ways in (
            (self.after_tree, self.before, motions),
            (self.before_tree, self.after, [invert(motion) for motion in motions]),
        ):
            found = tree.query(
                np.concatenate([transform(way, points) for way in ways]), distance_upper_bound=gate
            )
            sides += [part.reshape(len(motions), -1) for part in found]
        return list(zip(*sides))


def solve_upright(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """
    Solve for the turn about z and the shift that best lay paired points on each other.

    Parameters
    ----------
    source, target : ndarray (N, 3), m
        Row i of one belongs to row i of the other.

    Returns
    -------
    ndarray (4, 4), float64
        Least squares, closed form (Procrustes in the plane).

    """
    a, b = source.mean(0), target.mean(0)
    p, q = (source - a)[:, :2], (target - b)[:, :2]
    yaw = np.arctan2((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum(), (p * q).sum())
    motion = upright(yaw, np.zeros(3))
    motion[:3, 3] = b - motion[:3, :3] @ a
    return motion
