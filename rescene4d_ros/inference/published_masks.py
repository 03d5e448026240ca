"""Overlapping masks as published code makes them, for scores that compare with publications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.structures import Prediction, Scan
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

INSIDE = 0.5  # published: logit above 0
_TINY = 1e-6  # published: keeps the score of an empty mask at 0


@dataclass(frozen=True)
class PublishedMasks:
    """
    Masks of T visits, best first; they overlap, and a query may have several classes.

    Attributes
    ----------
    inside : tuple of T ndarrays (P, N_t), bool
        Points of each mask.
    classes : ndarray (P,), int64
        Of the network.
    scores : ndarray (P,), float64
        Class probability times mean mask probability inside the mask.
    queries : ndarray (P,), int64

    """

    inside: tuple[np.ndarray, ...]
    classes: np.ndarray
    scores: np.ndarray
    queries: np.ndarray


def published_masks(
    prediction: Prediction,
    scans: Sequence[Scan],
    top: int = 100,
    gap: float = 0.0,
    spacing: float = 0.02,
) -> PublishedMasks:
    """
    Make the masks of the `top` best pairs of query and class.

    Nothing is merged, removed or made disjoint. With a gap the parts of a mask that lie apart
    become masks of their own first, as DBSCAN with one point per cluster does in x, y, z and the
    number of the visit; a superpoint belongs to a part that has more than half of its points.

    Parameters
    ----------
    prediction : Prediction
        Of T visits.
    scans : sequence of T Scan
        The same visits.
    top : int
        0 = as many as there are masks.
    gap : float, m
        Largest distance inside a part; 0 = do not split.
    spacing : float, m
        Points of a cube of this edge stand for one another in parts.

    """
    counts = [len(m) for m in prediction.mask_probs]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    owner = np.concatenate(
        [s + start for s, start in zip(prediction.superpoint, starts)] or [np.zeros(0, np.int64)]
    )
    n_superpoints = int(starts[-1])
    probs = np.concatenate(prediction.mask_probs).astype(np.float64)  # (S, Q)
    weight = _weights(prediction, owner, n_superpoints)
    if gap > 0:
        shares, queries = _parts(probs, owner, scans, gap, spacing)
    else:
        shares, queries = (probs > INSIDE).astype(np.float64).T, np.arange(probs.shape[1])
    quality = ((shares * weight) * probs.T[queries]).sum(1) / ((shares * weight).sum(1) + _TINY)
    objects = prediction.class_probs[queries, :-1].astype(np.float64)
    n_classes = max(objects.shape[1], 1)
    best = np.argsort(-objects, axis=None, kind='stable')[: top or len(queries)]
    mask, classes = np.divmod(best, n_classes)
    scores = objects.ravel()[best] * quality[mask]
    order = np.argsort(-scores, kind='stable')
    mask, classes, scores = mask[order], classes[order], scores[order]
    chosen = shares[mask] > 0.5
    ends = np.cumsum([len(s) for s in prediction.superpoint])[:-1]
    return PublishedMasks(
        tuple(chosen[:, part] for part in np.split(owner, ends)), classes, scores, queries[mask]
    )


def _weights(prediction: Prediction, owner: np.ndarray, n: int) -> np.ndarray:
    """Return the voxels of each superpoint, or its points where voxels are not known."""
    if prediction.voxels is not None:
        return np.concatenate(prediction.voxels).astype(np.float64)
    return np.bincount(owner, minlength=n).astype(np.float64)


def _parts(
    probs: np.ndarray, owner: np.ndarray, scans: Sequence[Scan], gap: float, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return of each part the share of every superpoint that lies in it, and its query."""
    kept, places, start = [], [], 0
    for t, scan in enumerate(scans):
        rows = thin(scan.xyz, spacing)
        kept.append(rows + start)
        places.append(np.column_stack([scan.xyz[rows], np.full(len(rows), float(t))]))
        start += len(scan)
    superpoint, xyzt = owner[np.concatenate(kept)], np.concatenate(places)
    n_superpoints, n_queries = probs.shape
    total = np.bincount(superpoint, minlength=n_superpoints).clip(min=1)
    shares: list[np.ndarray] = []
    queries: list[int] = []
    for query in range(n_queries):
        rows = np.flatnonzero(probs[superpoint, query] > INSIDE)
        if not len(rows):
            continue
        part = components(xyzt[rows], gap)
        for k in range(int(part.max()) + 1):
            counts = np.bincount(superpoint[rows[part == k]], minlength=n_superpoints)
            shares.append(counts / total)
            queries.append(query)
    return np.array(shares).reshape(len(shares), n_superpoints), np.array(queries, dtype=np.int64)


def components(points: np.ndarray, gap: float) -> np.ndarray:
    """
    Return the part of each point: points within the gap are in one part, exactly.

    Parameters
    ----------
    points : ndarray (N, D), float
    gap : float

    Returns
    -------
    ndarray (N,), int32
        From 0.

    """
    # Points of a cell are within the gap of each other, so cells are joined, not points.
    edge = gap / np.sqrt(points.shape[1])
    cells, cell = np.unique(np.floor(points / edge).astype(np.int64), axis=0, return_inverse=True)
    order = np.argsort(cell.ravel(), kind='stable')
    members = np.split(points[order], np.cumsum(np.bincount(cell.ravel()))[:-1])
    trees = [cKDTree(m) for m in members]
    reach = int(np.ceil(np.sqrt(points.shape[1])))
    pairs = cKDTree(cells).query_pairs(reach * np.sqrt(points.shape[1]), output_type='ndarray')
    joined = [
        (a, b)
        for a, b in pairs
        if np.isfinite(trees[a].query(members[b], distance_upper_bound=gap + 1e-12)[0]).any()
    ]
    links = np.array(joined, dtype=np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(links)), links.T), shape=(len(cells), len(cells)))
    return connected_components(graph, directed=False)[1][cell.ravel()]
