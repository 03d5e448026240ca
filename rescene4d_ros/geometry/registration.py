"""The rigid motion of one object between two visits, from its points in both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.closest_points import GATES, Pair, Registration
from rescene4d_ros.geometry.point_sets import SAME_SURFACE
from rescene4d_ros.geometry.se3 import turn_about, wrap, yaw_of

SAME_TURN = 0.25  # rad; of rotations that differ less, the better one is used
RIVALS = 4  # number of refined motions
RIVAL_LOSS = 2.5  # log likelihood ratio; motions with a worse fit are rejected
TURNED = (np.pi / 2, np.pi, -np.pi / 2)  # rad; symmetry rotations of many objects


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
