"""Superpoints of all visits as a graph: size, shape and color of each, and who touches whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rescene4d_ros.structures import Prediction, Scan
from scipy.sparse import csr_matrix

FLOOR_SHARE = 0.01  # of the points lie below the floor, as strays do
CELL = 0.05  # m; superpoints with points in the same or in adjacent cells touch
SECOND_MOMENTS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True)
class Regions:
    """
    Hold the S superpoints of T visits.

    Attributes
    ----------
    visit : ndarray (S,), int64
    points : ndarray (S,), float64
        Number of points, at least 1.
    moments : ndarray (S, 9), float64, m and m^2
        Means of x, y, z and of their products, in the order of `SECOND_MOMENTS`.
    low, high : ndarray (S, 3), float64, m
        Bounding boxes.
    color : ndarray (S, 3), float64
        Mean, 0..255; 0 without color.
    edges : ndarray (E, 2), int64
        Pairs of superpoints of one visit that touch; the smaller number first.
    contact : ndarray (E,), float64
        Pairs of touching cells.
    overlaps : ndarray (O, 2), int64
        Pairs of superpoints of different visits that share cells; the smaller number first.
    shared : ndarray (O,), float64
        Pairs of cells of the two that touch.

    """

    visit: np.ndarray
    points: np.ndarray
    moments: np.ndarray
    low: np.ndarray
    high: np.ndarray
    color: np.ndarray
    edges: np.ndarray
    contact: np.ndarray
    overlaps: np.ndarray
    shared: np.ndarray

    def __len__(self) -> int:
        """Return the number of superpoints S."""
        return len(self.visit)

    @cached_property
    def contact_matrix(self) -> csr_matrix:
        """Return the contact of each two superpoints of one visit, symmetric (S, S)."""
        return self.symmetric(self.contact)

    def symmetric(self, values: np.ndarray) -> csr_matrix:
        """Return the values (E,) of the edges as a symmetric (S, S) matrix, float32."""
        first, second = self.edges.T
        both = np.concatenate([first, second]), np.concatenate([second, first])
        twice = np.concatenate([values, values]).astype(np.float32)
        return csr_matrix((twice, both), shape=(len(self),) * 2)

    def of_visit(self, visit: int) -> tuple[slice, Regions]:
        """Return the rows of one visit's superpoints, and these alone."""
        first, end = np.searchsorted(self.visit, [visit, visit + 1]).tolist()
        rows = slice(first, end)
        own = (self.edges[:, 0] >= first) & (self.edges[:, 0] < end)
        return rows, Regions(
            np.zeros(end - first, dtype=np.int64),
            self.points[rows],
            self.moments[rows],
            self.low[rows],
            self.high[rows],
            self.color[rows],
            self.edges[own] - first,
            self.contact[own],
            self.overlaps[:0],
            self.shared[:0],
        )


def make_regions(prediction: Prediction, scans: Sequence[Scan]) -> Regions:
    """
    Measure the superpoints of T visits.

    Parameters
    ----------
    prediction : Prediction
    scans : sequence of T Scan
        The same visits.

    """
    counts = [len(mask) for mask in prediction.mask_probs]
    starts = np.concatenate([[0], np.cumsum(counts)])
    n = int(starts[-1])
    owner = np.concatenate([s + start for s, start in zip(prediction.superpoint, starts)])
    xyz = np.concatenate([scan.xyz for scan in scans]).astype(np.float64)
    rgb = np.concatenate(
        [np.zeros_like(scan.xyz) if scan.rgb is None else scan.rgb for scan in scans]
    )
    points = np.bincount(owner, minlength=n).astype(np.float64)
    products = np.stack([xyz[:, a] * xyz[:, b] for a, b in SECOND_MOMENTS], axis=1)
    low, high = _bounds(xyz, owner, n)
    pairs, contact = touching(xyz, owner, n)
    visit = np.repeat(np.arange(len(counts)), counts)
    together = visit[pairs[:, 0]] == visit[pairs[:, 1]]
    return Regions(
        visit,
        points,
        _means(np.hstack([xyz, products]), owner, points),
        low,
        high,
        _means(rgb.astype(np.float64), owner, points),
        pairs[together],
        contact[together],
        pairs[~together],
        contact[~together],
    )


