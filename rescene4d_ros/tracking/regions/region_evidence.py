"""Evidence for and against points being a thing that came or went, and its probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from io import BytesIO

import numpy as np
from rescene4d_ros.geometry.structure import LEVEL, UPRIGHT
from rescene4d_ros.tracking.regions.candidates import Compared
from rescene4d_ros.tracking.regions.surfaces import columns_of

CLEARLY_BELOW = 0.08  # m; what is seen this far below a point is another surface
BORDER = 0.05  # m; edge of the cells in and around a region that hold its border
CONTINUED = 0.35  # m; how far around a region a surface that continues it is looked for

TERMS = (
    'size',  # logarithm of the number of points
    'distance',  # mean distance to the other visit's surfaces, m
    'median_distance',
    'shell',  # share of points whose distance is less than twice that of a change
    'uncovered',  # share of points with nothing of the other visit within reach
    'thickness',  # standard deviations along the principal axes, ascending, m
    'width',
    'length',
    'bottom',  # height above the floor, m
    'top',
    'past',  # share of points below which the other visit shows a surface
    'shown',  # share of points in whose column the other visit shows anything
    'seen_past',  # mean share of views of the other visit that look past the points
    'bared',  # share of the footprint where the other visit shows what this one does not
    'observed',  # share of the footprint where the other visit shows anything up to the top
    'border',  # border points per point
    'static_border',  # share of border points that did not change
    'continued',  # share of the other visit's points around that lie in the region's plane
    'continued_plane',  # the same where the region is flat, else 0
    'level',  # share of points on level surfaces
    'upright',
    'wall',  # share of points on walls
    'color',  # mean change of color, of 255
    'changed',  # share of points that changed
)
MODEL = 'region_quality.npz'


class RegionEvidence:
    """
    Measure candidates of one visit against the other visit.

    Parameters
    ----------
    pair : Compared
        The visit that shows the candidates, and the other one.
    other_distance : ndarray (L,), float64, m
        From each point of the other visit to this one.
    candidates : list of ndarray of int
        All that will be asked for; what they share is measured once.

    """

    def __init__(self, pair: Compared, other_distance: np.ndarray, candidates: list[np.ndarray]):
        self._pair = pair
        surfaces, other = pair.surfaces, pair.other
        asked = np.unique(np.concatenate(candidates)) if candidates else np.zeros(0, dtype=int)
        xyz = surfaces.xyz[asked]
        columns, low = other.lowest
        column = surfaces.column[asked]
        at = np.minimum(np.searchsorted(columns, column), len(columns) - 1)
        self._shown, self._past, self._seen_past = np.zeros((3, len(surfaces)))
        self._shown[asked] = columns[at] == column
        self._past[asked] = self._shown[asked] * (low[at] < xyz[:, 2] - CLEARLY_BELOW)
        self._seen_past[asked] = other.seen_past(xyz)
        self._is_static = ~pair.changed
        self._cells = _Cells(surfaces.xyz, self._is_static)
        order = np.argsort(other.column, kind='stable')
        self._other_column = other.column[order]
        self._other_bare = (other_distance > pair.changed_at)[order]
        self._other_z = other.xyz[order, 2]

    def of_all(self, candidates: list[np.ndarray]) -> np.ndarray:
        """Return the evidence for each candidate (C, len(TERMS)); see `measure`."""
        return np.array([self.measure(points) for points in candidates])

    def measure(self, points: np.ndarray) -> np.ndarray:
        """Return the evidence for one candidate, in the order of `TERMS` (len(TERMS),)."""
        pair, surfaces = self._pair, self._pair.surfaces
        xyz = surfaces.xyz[points].astype(np.float64)
        middle = xyz.mean(0)
        spread, axes = np.linalg.eigh((xyz - middle).T @ (xyz - middle) / len(xyz))
        deviation = np.sqrt(np.maximum(spread, 0))
        distance, normal_z = pair.distance[points], np.abs(surfaces.normals[points, 2])
        bared, observed = self._footprint(xyz)
        border, static = self._border(points)
        continued = self._continued(xyz, middle, axes[:, 0])
        return np.array([
            np.log(len(points)),
            distance.mean(),
            np.median(distance),
            (distance < 2 * pair.changed_at).mean(),
            (distance >= 0.3).mean(),
            *deviation,
            xyz[:, 2].min() - surfaces.floor_z,
            xyz[:, 2].max() - surfaces.floor_z,
            self._past[points].mean(),
            self._shown[points].mean(),
            self._seen_past[points].mean(),
            bared,
            observed,
            border,
            static,
            continued,
            continued * (deviation[0] < 0.02),
            (normal_z > LEVEL).mean(),
            (normal_z < UPRIGHT).mean(),
            surfaces.is_wall[points].mean(),
            pair.color_change[points].mean(),
            (distance > pair.changed_at).mean(),
        ])  # fmt: skip

    def _footprint(self, xyz: np.ndarray) -> tuple[float, float]:
        """Return which share of the footprint the other visit shows bare, and shows at all."""
        footprint = np.unique(columns_of(xyz))
        first = np.searchsorted(self._other_column, footprint)
        last = np.searchsorted(self._other_column, footprint, side='right')
        count = last - first
        rows = np.repeat(first - np.r_[0, np.cumsum(count)[:-1]], count) + np.arange(count.sum())
        below = self._other_z[rows] < xyz[:, 2].max() + 0.05
        column = np.repeat(np.arange(len(footprint)), count)
        bare = np.unique(column[below & self._other_bare[rows]])
        return len(bare) / len(footprint), len(np.unique(column[below])) / len(footprint)

    def _border(self, points: np.ndarray) -> tuple[float, float]:
        """Return the number of border points per point, and the share of them unchanged."""
        total, static = self._cells.around(points)
        total -= len(points)
        static -= int(self._is_static[points].sum())
        return total / len(points), static / total if total else 0.0

    def _continued(self, xyz: np.ndarray, middle: np.ndarray, normal: np.ndarray) -> float:
        """Return which share of the other visit's points around lie in the region's plane."""
        coarse = self._pair.other.coarse
        low, high = xyz.min(0) - CONTINUED, xyz.max(0) + CONTINUED
        near = coarse[((coarse > low) & (coarse < high)).all(1)]
        return float((np.abs((near - middle) @ normal) < 0.04).mean()) if len(near) else 0.0


class _Cells:
    """Points counted in the cells of a grid, and in the cells around them."""

    def __init__(self, xyz: np.ndarray, static: np.ndarray):
        cell = np.floor(xyz.astype(np.float64) / BORDER).astype(np.int64)
        cell -= cell.min(0) - 1
        span = cell.max(0) + 2
        key = (cell[:, 0] * span[1] + cell[:, 1]) * span[2] + cell[:, 2]
        keys, self._of = np.unique(key, return_inverse=True)
        step = np.arange(-1, 2)
        offset = (
            (step[:, None, None] * span[1] + step[None, :, None]) * span[2] + step
        ).ravel()  # (27,)
        wanted = keys[:, None] + offset
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        self._around = np.where(keys[at] == wanted, at, len(keys))  # last: an empty cell
        self._total = np.r_[np.bincount(self._of), 0]
        self._static = np.r_[np.bincount(self._of, weights=static), 0].astype(np.int64)

    def around(self, points: np.ndarray) -> tuple[int, int]:
        """Return how many points, and static ones, lie in the cells of some points or beside."""
        mine = np.zeros(len(self._total), dtype=bool)
        mine[self._of[points]] = True
        beside = np.zeros(len(self._total), dtype=bool)
        beside[self._around[mine[:-1]]] = True
        return int(self._total[beside].sum()), int(self._static[beside].sum())


@dataclass(frozen=True)
class BoostedTrees:
    """
    Hold an ensemble of binary decision trees whose values add up to a logit.

    Attributes
    ----------
    term : ndarray (T, M), int16
        Which term a node asks for; -1 at a leaf.
    limit : ndarray (T, M), float64
        A value of at most this goes left.
    left, right : ndarray (T, M), int16
        Nodes of the same tree.
    value : ndarray (T, M), float64
        Of leaves.
    base : float
        Logit without any tree.

    """

    term: np.ndarray
    limit: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    base: float

    def probability(self, evidence: np.ndarray) -> np.ndarray:
        """
        Return the probability of each row of evidence.

        Parameters
        ----------
        evidence : ndarray (N, F), float64

        Returns
        -------
        ndarray (N,), float64

        """
        tree = np.arange(len(self.term))
        node = np.zeros((len(evidence), len(tree)), dtype=np.int64)
        rows = np.arange(len(evidence))[:, None]
        while True:
            term = self.term[tree, node]  # (N, T)
            inner = term >= 0
            if not inner.any():
                break
            goes_left = evidence[rows, np.maximum(term, 0)] <= self.limit[tree, node]
            below = np.where(goes_left, self.left[tree, node], self.right[tree, node])
            node = np.where(inner, below, node)
        return 1 / (1 + np.exp(-(self.base + self.value[tree, node].sum(1))))


@lru_cache(maxsize=1)
def fitted_quality() -> BoostedTrees:
    """Return the model that is part of the package; `scripts/fit_regions.py` makes it."""
    data = (resources.files('rescene4d_ros.tracking.regions') / MODEL).read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        return BoostedTrees(
            arrays['term'],
            arrays['limit'].astype(np.float64),
            arrays['left'],
            arrays['right'],
            arrays['value'].astype(np.float64),
            float(arrays['base']),
        )
