"""The rigid motion of one object between two visits, from its points in both."""
from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.neighbors import evenly
from rescene4d_ros.geometry.se3 import invert, transform, upright, wrap, yaw_of
from scipy.spatial import cKDTree

GATES = (0.30, 0.15, 0.08, 0.05)   # m; a pair farther apart is no pair, first widely, then closely
FIT_RADIUS = 0.05                  # m; two points this near show the same surface
SAME_TURN = 0.15                   # rad; hypotheses that differ less in turn are one


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
        Share of points, mean of both sets, with a partner within `FIT_RADIUS`; 0..1.
    fit : float
        Smooth form of `overlap` by which hypotheses are compared; 0..1.

    """

    after_T_before: np.ndarray
    residual: float
    overlap: float
    fit: float


class _Pair:
    """Two point sets: all points in search trees, some of each to ask with."""

    def __init__(self, before: np.ndarray, after: np.ndarray, limit: int):
        self.before = before[evenly(len(before), limit)]
        self.after = after[evenly(len(after), limit)]
        self.before_tree, self.after_tree = cKDTree(before), cKDTree(after)

    def thinner(self, limit: int) -> _Pair:
        """Return the same sets, asked with fewer points."""
        pair = copy(self)
        pair.before = self.before[evenly(len(self.before), limit)]
        pair.after = self.after[evenly(len(self.after), limit)]
        return pair

    def partners(self, motion: np.ndarray, gate: float):
        """Return both directions' distances (inf beyond the gate) and nearest indices."""
        forth, i = self.after_tree.query(transform(motion, self.before),
                                         distance_upper_bound=gate)
        back, j = self.before_tree.query(transform(invert(motion), self.after),
                                         distance_upper_bound=gate)
        return forth, i, back, j

    def score(self, motion: np.ndarray) -> Registration:
        """Say how well a motion lays the first set on the second."""
        forth, _, back, _ = self.partners(motion, FIT_RADIUS)
        near = [d[d < FIT_RADIUS] for d in (forth, back)]
        residual = np.sqrt(np.mean(np.concatenate(near) ** 2)) if len(near[0]) + len(near[1]) \
            else FIT_RADIUS
        shares = [(d < FIT_RADIUS).mean() for d in (forth, back)]
        fit = np.mean([(1 - np.minimum(d / FIT_RADIUS, 1) ** 2).mean() for d in (forth, back)])
        return Registration(motion, float(residual), float(np.mean(shares)), float(fit))

    def reach(self, motions: Sequence[np.ndarray], gate: float) -> np.ndarray:
        """Return the mean distance (H,) of the first set under each motion, at most the gate."""
        moved = np.concatenate([transform(motion, self.before) for motion in motions])
        distance = self.after_tree.query(moved, distance_upper_bound=gate)[0]
        return np.minimum(distance, gate).reshape(len(motions), -1).mean(1)

    def refine(self, motions: Sequence[np.ndarray], gates: Sequence[float] = GATES,
               rounds: int = 6) -> list[np.ndarray]:
        """Iterate closest points for each motion: pair, solve, and narrow the gate."""
        motions = list(motions)
        for gate in gates:
            active = list(range(len(motions)))
            for _ in range(rounds):
                still = []
                for k, (forth, i, back, j) in zip(active, self._all_partners(
                        [motions[k] for k in active], gate)):
                    use_forth, use_back = forth < gate, back < gate
                    source = np.concatenate([self.before[use_forth],
                                             self.before_tree.data[j[use_back]]])
                    target = np.concatenate([self.after_tree.data[i[use_forth]],
                                             self.after[use_back]])
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
                (self.before_tree, self.after, [invert(motion) for motion in motions])):
            found = tree.query(np.concatenate([transform(way, points) for way in ways]),
                               distance_upper_bound=gate)
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


def register(before: np.ndarray, after: np.ndarray, *, starts: int = 24, tie: float = 0.04,
             coarse: int = 200, fine: int = 800) -> Registration:
    """
    Find the upright rigid motion of an object between two visits.

    Many starting turns are tried, because partial views of furniture have many local optima.
    A round table fits equally well at any turn: of the hypotheses that fit about as well as
    the best, the one that turns least is taken.

    Parameters
    ----------
    before, after : ndarray (N, 3), (M, 3), float32, m, in map
        Points of the object at the two visits, thinned evenly.
    starts : int
        Number of starting turns; standing still is tried in addition.
    tie : float
        Difference in `fit` below which two hypotheses count as equal.
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
        return Registration(np.eye(4), FIT_RADIUS, 0.0, 0.0)
    exact = _Pair(before, after, fine)
    found = _search(exact.thinner(coarse), starts)
    # Turning not at all is kept in the race, for the sake of round things.
    found = [*found[:2], *(r for r in found[2:] if abs(yaw_of(r.after_T_before)) < SAME_TURN)]
    polished = [exact.score(motion) for motion in exact.refine(
        [r.after_T_before for r in found], gates=GATES[-2:], rounds=8)]
    best = max(polished, key=lambda r: r.fit)
    turn = abs(yaw_of(best.after_T_before))
    calmer = [r for r in polished if r.fit >= best.fit - tie
              and abs(yaw_of(r.after_T_before)) < turn - SAME_TURN]
    return min(calmer, key=lambda r: abs(yaw_of(r.after_T_before)), default=best)


def _search(rough: _Pair, starts: int) -> list[Registration]:
    """Return distinct hypotheses, best first: many starts scored, the best of them refined."""
    first = _starts(rough.before_tree.data, rough.after_tree.data, starts)
    reach = rough.reach(first, GATES[0])
    promising = [*first[:2], *(first[2 + k] for k in np.argsort(reach[2:], kind='stable')[:4])]
    found = [rough.score(motion) for motion in rough.refine(promising, rounds=3)]
    return _distinct(sorted(found, key=lambda r: -r.fit))


def standing_still(before: np.ndarray, after: np.ndarray, fine: int = 800) -> Registration:
    """Score the hypothesis that the object did not move, as `register` scores its own."""
    before = np.asarray(before, dtype=np.float64)
    after = np.asarray(after, dtype=np.float64)
    if min(len(before), len(after)) < 3:
        return Registration(np.eye(4), FIT_RADIUS, 0.0, 0.0)
    return _Pair(before, after, fine).score(np.eye(4))


def _starts(before: np.ndarray, after: np.ndarray, count: int) -> list[np.ndarray]:
    """Return starting motions: none, a shift, and turns about the middle, bottoms level."""
    middle = [(points.min(0) + points.max(0)) / 2 for points in (before, after)]
    for side, points in zip(middle, (before, after)):
        side[2] = points[:, 2].min()       # furniture stands: bottoms correspond, tops may hide
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
        if not any(abs(wrap(yaw_of(motion) - yaw_of(other.after_T_before))) < 0.05
                   and np.abs(motion[:3, 3] - other.after_T_before[:3, 3]).max() < 0.03
                   for other in kept):
            kept.append(result)
    return kept
