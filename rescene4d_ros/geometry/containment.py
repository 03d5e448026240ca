"""Containment: whether a view can be a partial view of another upright object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.geometry.point_sets import FITTED_SURFACE, PART_SLACK
from rescene4d_ros.geometry.surface import AllPairs, questions, Surface

WIDE = (0.30, 0.20, 0.12)  # m; largest distance of correspondences, decreasing
CLOSE = (0.08, 0.06)  # m; below this distance all points of the whole are used
TURNS = 12  # starting turns
REFINED = 3  # number of best ones that are refined


def fit_into(
    parts: Sequence[Surface], wholes: Sequence[Surface], enough: float = 1.0
) -> np.ndarray:
    """
    Fit views to wholes by the best upright motion, and return the share of each on surface.

    Compares in one direction only, because a whole may have surface that the view lacks. All
    motions of all pairs are refined together, for speed; for the accurate motion of an object see
    `registration.register`.

    Parameters
    ----------
    parts, wholes : sequence of P Surfaces
        Part p is fitted to whole p.
    enough : float
        A motion with this share ends the search of its pair.

    Returns
    -------
    ndarray (P,), float64
        Share of the part's points within `FITTED_SURFACE` of the whole; 0 where either has fewer
        than 3 points.

    """
    share = np.zeros(len(parts))
    able = [p for p in range(len(parts)) if min(len(parts[p].xyz), len(wholes[p].xyz)) >= 3]
    if able:
        share[able] = _fit([parts[p] for p in able], [wholes[p] for p in able], enough)
    return share


def _fit(parts: Sequence[Surface], wholes: Sequence[Surface], enough: float) -> np.ndarray:
    """
    Fit parts of at least 3 points.

    Motions are K per pair: `yaw` (P, K) about the center of the whole, then `shift` (3, P, K).
    Points (3, P, K, N) are relative to that center, so that rotations are about the object and not
    about the map origin.

    """
    asked = np.stack([part.sample for part in parts], axis=1)[:, :, None]
    asked[2] += _rise(parts, wholes)[:, None, None]
    sketches = [whole.sketch for whole in wholes]
    yaw = _starting_turns(asked, sketches)
    shift = np.zeros((3, *yaw.shape), dtype=np.float32)
    for gate in WIDE:
        target, off = _partners(_moved(asked, yaw, shift), sketches)
        yaw, shift = _step(asked, target, off < gate, yaw, shift)
    best_first = np.argsort(np.minimum(off, WIDE[-1]).mean(2), axis=1, kind='stable')
    share, todo = np.zeros(len(parts)), np.arange(len(parts))
    for chosen in (best_first[:, :1], best_first[:, 1:]):  # the best one often suffices
        motion = todo[:, None], chosen[todo]
        share[todo] = np.maximum(
            share[todo],
            _polish(
                asked[:, todo],
                yaw[motion],
                shift[:, *motion],
                [wholes[p].whole for p in todo.tolist()],
            ),
        )
        todo = np.flatnonzero(share < enough)
        if not len(todo):
            break
    return share


def _rise(parts: Sequence[Surface], wholes: Sequence[Surface]) -> np.ndarray:
    """
    Return the height of each part's center above that of its whole, (P,), float32.

    The actual height, or that of aligned bottoms if the part would extend beyond the whole.

    """
    (low, high), (floor, top) = (
        np.array([side.limits[:, 2] for side in sides]).T for sides in (parts, wholes)
    )
    sticks_out = (low < floor - PART_SLACK) | (high > top + PART_SLACK)
    up = (low + high) / 2 - (floor + top) / 2 + np.where(sticks_out, floor - low, 0)
    return up


def _starting_turns(asked: np.ndarray, sketches: Sequence[AllPairs]) -> np.ndarray:
    """Return the rotations (P, K) that bring points (3, P, 1, N) closest to their sketches."""
    yaw = np.arange(TURNS, dtype=np.float32) * np.float32(2 * np.pi / TURNS)
    each = len(sketches), TURNS
    turned = _moved(asked, np.broadcast_to(yaw, each), np.zeros((3, *each), dtype=np.float32))
    asking = questions(turned.reshape(3, len(sketches), -1))
    off = np.stack([sketch.distance(asked) for sketch, asked in zip(sketches, asking)])
    reach = np.minimum(off, WIDE[0]).reshape(*each, -1).mean(2)
    return yaw[np.argsort(reach, axis=1, kind='stable')[:, :REFINED]]


def _polish(
    asked: np.ndarray, yaw: np.ndarray, shift: np.ndarray, wholes: Sequence[AllPairs]
) -> np.ndarray:
    """Refine motions with all points of the wholes; return the share (P,) of the best."""
    for gate in CLOSE:
        target, off = _partners(_moved(asked, yaw, shift), wholes)
        yaw, shift = _step(asked, target, off < gate, yaw, shift)
    _, off = _partners(_moved(asked, yaw, shift), wholes)
    return (off < FITTED_SURFACE).mean(2).max(1)


def _moved(asked: np.ndarray, yaw: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return points (3, ..., N) after motions (...) and (3, ...)."""
    cos, sin = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    moved = np.empty((*shift.shape, asked.shape[-1]), dtype=np.float32)
    moved[0] = cos * asked[0] - sin * asked[1]
    moved[1] = sin * asked[0] + cos * asked[1]
    moved[2] = asked[2]
    moved += shift[..., None]
    return moved


def _partners(moved: np.ndarray, surfaces: Sequence[AllPairs]) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest points (3, P, K, N) on the surfaces, and their distances, m."""
    target = np.empty_like(moved)
    asking = questions(moved.reshape(3, len(surfaces), -1))
    for p, (surface, asked) in enumerate(zip(surfaces, asking)):
        at = surface.nearest(asked)
        target[:, p] = surface.points.take(at, axis=1).reshape(target[:, p].shape)
    return target, np.sqrt(((target - moved) ** 2).sum(0))


def _step(
    asked: np.ndarray, target: np.ndarray, use: np.ndarray, yaw: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Solve all motions (rotation about z, shift) by least squares, closed form.

    Motions with fewer than 3 correspondences are unchanged.

    """
    n = use.sum(-1, dtype=np.float32)
    used = use * asked
    a = used.sum(-1) / np.maximum(n, 1)
    b = (use * target).sum(-1) / np.maximum(n, 1)
    spread = np.einsum('i...n,j...n->ij...', used[:2], target[:2]) - n * a[:2, None] * b[None, :2]
    turn = np.arctan2(spread[0, 1] - spread[1, 0], spread[0, 0] + spread[1, 1])
    after = b - _moved(a[..., None], turn, np.zeros_like(a))[..., 0]
    return np.where(n >= 3, turn, yaw), np.where(n >= 3, after, shift)
