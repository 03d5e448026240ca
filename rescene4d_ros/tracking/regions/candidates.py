"""Sets of points that may be things that came or went: changed surface, grown to whole things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.tracking.regions.surfaces import VisitSurfaces
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

REACH = 0.5  # m; distances to the other visit are measured up to here
STATIC = 0.12  # m; nearer than this most surfaces are the same ones
CHANGED = (0.045, 0.1)  # m; bounds of the distance from which a surface has changed
CHANGED_RESIDUAL = 1.6  # that distance over the 90th percentile of static distances
CLEARLY_CHANGED = 2.0  # the same, for a stricter set
SLIGHTLY_CHANGED = 0.65  # the same, for a looser set: things that turn in place
GAP = 0.065  # m; parts farther apart are two regions
OPENING_NEIGHBORS = 3  # a changed point with fewer changed ones within the gap is noise
CLUSTER_GAP = 0.045  # m; the same for things that stand free
LEAST_POINTS = 15
GROW_SHARE = 0.08  # of a free-standing cluster that must have changed for all of it to count
GROW_MOST = 12  # times its changed points, the most that a region grows
SAME_SET = 0.9  # intersection over union from which two proposals are one
COLOR_CHANGED = (
    16.0,
    30.0,
)  # of 255; mean differences of color from which a surface is another one
COLOR_RADIUS = 0.06  # m; within which colors are averaged


@dataclass(frozen=True)
class Compared:
    """
    Hold one visit's surfaces beside those of the other visit.

    Attributes
    ----------
    surfaces, other : VisitSurfaces
    distance : ndarray (M,), float64, m
        From each point of `surfaces` to the nearest one of `other`; at most `REACH`.
    color_change : ndarray (M,), float32, 0..255
        Difference of the colors around each point; 0 where the surface itself has changed or
        there is no color.
    changed_at : float, m
        Distance from which a surface has changed.

    """

    surfaces: VisitSurfaces
    other: VisitSurfaces
    distance: np.ndarray
    color_change: np.ndarray
    changed_at: float

    @property
    def changed(self) -> np.ndarray:
        """Say of each point whether the other visit shows no surface there (M,), bool."""
        return self.distance > self.changed_at


def compare(surfaces: VisitSurfaces, other: VisitSurfaces) -> Compared:
    """
    Measure how far one visit's surfaces lie from another's, and from where on that is a change.

    The limit follows the residual of what did not change and the spacing of the other visit, so
    that noise, a small error of registration and gaps between points are no changes.
    """
    distance, nearest = other.tree.query(surfaces.xyz, distance_upper_bound=REACH)
    distance = np.minimum(distance, REACH)
    static = distance[distance < STATIC]
    residual = float(np.percentile(static, 90)) if len(static) else STATIC
    least, most = np.array(CHANGED) * other.sparsity
    changed_at = float(np.clip(CHANGED_RESIDUAL * residual, least, most))
    change = _color_change(surfaces, other, distance, nearest, changed_at)
    return Compared(surfaces, other, distance, change, changed_at)


def _color_change(
    surfaces: VisitSurfaces,
    other: VisitSurfaces,
    distance: np.ndarray,
    nearest: np.ndarray,
    changed_at: float,
) -> np.ndarray:
    """Return how far the colors of unchanged surfaces differ, other light taken out."""
    change = np.zeros(len(surfaces), dtype=np.float32)
    same = np.flatnonzero(distance < changed_at)
    if surfaces.rgb is None or other.rgb is None or len(same) < 100:
        return change
    now, before = surfaces.rgb[same], other.rgb[nearest[same]]
    gain = np.median((now + 8.0) / (before + 8.0), axis=0)
    difference = now - np.clip((before + 8.0) * gain - 8.0, 0, 255)
    cell = np.floor(surfaces.xyz[same] / COLOR_RADIUS).astype(np.int64)
    cell -= cell.min(0)
    span = cell.max(0) + 1
    _, member = np.unique(
        (cell[:, 0] * span[1] + cell[:, 1]) * span[2] + cell[:, 2], return_inverse=True
    )
    count = np.bincount(member)
    mean = np.stack([np.bincount(member, difference[:, c]) / count for c in range(3)], axis=1)
    change[same] = np.abs(mean).max(1)[member]
    return change


def find_candidates(pair: Compared) -> list[np.ndarray]:
    """
    Propose sets of points that may each be one thing that came or went.

    Returns
    -------
    list of ndarray (K,), int64
        Positions in `pair.surfaces`, ascending. Sets may overlap, though no two are nearly
        the same: which of them are things is decided later.

    """
    surfaces = pair.surfaces
    solid = ~surfaces.is_floor & ~surfaces.is_wall
    clusters = _Clusters(surfaces.xyz, solid, CLUSTER_GAP * surfaces.sparsity)
    masks = (
        pair.changed & ~surfaces.is_floor,
        pair.changed & solid,
        (pair.distance > CLEARLY_CHANGED * pair.changed_at) & solid,
        (pair.distance > SLIGHTLY_CHANGED * pair.changed_at) & solid,
        *(pair.color_change > limit for limit in COLOR_CHANGED),
    )
    neighbors = _Neighbors(surfaces.xyz, np.logical_or.reduce(masks), GAP * surfaces.sparsity)
    found: dict[bytes, np.ndarray] = {}
    for mask in masks:
        for region in neighbors.components(mask):
            for points in (region, clusters.grown(region)):
                if len(points) >= LEAST_POINTS:
                    found.setdefault(points.tobytes(), points)
    return _distinct(list(found.values()), len(surfaces))


def _distinct(candidates: list[np.ndarray], n_points: int) -> list[np.ndarray]:
    """Return the candidates without those that nearly equal an earlier one."""
    if not candidates:
        return candidates
    size = np.array([len(points) for points in candidates])
    holds = csr_matrix(
        (np.ones(size.sum(), np.int32), np.concatenate(candidates), np.r_[0, np.cumsum(size)]),
        shape=(len(candidates), n_points),
    )
    shared = (holds @ holds.T).tocoo()
    union = size[shared.row] + size[shared.col] - shared.data
    again = (shared.row > shared.col) & (shared.data >= SAME_SET * union)
    repeated = set(shared.row[again].tolist())
    return [points for k, points in enumerate(candidates) if k not in repeated]


class _Neighbors:
    """Pairs of points within a gap of each other, among some points; found once, asked often."""

    def __init__(self, xyz: np.ndarray, mask: np.ndarray, gap: float):
        self._chosen = np.flatnonzero(mask)
        self._graph = csr_matrix((len(self._chosen), len(self._chosen)), dtype=np.int8)
        if len(self._chosen):
            self._graph = _pairs_within(xyz[self._chosen], gap)

    def components(self, mask: np.ndarray) -> list[np.ndarray]:
        """Return the connected parts of some points, after an opening that drops lone ones."""
        inside = mask[self._chosen]
        asked = inside.astype(np.int32)
        crowd = self._graph @ asked + self._graph.T @ asked
        rows = np.flatnonzero(inside & (crowd >= OPENING_NEIGHBORS))
        label = connected_components(self._graph[rows][:, rows], directed=False)[1]
        order = np.argsort(label, kind='stable')
        ends = np.flatnonzero(np.diff(label[order])) + 1
        parts = np.split(self._chosen[rows[order]], ends)
        return [part for part in parts if len(part) >= LEAST_POINTS]


class _Clusters:
    """Free-standing clusters of some points."""

    def __init__(self, xyz: np.ndarray, mask: np.ndarray, gap: float):
        chosen = np.flatnonzero(mask)
        label = _connected(xyz[chosen], gap) if len(chosen) else np.zeros(0, np.int64)
        self._label = np.full(len(xyz), -1)
        self._label[chosen] = label
        self._size = np.bincount(label)
        self._members = chosen[np.argsort(label, kind='stable')]
        self._end = np.cumsum(self._size)

    def grown(self, region: np.ndarray) -> np.ndarray:
        """Return a region with all of each cluster of which enough is in it."""
        mine = self._label[region]
        inside = np.bincount(mine[mine >= 0], minlength=len(self._size))
        whole = np.flatnonzero(inside > GROW_SHARE * self._size)
        if len(whole) == 0:
            return region
        inside_grown = np.zeros(len(self._label), dtype=bool)
        inside_grown[region] = True
        for k in whole.tolist():
            inside_grown[self._members[self._end[k] - self._size[k] : self._end[k]]] = True
        grown = np.flatnonzero(inside_grown)
        return grown if len(grown) <= GROW_MOST * len(region) else region


def _pairs_within(xyz: np.ndarray, gap: float) -> csr_matrix:
    """Return the pairs of points (N, 3) at most `gap` m apart, each once (N, N), int8."""
    i, j = cKDTree(xyz).query_pairs(gap, output_type='ndarray').T.astype(np.int32)
    pairs = coo_matrix((np.ones(len(i), dtype=np.int8), (i, j)), shape=(len(xyz), len(xyz)))
    pairs.has_canonical_format = True  # no pair comes twice, and nobody needs rows in order
    return pairs.tocsr()


def _connected(xyz: np.ndarray, gap: float) -> np.ndarray:
    """Return the connected component of each point (N,), with steps of at most `gap` m."""
    return connected_components(_pairs_within(xyz, gap), directed=False)[1]
