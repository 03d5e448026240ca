"""Evidence for and against points being a thing that came or went, and its probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from io import BytesIO

import numpy as np
from rescene4d_ros.geometry.floor.structure import CLEARLY_BELOW, LEVEL, lowest_of, UPRIGHT
from rescene4d_ros.tracking.regions.candidates import Compared

BORDER = 0.05  # m; edge of the cells in and around a region that hold its border
CONTINUED = 0.35  # m; how far around a region a surface that continues it is looked for
IN_PLANE = 0.04  # m; from the plane of a region, up to which a surface continues it
SYMMETRIC = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))  # entries of a matrix (3, 3)

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
    Measure candidates of one visit against the other visit, all of them at once.

    Parameters
    ----------
    pair : Compared
        The visit that shows the candidates, and the other one.
    other_distance : ndarray (L,), float64, m
        From each point of the other visit to this one.
    candidates : list of C ndarrays of int
        Positions in `pair.surfaces`, none empty; what they share is measured once.

    """

    def __init__(self, pair: Compared, other_distance: np.ndarray, candidates: list[np.ndarray]):
        self._pair = pair
        self._bare = other_distance > pair.changed_at
        self._count = np.array([len(points) for points in candidates], dtype=np.int64)
        self._start = np.r_[0, np.cumsum(self._count)[:-1]].astype(np.int64)
        self._points = np.concatenate([np.zeros(0, np.int64), *candidates])
        self._owner = np.repeat(np.arange(len(candidates)), self._count)

    def measure(self) -> np.ndarray:
        """Return the evidence for each candidate, in the order of `TERMS` (C, len(TERMS))."""
        if len(self._count) == 0:
            return np.zeros((0, len(TERMS)))
        pair, surfaces, rows = self._pair, self._pair.surfaces, self._points
        distance, normal_z = pair.distance[rows], np.abs(surfaces.normals[rows, 2])
        middle, deviation, thin_axis = self._principal_axes()
        low, high = self._bounds()
        bared, observed = self._footprint(high[:, 2])
        border, static = self._border()
        continued = self._continued(low, high, middle, thin_axis)
        return np.stack([
            np.log(self._count),
            self._mean(distance),
            self._median(distance),
            self._mean(distance < 2 * pair.changed_at),
            self._mean(distance >= 0.3),
            *deviation.T,
            low[:, 2] - surfaces.floor_z,
            high[:, 2] - surfaces.floor_z,
            *self._visibility(),
            bared,
            observed,
            border,
            static,
            continued,
            continued * (deviation[:, 0] < 0.02),
            self._mean(normal_z > LEVEL),
            self._mean(normal_z < UPRIGHT),
            self._mean(surfaces.is_wall[rows]),
            self._mean(pair.color_change[rows]),
            self._mean(distance > pair.changed_at),
        ], axis=1)  # fmt: skip

    def _mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of each candidate's values (K, ...), float64."""
        total = np.add.reduceat(values.astype(np.float64), self._start)
        return total / self._count.reshape(-1, *[1] * (values.ndim - 1))

    def _median(self, values: np.ndarray) -> np.ndarray:
        """Return the median of each candidate's values (C,)."""
        return np.array([_median_of(part) for part in np.split(values, self._start[1:])])

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and highest coordinates of each candidate, two (C, 3), float64."""
        xyz = self._pair.surfaces.xyz[self._points]
        low = np.minimum.reduceat(xyz, self._start).astype(np.float64)
        return low, np.maximum.reduceat(xyz, self._start).astype(np.float64)

    def _principal_axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return middles (C, 3), deviations along the axes (C, 3), ascending, and the first."""
        xyz = self._pair.surfaces.xyz[self._points].astype(np.float64)
        middle = self._mean(xyz)
        apart = xyz - middle[self._owner]
        products = self._mean(
            np.stack([apart[:, i] * apart[:, j] for i, j in SYMMETRIC], axis=1)
        )  # (C, 6)
        spread = np.empty((len(middle), 3, 3))
        for k, (i, j) in enumerate(SYMMETRIC):
            spread[:, i, j] = spread[:, j, i] = products[:, k]
        values, axes = np.linalg.eigh(spread)
        return middle, np.sqrt(np.maximum(values, 0)), axes[:, :, 0]

    def _visibility(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return of each candidate the terms past, shown and seen past, three (C,)."""
        surfaces, other = self._pair.surfaces, self._pair.other
        asked, place = _distinct(self._points, len(surfaces))
        xyz, column = surfaces.xyz[asked], surfaces.column[asked]
        low = _lowest_at(other.lowest, column)
        terms = (low < xyz[:, 2] - CLEARLY_BELOW, np.isfinite(low), other.seen_past(xyz))
        first, second, third = (self._mean(term[place]) for term in terms)
        return first, second, third

    def _footprint(self, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which share of each footprint the other visit shows bare, and shows at all."""
        other = self._pair.other
        columns, member = np.unique(self._pair.surfaces.column, return_inverse=True)
        cells = np.unique(self._owner * len(columns) + member[self._points])
        owner, column = cells // len(columns), columns[cells % len(columns)]
        limit = (top + 0.05)[owner]
        shares = []
        bare = lowest_of(other.column[self._bare], other.xyz[self._bare, 2])
        for lowest in (bare, other.lowest):
            there = _lowest_at(lowest, column) < limit
            shares.append(np.bincount(owner, there, len(top)) / np.bincount(owner))
        return shares[0], shares[1]

    def _border(self) -> tuple[np.ndarray, np.ndarray]:
        """Return border points per point of each candidate, and the share of them unchanged."""
        unchanged = ~self._pair.changed
        cells = _Cells(self._pair.surfaces.xyz, unchanged, self._points)
        ends = self._start + self._count
        total, static = np.array([cells.around(a, b) for a, b in zip(self._start, ends)]).T
        total = total - self._count
        static = static - np.add.reduceat(unchanged[self._points].astype(np.int64), self._start)
        return total / self._count, np.where(total > 0, static / np.maximum(total, 1), 0.0)

    def _continued(
        self, low: np.ndarray, high: np.ndarray, middle: np.ndarray, normal: np.ndarray
    ) -> np.ndarray:
        """Return which share of the other visit's points around lie in each region's plane."""
        coarse = self._pair.other.coarse
        near = np.ones((len(low), len(coarse)), dtype=bool)
        for axis in range(3):
            value = coarse[:, axis].astype(np.float64)
            near &= value > low[:, axis, None] - CONTINUED
            near &= value < high[:, axis, None] + CONTINUED
        owner, point = np.nonzero(near)
        offset = ((coarse[point] - middle[owner]) * normal[owner]).sum(1)
        count = np.bincount(owner, minlength=len(low))
        inside = np.bincount(owner, np.abs(offset) < IN_PLANE, len(low))
        return inside / np.maximum(count, 1)


def _median_of(values: np.ndarray) -> float:
    """Return the median of some values; for hundreds of small sets faster than `np.median`."""
    middle = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, middle)[middle])
    ranked = np.partition(values, [middle - 1, middle])
    return float((ranked[middle - 1] + ranked[middle]) / 2)


