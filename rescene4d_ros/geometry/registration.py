"""Registration of two views of an object: closest points, motion and quality of fit."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.point_sets import evenly, SAME_SURFACE
from rescene4d_ros.geometry.se3 import (
    solve_upright,
    transform,
    transform_back,
    turn_about,
    wrap,
    yaw_of,
)
from scipy.spatial import cKDTree

GATES = (0.30, 0.15, 0.08, 0.05)  # m; largest distance of correspondences, coarse to fine
LIKE_SPREAD = 0.02  # m; distance of points of one surface in two views
LIKE_WEIGHT = 15.0  # log likelihood ratio per share of points within this distance
TEXTURE_RADIUS = 0.03  # m; points within this distance show the same spot
TEXTURE_POINTS = 1600  # largest number of points compared by texture
TEXTURE_MIN = 20  # with fewer common spots texture is ignored
TEXTURE_ALONE = 8.0  # number of correlated neighboring spots with the evidence of one
TEXTURE_MOST = 8.0  # largest log likelihood ratio of texture
SAME_TURN = 0.25  # rad; of rotations that differ less, the better one is used
RIVALS = 4  # number of refined motions
RIVAL_LOSS = 2.5  # log likelihood ratio; motions with a worse fit are rejected
TURNED = (np.pi / 2, np.pi, -np.pi / 2)  # rad; symmetry rotations of many objects


@dataclass(frozen=True)
class Registration:
    """
    Result of registering one point set to another.

    Attributes
    ----------
    after_T_before : ndarray (4, 4), float64
        In the map frame: p_after = after_T_before @ p_before.
    residual : float, m
        Root mean square distance of the points that have a partner.
    overlap : float
        Share of points, mean of both sets, with a partner within `SAME_SURFACE`; 0..1.
    fit : float
        Smooth form of `overlap` for comparing a motion with no motion; 0..1.
    support : float
        Log likelihood relative to other motions of the same sets, by distance of surfaces and
        agreement of texture.

    """

    after_T_before: np.ndarray
    residual: float
    overlap: float
    fit: float
    support: float


class Pair:
    """Two point sets: search trees over all points, samples for queries, texture."""

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
        """Return the same sets with fewer query points."""
        pair = copy(self)
        pair.before = self.before[evenly(len(self.before), limit)]
        pair.after = self.after[evenly(len(self.after), limit)]
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

    def scores(self, motions: np.ndarray) -> list[Registration]:
        """Score how well each motion (H, 4, 4) aligns the first set with the second."""
        forth, _, back, _ = self.partners(motions, SAME_SURFACE)
        return [_score(*found) for found in zip(motions, forth, back)]

    def texture_supports(self, motions: np.ndarray) -> list[float]:
        """Return the log likelihood ratio of equal spots by texture; 0 or more."""
        if self._spots is None:
            return [0.0] * len(motions)
        spots, before, after = self._spots
        distance, at = self.after_tree.query(
            transform(motions, spots), distance_upper_bound=TEXTURE_RADIUS
        )
        return [_texture_support(before, after, *found) for found in zip(distance, at)]

    def reach(self, motions: np.ndarray, gate: float) -> np.ndarray:
        """Return the mean distance (H,) of the first set under each motion, at most the gate."""
        moved = transform(motions, self.before).reshape(-1, 3)
        distance = self.after_tree.query(moved, distance_upper_bound=gate)[0]
        return np.minimum(distance, gate).reshape(len(motions), -1).mean(1)

    def refine(
        self, motions: np.ndarray, gates: Sequence[float] = GATES, rounds: int = 6
    ) -> np.ndarray:
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


def _score(motion: np.ndarray, forth: np.ndarray, back: np.ndarray) -> Registration:
    """Score a motion by the distances of both directions."""
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


def _texture_support(
    before: np.ndarray, after: np.ndarray, distance: np.ndarray, at: np.ndarray
) -> float:
    """Return the log likelihood ratio of the textures of spots and their nearest points."""
    close = np.flatnonzero(np.isfinite(distance))
    close = close[np.isfinite(after[at[close]])]
    one, other = before[close], after[at[close]]
    power = (one**2).sum() * (other**2).sum()
    if len(close) < TEXTURE_MIN or power <= 0:
        return 0.0
    agreement = np.clip((one * other).sum() / np.sqrt(power), 0, 0.99)
    # Ratio of two correlated normal variables to two independent ones.
    ratio = -np.log1p(-(agreement**2)) / 2 * len(close) / TEXTURE_ALONE
    return float(min(ratio, TEXTURE_MOST))


def register(
    before: np.ndarray,
    after: np.ndarray,
    textures: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    starts: int = 24,
    tie: float = 1.0,
    coarse: int = 200,
    fine: int = 800,
) -> Registration:
    """
    Find the upright rigid motion of an object between two visits.

    Many initial rotations are used, because partial views of furniture have many local optima.
    Boxes and tables have two or four symmetric poses; then the texture of their surfaces decides,
    if available. A round table fits equally well at any rotation: of the hypotheses that are about
    as likely as the best, the one with the least rotation is used.

    Parameters
    ----------
    before, after : ndarray (N, 3), (M, 3), float32, m, in map
        Points of the object at the two visits, thinned evenly.
    textures : pair of ndarray (N,), (M,), float, optional
        Lightness of each point relative to the surface around it; NaN if unknown.
    starts : int
        Number of starting turns; standing still is tried in addition.
    tie : float
        Difference in `support` below which two hypotheses count as equal.
    coarse, fine : int
        Most points per set while searching, and while polishing.

    Returns
    -------
    Registration
        The identity with overlap 0 where one of the sets has fewer than 3 points.

    """
    before = np.asarray(before, dtype=np.float64)
    after = np.asarray(after, dtype=np.float64)
    if min(len(before), len(after)) < 3:
        return Registration(np.eye(4), SAME_SURFACE, 0.0, 0.0, 0.0)
    exact = Pair(before, after, fine, textures)
    rivals = _rivals(exact.thinner(coarse), starts)
    motions = exact.refine(rivals, gates=GATES[-2:], rounds=8)
    polished = [
        replace(r, support=r.support + texture)
        for r, texture in zip(exact.scores(motions), exact.texture_supports(motions))
    ]
    turns = np.abs(yaw_of(motions))
    best = max(r.support for r in polished)
    likely = [k for k, r in enumerate(polished) if r.support >= best - tie]
    least = min(turns[likely])
    return max(
        (polished[k] for k in likely if turns[k] <= least + SAME_TURN), key=lambda r: r.support
    )


def _rivals(rough: Pair, starts: int) -> np.ndarray:
    """Return distinct candidate motions (H, 4, 4), best first, before refinement."""
    first = _starts(rough.before_tree.data, rough.after_tree.data, starts)
    reach = rough.reach(first, GATES[0])
    promising = first[[0, 1, *(2 + np.argsort(reach[2:], kind='stable')[:4])]]
    found = rough.scores(rough.refine(promising, rounds=3))
    best = max(found, key=lambda r: r.support)
    middle = (rough.after_tree.data.min(0) + rough.after_tree.data.max(0)) / 2
    turned = rough.refine(
        turn_about(middle, np.array(TURNED), middle) @ best.after_T_before,
        gates=GATES[1:],
        rounds=2,
    )
    found = sorted([*found, *rough.scores(turned)], key=lambda r: -r.support)
    motions = np.stack([r.after_T_before for r in found])
    turns = np.asarray(yaw_of(motions))
    distinct = _distinct(motions, turns)
    near = [k for k in distinct if found[k].support >= found[0].support - RIVAL_LOSS]
    # No rotation is always a candidate, for round objects.
    still = [k for k in near[RIVALS:] if abs(turns[k]) < SAME_TURN]
    return motions[[*near[:RIVALS], *still]]


def standing_still(before: np.ndarray, after: np.ndarray, fine: int = 800) -> Registration:
    """Score the hypothesis of no motion, as `register` scores motions."""
    before = np.asarray(before, dtype=np.float64)
    after = np.asarray(after, dtype=np.float64)
    if min(len(before), len(after)) < 3:
        return Registration(np.eye(4), SAME_SURFACE, 0.0, 0.0, 0.0)
    return Pair(before, after, fine).scores(np.eye(4)[None])[0]


def _starts(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    """Return initial motions: none, a shift, and rotations about the center, bottoms aligned."""
    middle = [(points.min(0) + points.max(0)) / 2 for points in (before, after)]
    for side, points in zip(middle, (before, after)):
        side[2] = points[
            :, 2
        ].min()  # furniture stands on a floor: bottoms correspond, tops may be occluded
    turns = np.array([2 * np.pi * k / count for k in range(count)])
    return np.concatenate([np.eye(4)[None], turn_about(middle[0], turns, middle[1])])


def _distinct(motions: np.ndarray, turns: np.ndarray) -> list[int]:
    """Return which motions (H, 4, 4), best first, differ from all better ones."""
    kept: list[int] = []
    turn_off = np.abs(wrap(turns[:, None] - turns))
    shift_off = np.abs(motions[:, None, :3, 3] - motions[:, :3, 3]).max(2)
    same = (turn_off < 0.05) & (shift_off < 0.03)
    for k in range(len(motions)):
        if not same[k, kept].any():
            kept.append(k)
    return kept
