"""The rigid motion of one object between two visits, from its points in both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.closest_points import GATES, Pair, Registration
from rescene4d_ros.geometry.se3 import upright, wrap, yaw_of
from rescene4d_ros.geometry.tolerances import SAME_SURFACE

SAME_TURN = 0.25  # rad; of turns that differ less, the better one is taken
RIVALS = 4  # motions that are laid exactly, and compared
RIVAL_LOSS = 2.5  # log likelihood ratio; what fits so much worse is no rival
TURNED = (np.pi / 2, np.pi, -np.pi / 2)  # rad; after these many things look much the same


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
    Boxes and tables look alike from two or four sides; then the texture of their surfaces tells,
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
    polished = [
        exact.score(motion)
        for motion in exact.refine([r.after_T_before for r in rivals], gates=GATES[-2:], rounds=8)
    ]
    polished = [
        replace(r, support=r.support + exact.texture_support(r.after_T_before)) for r in polished
    ]
    best = max(r.support for r in polished)
    likely = [r for r in polished if r.support >= best - tie]
    least = min(_turn(r) for r in likely)
    return max((r for r in likely if _turn(r) <= least + SAME_TURN), key=lambda r: r.support)


def _rivals(rough: Pair, starts: int) -> list[Registration]:
    """Return distinct hypotheses that may be the best, best first, not laid exactly yet."""
    first = _starts(rough.before_tree.data, rough.after_tree.data, starts)
    reach = rough.reach(first, GATES[0])
    promising = [*first[:2], *(first[2 + k] for k in np.argsort(reach[2:], kind='stable')[:4])]
    found = [rough.score(motion) for motion in rough.refine(promising, rounds=3)]
    best = max(found, key=lambda r: r.support)
    middle = (rough.after_tree.data.min(0) + rough.after_tree.data.max(0)) / 2
    turned = rough.refine(
        [_about(middle, turn) @ best.after_T_before for turn in TURNED], gates=GATES[1:], rounds=2
    )
    found = _distinct(sorted([*found, *map(rough.score, turned)], key=lambda r: -r.support))
    near = [r for r in found if r.support >= found[0].support - RIVAL_LOSS]
    # Turning not at all is kept in the race, for the sake of round things.
    return [*near[:RIVALS], *(r for r in near[RIVALS:] if _turn(r) < SAME_TURN)]


def _turn(found: Registration) -> float:
    """Return by how much a motion turns, rad."""
    return abs(yaw_of(found.after_T_before))


def _about(middle: np.ndarray, turn: float) -> np.ndarray:
    """Return the motion that turns about an upright axis through a point (3,)."""
    motion = upright(turn, np.zeros(3))
    motion[:3, 3] = middle - motion[:3, :3] @ middle
    return motion


def standing_still(before: np.ndarray, after: np.ndarray, fine: int = 800) -> Registration:
    """Score the hypothesis that the object did not move, as `register` scores its own."""
    before = np.asarray(before, dtype=np.float64)
    after = np.asarray(after, dtype=np.float64)
    if min(len(before), len(after)) < 3:
        return Registration(np.eye(4), SAME_SURFACE, 0.0, 0.0, 0.0)
    return Pair(before, after, fine).score(np.eye(4))


def _starts(before: np.ndarray, after: np.ndarray, count: int) -> list[np.ndarray]:
    """Return starting motions: none, a shift, and turns about the middle, bottoms level."""
    middle = [(points.min(0) + points.max(0)) / 2 for points in (before, after)]
    for side, points in zip(middle, (before, after)):
        side[2] = points[:, 2].min()  # furniture stands: bottoms correspond, tops may hide
    motions = [np.eye(4)]
    for k in range(count):
        motion = upright(2 * np.pi * k / count, np.zeros(3))
        motion[:3, 3] = middle[1] - motion[:3, :3] @ middle[0]
        motions.append(motion)
    return motions


def _distinct(found: list[Registration]) -> list[Registration]:
    """Drop hypotheses that came to the same place as a better one."""
    kept = []
    for result in found:
        motion = result.after_T_before
        if not any(
            abs(wrap(yaw_of(motion) - yaw_of(other.after_T_before))) < 0.05
            and np.abs(motion[:3, 3] - other.after_T_before[:3, 3]).max() < 0.03
            for other in kept
        ):
            kept.append(result)
    return kept
