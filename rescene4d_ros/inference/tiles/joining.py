"""Instances of overlapping tiles become one set: what tiles share in their overlap is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

SAME_OVERLAP = 0.5  # intersection over union, in the overlap of two tiles, of one object's masks
LEAST_OWN = 0.5  # share of its points that a mask without a counterpart has in its own core
LEAST_FREE = 0.5  # share of its points that no better mask has
MOST_TILES = 4  # that share a point


@dataclass(frozen=True)
class TileMasks:
    """
    Masks of one visit in one tile.

    Attributes
    ----------
    points : ndarray (M,), int64
        Of the visit, ascending: those in the tile.
    labels : ndarray (M,), int
        Instance of the whole window, -1 = none.
    is_core : ndarray (M,), bool
        Whether no other segmented tile has the point in its core.
    at_edge : ndarray (M,), bool
        Whether the point is so near the border of the tile that its object may go on beyond.

    """

    points: np.ndarray
    labels: np.ndarray
    is_core: np.ndarray
    at_edge: np.ndarray


@dataclass(frozen=True)
class VisitMask:
    """
    One object in one visit.

    Attributes
    ----------
    points : ndarray (M,), int64
        Of the visit.
    parts : dict of int to int
        Points from each instance of a tile.
    shown_by : tuple of int
        All instances of tiles that are this object, those whose points are not used included.

    """

    points: np.ndarray
    parts: dict[int, int]
    shown_by: tuple[int, ...]


def join_visit(tiles: Sequence[TileMasks], scores: np.ndarray) -> list[VisitMask]:
    """
    Join the masks of one visit.

    Masks of two tiles that agree in their overlap are one object. Its mask is that of the tile
    that holds it whole, and of those the one with most of it in its core; where no tile holds it
    whole, it is the union. A mask that lies mostly in the core of a tile that has no counterpart
    is dropped, and so is one whose points better masks have.

    Parameters
    ----------
    tiles : sequence of TileMasks
    scores : ndarray (I,), float
        Of all instances of tiles; the better one has contested points.

    """
    table = _Table(tiles)
    masks = []
    for same in _groups(*_agreeing(table), len(scores), np.unique(table.label)):
        sizes = {i: table.points_of(i) for i in same}
        if len(same) == 1 and table.own_share(same[0]) < LEAST_OWN:
            continue
        whole = [i for i in same if not table.is_cut(i)]
        chosen = (
            [max(whole, key=lambda i: (table.own_share(i) * len(sizes[i]), -i))] if whole else same
        )
        points = np.unique(np.concatenate([sizes[i] for i in chosen]))
        masks.append(VisitMask(points, {i: len(sizes[i]) for i in chosen}, tuple(same)))
    return _without_overlap(masks, scores, 1 + int(table.point.max(initial=-1)))


def join_visits(visits: Sequence[Sequence[VisitMask]]) -> list[list[int]]:
    """
    Tell which masks of different visits are one object: those that one tile says are one.

    Tiles that have more points of an object are heard first; no object has two masks in a visit.

    Parameters
    ----------
    visits : sequence of T sequences of VisitMask

    Returns
    -------
    list of T lists of int
        Object of each mask, from 0 on.

    """
    shown: dict[int, list[tuple[int, int, int]]] = {}  # by instance of a tile
    for t, masks in enumerate(visits):
        for k, mask in enumerate(masks):
            for instance in mask.shown_by:
                used = mask.parts.get(instance, 0)
                shown.setdefault(instance, []).append((used, t, k))
    claims = [
        (min(one[0], other[0]), one[1:], other[1:])
        for places in shown.values()
        for n, one in enumerate(places)
        for other in places[n + 1 :]
    ]
    group = {(t, k): {t: k} for t, masks in enumerate(visits) for k in range(len(masks))}
    for _, one, other in sorted(claims, key=lambda claim: -claim[0]):
        a, b = group[one], group[other]
        if a is not b and not a.keys() & b.keys():
            a |= b
            group |= dict.fromkeys(b.items(), a)
    names: dict[int, int] = {}
    return [
        [names.setdefault(id(group[t, k]), len(names)) for k in range(len(masks))]
        for t, masks in enumerate(visits)
    ]


class _Table:
    """Every point of every tile, with the instance that has it there."""

    def __init__(self, tiles: Sequence[TileMasks]):
        tile = np.repeat(np.arange(len(tiles)), [len(t.points) for t in tiles])
        point, label, core, edge = (
            np.concatenate([getattr(t, name) for t in tiles] or [np.empty(0, dtype=kind)])
            for name, kind in (
                ('points', np.int64),
                ('labels', np.int64),
                ('is_core', bool),
                ('at_edge', bool),
            )
        )
        order = np.argsort(point, kind='stable')
        self.tile, self.point, self.label = tile[order], point[order], label[order].astype(int)
        by_label = np.argsort(label, kind='stable')
        self._names, starts = np.unique(label[by_label], return_index=True)
        self._points = np.split(point[by_label], starts[1:])
        n = int(label.max(initial=-1)) + 1
        inside = label >= 0
        self._size = np.bincount(label[inside], minlength=n)
        self._own = np.bincount(label[inside & core], minlength=n)
        self._cut = np.bincount(label[inside & edge], minlength=n) > 0

    def points_of(self, instance: int) -> np.ndarray:
        """Return the points of an instance of a tile."""
        return self._points[int(np.searchsorted(self._names, instance))]

    def own_share(self, instance: int) -> float:
        """Return the share of an instance's points that are in the core of its tile."""
        return float(self._own[instance] / max(self._size[instance], 1))

    def is_cut(self, instance: int) -> bool:
        """Return whether an instance reaches the border of its tile."""
        return bool(self._cut[instance])


