"""The shape of a room on the floor: a rectangle or an L, with a niche now and then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NICHE_WIDTH = (0.8, 1.8)  # m
NICHE_DEPTH = (0.25, 0.6)  # m
BESIDE = 0.5  # m of wall that stays on either side of a niche


@dataclass(frozen=True)
class FloorShape:
    """
    Hold a floor without what stands on it.

    Attributes
    ----------
    outline : ndarray (P, 2), m
        Corners, counter-clockwise.
    pieces : tuple of ndarray (n, 2), m
        Convex, counter-clockwise; together they cover the floor.

    """

    outline: np.ndarray
    pieces: tuple[np.ndarray, ...]


def floor_shape(width: float, depth: float, cut: tuple[float, float] | None = None) -> FloorShape:
    """
    Make a rectangle, or an L, about its middle.

    Parameters
    ----------
    width, depth : float, m
    cut : (float, float), m, optional
        Width and depth of the corner that an L lacks.

    """
    if cut is None:
        outline = np.array([[0, 0], [width, 0], [width, depth], [0, depth]])
        outline = outline - outline.mean(axis=0)
        return FloorShape(outline, (outline,))
    left, top = width - cut[0], depth - cut[1]
    outline = np.array([[0, 0], [width, 0], [width, top], [left, top], [left, depth], [0, depth]])
    outline = outline - outline.mean(axis=0)
    a, b, c, d, e, f = outline
    corner = np.array([a[0], c[1]])
    return FloorShape(outline, (np.array([a, b, c, corner]), np.array([corner, d, e, f])))


def with_niche(shape: FloorShape, rng: np.random.Generator) -> FloorShape:
    """Return the floor with a recess in one of its walls, where one is long enough."""
    start, end = shape.outline, np.roll(shape.outline, -1, axis=0)
    length = np.linalg.norm(end - start, axis=1)
    fitting = np.flatnonzero(length >= NICHE_WIDTH[0] + 2 * BESIDE)
    if not len(fitting):
        return shape
    k = int(rng.choice(fitting))
    along = (end[k] - start[k]) / length[k]
    outward = np.array([along[1], -along[0]])
    width = rng.uniform(NICHE_WIDTH[0], min(NICHE_WIDTH[1], length[k] - 2 * BESIDE))
    at = BESIDE + rng.random() * (length[k] - 2 * BESIDE - width)
    near = start[k] + along * at, start[k] + along * (at + width)
    recess = outward * rng.uniform(*NICHE_DEPTH)
    niche = np.array([near[0], near[0] + recess, near[1] + recess, near[1]])
    outline = np.insert(shape.outline, k + 1, niche, axis=0)
    return FloorShape(outline, (*shape.pieces, niche))


def reflex_corners(outline: np.ndarray) -> np.ndarray:
    """Return which corners (P,) of a counter-clockwise outline point into the room."""
    before = outline - np.roll(outline, 1, axis=0)
    after = np.roll(outline, -1, axis=0) - outline
    return before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] < 0