def touching(
    xyz: np.ndarray, owner: np.ndarray, n: int, cell: float = CELL
) -> tuple[np.ndarray, np.ndarray]:
    """
    Find the groups of points that lie in the same or in adjacent cells.

    Parameters
    ----------
    xyz : ndarray (N, 3), float64, m
    owner : ndarray (N,), int64
        Group of each point, 0..n - 1.
    n : int
    cell : float, m

    Returns
    -------
    pairs : ndarray (E, 2), int64
        Sorted; the smaller number first.
    contact : ndarray (E,), float64
        Pairs of cells, one of each group, that are the same or share a face, edge or corner.

    """
    if not len(xyz):
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0)
    place = np.floor(xyz / cell).astype(np.int64)
    place -= place.min(axis=0) - 1
    _, width, height = place.max(axis=0) + 2  # a free cell at each border: no wrap-around
    strides = np.array([width * height, height, 1])
    entries = _distinct(np.sort((place @ strides) * n + owner))
    cells, groups = np.divmod(entries, n)
    keys = []
    for step in _half_neighborhood() @ strides:
        first, end = (np.searchsorted(cells, cells + step, side=s) for s in ('left', 'right'))
        count = end - first
        before = np.cumsum(count) - count
        partner = np.arange(count.sum()) + np.repeat(first - before, count)
        one, other = np.repeat(groups, count), groups[partner]
        apart = one < other if step == 0 else one != other
        one, other = one[apart], other[apart]
        keys.append(np.minimum(one, other) * n + np.maximum(one, other))
    every = np.sort(np.concatenate(keys))
    distinct = _distinct(every)
    ends = np.append(np.searchsorted(every, distinct), len(every))
    return np.stack(np.divmod(distinct, n), axis=1), np.diff(ends).astype(np.float64)


def _half_neighborhood() -> np.ndarray:
    """Return the cell itself and one of each two opposite neighbors, (14, 3)."""
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
    return steps[len(steps) // 2 :]


def _distinct(ordered: np.ndarray) -> np.ndarray:
    """Return the distinct values of a sorted array."""
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _means(values: np.ndarray, owner: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the (S, C) mean of the values (N, C) of each superpoint's points."""
    sums = [np.bincount(owner, weights=column, minlength=len(points)) for column in values.T]
    return np.stack(sums, axis=1) / points[:, None].clip(min=1)


def _bounds(xyz: np.ndarray, owner: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest coordinates (S, 3) of each superpoint's points."""
    order = np.argsort(owner, kind='stable')
    starts = np.searchsorted(owner[order], np.arange(n)).clip(max=len(xyz) - 1)
    return np.minimum.reduceat(xyz[order], starts), np.maximum.reduceat(xyz[order], starts)


def extreme(values: np.ndarray, masks: np.ndarray, worst: float) -> np.ndarray:
    """Return the smallest (worst = inf) or largest value (C,) in each mask; 0 where none is."""
    pick = np.min if worst > 0 else np.max
    found = pick(np.where(masks, values[:, None], worst), axis=0, initial=worst)
    return np.where(np.isfinite(found), found, 0.0)


def heights(regions: Regions) -> tuple[float, float]:
    """Return the height of floor and ceiling, m; strays do not count."""
    order = np.argsort(regions.moments[:, 2])
    share = np.cumsum(regions.points[order]) / regions.points.sum()
    ends = np.searchsorted(share, [FLOOR_SHARE, 1 - FLOOR_SHARE]).clip(max=len(order) - 1)
    floor, ceiling = regions.moments[order[ends], 2].tolist()
    return floor, ceiling
