"""Points of one object, with lazily computed search structures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.point_sets import evenly, quick_tree
from scipy.spatial import cKDTree

SAMPLE = 64  # sample size of an object that is fitted to another
SKETCH = 256  # sample size of the other object while they are far apart
PRODUCT = 250_000  # products of this size do not start other BLAS threads


class AllPairs:
    """
    Nearest neighbors by comparing all points.

    For a few hundred queries this is faster than building a search tree.

    Parameters
    ----------
    points : ndarray (3, M), float32, m
        One point per column, with the origin near their center: squares are rounded, 1 m from it
        to about 1e-6 m2.

    Attributes
    ----------
    points : ndarray (3, M), float32, m

    """

    def __init__(self, points: np.ndarray):
        self.points = points
        self._terms = answers(points)

    def nearest(self, asked: np.ndarray) -> np.ndarray:
        """Return the columns (N,) of the points nearest to those of `questions`, (N, 5)."""
        return self._squared(asked).argmin(1)

    def distance(self, asked: np.ndarray) -> np.ndarray:
        """Return the distances of the nearest points, (N,), float32, m; see `nearest`."""
        squared = self._squared(asked)
        nearest = squared[np.arange(len(squared)), squared.argmin(1)]  # faster than min
        return np.sqrt(np.maximum(nearest, 0))

    def _squared(self, asked: np.ndarray) -> np.ndarray:
        """Return all squared distances (N, M), with rounding errors of about 1e-6."""
        height = max(PRODUCT // (5 * self.points.shape[1]), 1)
        squared = np.empty((len(asked), self.points.shape[1]), dtype=np.float32)
        for row in range(0, len(asked), height):
            np.matmul(asked[row : row + height], self._terms, out=squared[row : row + height])
        return squared


def questions(points: np.ndarray) -> np.ndarray:
    """
    Prepare query points.

    Parameters
    ----------
    points : ndarray (3, ..., N), float32, m
        Relative to the origin of the `AllPairs`.

    Returns
    -------
    ndarray (..., N, 5), float32
        Factors of the squared distances.

    """
    asked = np.empty((*points.shape[1:], 5), dtype=np.float32)
    asked[..., :3] = np.moveaxis(points, 0, -1)
    np.square(points).sum(0, out=asked[..., 3])
    asked[..., 4] = 1
    return asked


def answers(points: np.ndarray) -> np.ndarray:
    """Prepare target points (3, M): `questions` times these (5, M) are squared distances."""
    terms = np.empty((5, points.shape[1]), dtype=np.float32)
    np.multiply(points, -2, out=terms[:3])
    terms[3] = 1
    np.square(points).sum(0, out=terms[4])
    return terms


class Surface:
    """
    The points of one object.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
        At least one point, thinned evenly.

    """

    def __init__(self, xyz: np.ndarray):
        self.xyz = xyz

    @cached_property
    def tree(self) -> cKDTree:
        """Return a search tree over the points."""
        return quick_tree(self.xyz)

    @cached_property
    def columns(self) -> np.ndarray:
        """Return the points as columns (3, N), float32, for fast range tests."""
        return np.ascontiguousarray(self.xyz.T, dtype=np.float32)

    @cached_property
    def limits(self) -> np.ndarray:
        """Return the lowest and the highest coordinates (2, 3), float32."""
        limits = np.empty((2, 3), dtype=np.float32)
        self.columns.min(1, out=limits[0])
        self.columns.max(1, out=limits[1])
        return limits

    @cached_property
    def middle(self) -> np.ndarray:
        """Return the center (3,) of the range of the points, float32."""
        return self.limits.mean(0)

    @cached_property
    def sample(self) -> np.ndarray:
        """Return `SAMPLE` points (3, N), float32, from the center; repeated if there are fewer."""
        chosen = np.resize(evenly(len(self.xyz), SAMPLE), SAMPLE)
        return self.columns[:, chosen] - self.middle[:, None]

    @cached_property
    def sketch(self) -> AllPairs:
        """Return at most `SKETCH` of the points, relative to the center."""
        return AllPairs(self.columns[:, evenly(len(self.xyz), SKETCH)] - self.middle[:, None])

    @cached_property
    def whole(self) -> AllPairs:
        """Return all points, relative to the center."""
        return AllPairs(self.columns - self.middle[:, None])

    def share_of(self, xyz: np.ndarray, radius: float) -> float:
        """
        Return the share of points (N, 3), float32, within `radius` m; 0 without points.

        As `share_near`, with a rounding error of micrometers.

        """
        if len(xyz) == 0:
            return 0.0
        return float((self.whole.distance(questions((xyz - self.middle).T)) < radius).mean())


def shares_near(
    asked: Sequence[np.ndarray], surfaces: Sequence[Surface], radius: float
) -> np.ndarray:
    """
    Return the share of each point set that lies near its surface.

    As `Surface.share_of` for each. A room has hundreds of such queries of some hundred points, for
    which separate preparation takes longer than the computation.

    Parameters
    ----------
    asked : sequence of P ndarrays (N_p, 3), float32, m, in map
    surfaces : sequence of P Surfaces
        Points p are compared with surface p.
    radius : float, m

    Returns
    -------
    ndarray (P,), float64
        0 without points.

    """
    if not asked:
        return np.zeros(0)
    counts = np.array([len(xyz) for xyz in asked])
    sizes = np.array([len(surface.xyz) for surface in surfaces])
    middles = np.array([surface.limits for surface in surfaces]).mean(1)
    centered = np.concatenate(asked) - np.repeat(middles, counts, axis=0)
    asking = questions(np.ascontiguousarray(centered.T))
    known_ends = np.cumsum(sizes).tolist()
    points = np.empty((3, known_ends[-1]), dtype=np.float32)
    for surface, middle, size, end in zip(surfaces, middles[:, :, None], sizes, known_ends):
        np.subtract(surface.columns, middle, out=points[:, end - size : end])
    known = answers(points)
    squared = np.empty(len(asking), dtype=np.float32)
    start = known_start = 0
    for end, known_end in zip(np.cumsum(counts).tolist(), known_ends):
        height = max(PRODUCT // (5 * (known_end - known_start)), 1)
        for row in range(start, end, height):
            part = slice(row, min(row + height, end))
            squared[part] = (asking[part] @ known[:, known_start:known_end]).min(1)
        start, known_start = end, known_end
    whose = np.repeat(np.arange(len(asked)), counts)
    near = np.bincount(whose, squared < np.float32(radius) ** 2, minlength=len(asked))
    return near / np.maximum(counts, 1)
