"""Registration of two views of an object: hypotheses of its motion, and how well each fits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.point_sets import evenly, SAME_SURFACE
from rescene4d_ros.geometry.se3 import Pair, transform, turn_about, wrap, yaw_of

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


class Compared(Pair):
    """Two point sets with what tells how well a motion aligns them: distances and texture."""

    def __init__(
        self,
        before: np.ndarray,
        after: np.ndarray,
        limit: int,
        textures: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        super().__init__(before, after, limit)
        self._spots = None
        if textures is not None:
            shown = np.flatnonzero(np.isfinite(textures[0]))
            shown = shown[evenly(len(shown), TEXTURE_POINTS)]
            self._spots = before[shown], textures[0][shown], textures[1]

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
    exact = Compared(before, after, fine, textures)
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


def _rivals(rough: Compared, starts: int) -> np.ndarray:
    """Return distinct candidate motions (H, 4, 4), best first, before refinement."""
    first = _starts(rough.before_tree.data, rough.after_tree.data, starts)
    reach = rough.reach(first, GATES[0])
    promising = first[[0, 1, *(2 + np.argsort(reach[2:], kind='stable')[:4])]]
    found = rough.scores(rough.refine(promising, gates=GATES, rounds=3))
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
    return Compared(before, after, fine).scores(np.eye(4)[None])[0]


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