def _distinct(numbers: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct numbers below a bound, rising, and the place of each among them."""
    there = np.zeros(bound, dtype=bool)
    there[numbers] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[numbers]


def _lowest_at(lowest: tuple[np.ndarray, np.ndarray], asked: np.ndarray) -> np.ndarray:
    """Return the lowest z (N,) in the columns asked for, see `lowest_of`; inf without points."""
    columns, low = lowest
    if len(columns) == 0:
        return np.full(len(asked), np.inf)
    at = np.minimum(np.searchsorted(columns, asked), len(columns) - 1)
    return np.where(columns[at] == asked, low[at], np.inf)


class _Cells:
    """Points counted in the cells of a grid, and in the cells around those that are asked for."""

    def __init__(self, xyz: np.ndarray, static: np.ndarray, asked: np.ndarray):
        cell = np.floor(xyz.astype(np.float64) / BORDER).astype(np.int64)
        cell -= cell.min(0) - 1
        span = cell.max(0) + 2
        key = (cell[:, 0] * span[1] + cell[:, 1]) * span[2] + cell[:, 2]
        keys, cell_of = np.unique(key, return_inverse=True)
        inner, self._of = _distinct(cell_of[asked], len(keys))
        row = ((np.arange(-1, 2)[:, None] * span[1] + np.arange(-1, 2)) * span[2]).ravel()  # (9,)
        around = []
        low = keys[inner] + row[:, None] - 1  # rising along each row, which searches quickly
        at = np.searchsorted(keys, low)
        keys = np.r_[keys, -1]
        for step in range(3):  # the next key is that of the next cell, or the cell is empty
            there = keys[at] == low + step
            around.append(np.where(there, at, len(keys) - 1))
            at = at + there
        self._around = np.concatenate(around)  # (27, C); last: an empty cell
        self._total = np.r_[np.bincount(cell_of), 0]
        self._static = np.r_[np.bincount(cell_of, weights=static), 0].astype(np.int64)

    def around(self, first: int, last: int) -> tuple[int, int]:
        """Return how many points, and static ones, lie in the cells of asked points or beside."""
        mine = np.zeros(self._around.shape[1], dtype=bool)
        mine[self._of[first:last]] = True
        beside = np.zeros(len(self._total), dtype=bool)
        beside[self._around[:, mine]] = True
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
