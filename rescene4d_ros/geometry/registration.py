"""The rigid motion of one object between two visits, from its points in both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.closest_points import GATES, Pair, Registration
from rescene4d_ros.geometry.se3 import turn_about, wrap, yaw_of
from rescene4d_ros.geometry.tolerances import SAME_SURFACE

SAME_TURN = 0.25  # rad; of turns that differ less, the better one is taken
RIVALS = 4  # motions that are laid exactly, and compared
RIVAL_LOSS = 2.5  # log likelihood ratio; what fits so much worse is no rival
TURNED = (np.pi / 2, np.pi, -np.pi / 2)  # rad; after these many objects look much the same


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

    Many starting turns are tried, because partial views of furniture have many local optima.
    Boxes and tables look alike from two or four sides; then the texture of their surfaces decides,
    if there is one. A round table fits equally well at any turn: of the hypotheses that are
    about as likely as the best, one that turns least is taken.

    Parameters
    ----------
    before, after : ndarray (N, 3), (M, 3), float32, m, in map
        Points of the object at the two visits, thinned evenly.
    textures : pair of ndarray (N,), (M,), float, optional
        Lightness of each point relative to the surface around it; NaN where not known.
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
    """Return distinct motions (H, 4, 4) that may be the best, best first, not laid exactly yet."""
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
    # Turning not at all is kept in the race, for the sake of round objects.
    still = [k for k in near[RIVALS:] if abs(turns[k]) < SAME_TURN]
    return motions[[*near[:RIVALS], *still]]


def standing_still(before: np.ndarray, after: np.ndarray, fine: int = 800) -> Registration:
    """Score the hypothesis that the object did not move, as `register` scores its own."""
    before = np.asarray(before, dtype=np.float64)
    after = np.asarray(after, dtype=np.float64)
    if min(len(before), len(after)) < 3:
        return Registration(np.eye(4), SAME_SURFACE, 0.0, 0.0, 0.0)
    return Pair(before, after, fine).scores(np.eye(4)[None])[0]


def _starts(before: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
    """Return starting motions: none, a shift, and turns about the middle, bottoms level."""
    middle = [(points.min(0) + points.max(0)) / 2 for points in (before, after)]
    for side, points in zip(middle, (before, after)):
        side[2] = points[:, 2].min()  # furniture stands: bottoms correspond, tops may hide
    turns = np.array([2 * np.pi * k / count for k in range(count)])
    return np.concatenate([np.eye(4)[None], turn_about(middle[0], turns, middle[1])])


def _distinct(motions: np.ndarray, turns: np.ndarray) -> list[int]:
    """Return which motions (H, 4, 4), best first, did not come to the place of a better one."""
    kept: list[int] = []
    turn_off = np.abs(wrap(turns[:, None] - turns))
    shift_off = np.abs(motions[:, None, :3, 3] - motions[:, :3, 3]).max(2)
    same = (turn_off < 0.05) & (shift_off < 0.03)
    for k in range(len(motions)):
        if not same[k, kept].any():
            kept.append(k)
    return kept