def _agreeing(table: _Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (P,), (P,) of instances that agree in the overlap of their tiles."""
    firsts, seconds = [], []
    for step in range(1, MOST_TILES):
        at = np.flatnonzero(table.point[step:] == table.point[:-step])
        firsts.append(at)
        seconds.append(at + step)
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    n_tiles = int(table.tile.max(initial=0)) + 1
    n = int(table.label.max(initial=-1)) + 1
    one, other = table.label[first], table.label[second]
    # Points that an instance has in each other tile, whatever that tile says of them.
    within = np.concatenate(
        [one * n_tiles + table.tile[second], other * n_tiles + table.tile[first]]
    )
    names, sizes = np.unique(within[within >= 0], return_counts=True)
    both = (one >= 0) & (other >= 0)
    pairs, which, shared = np.unique(
        one[both] * n + other[both], return_index=True, return_counts=True
    )
    a, b = one[both][which], other[both][which]
    tile_a, tile_b = table.tile[first[both]][which], table.tile[second[both]][which]
    size_a = sizes[np.searchsorted(names, a * n_tiles + tile_b)]
    size_b = sizes[np.searchsorted(names, b * n_tiles + tile_a)]
    same = shared >= SAME_OVERLAP * (size_a + size_b - shared)
    return a[same], b[same]


def _groups(a: np.ndarray, b: np.ndarray, n: int, shown: np.ndarray) -> list[list[int]]:
    """Return the shown instances in groups, by pairs that belong together."""
    links = coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n))
    group = connected_components(links, directed=False)[1] if n else np.empty(0, int)
    members: dict[int, list[int]] = {}
    for instance in shown[shown >= 0].tolist():
        members.setdefault(int(group[instance]), []).append(instance)
    return list(members.values())


def _without_overlap(
    masks: Sequence[VisitMask], scores: np.ndarray, n_points: int
) -> list[VisitMask]:
    """Return masks that share no point; the better has it."""
    is_taken = np.zeros(n_points, dtype=bool)
    quality = [
        sum(scores[i] * count for i, count in mask.parts.items()) / len(mask.points)
        for mask in masks
    ]
    kept = {}
    for k in sorted(range(len(masks)), key=lambda k: -quality[k]):
        points = masks[k].points
        free = points[~is_taken[points]]
        if len(free) >= LEAST_FREE * len(points):
            is_taken[free] = True
            kept[k] = VisitMask(free, masks[k].parts, masks[k].shown_by)
    return [kept[k] for k in sorted(kept)]
