"""Merge tree over superpoints: first those that the same queries claim and that look alike."""

from __future__ import annotations

from dataclasses import dataclass
import heapq

import numpy as np
from rescene4d_ros.inference.selection.regions import Regions, SECOND_MOMENTS

OFFSET_SCALE = 0.15  # m, distance of one superpoint's middle from the plane of the other
COLOR_SCALE = 80.0  # grey levels, distance of mean colors in RGB
LEAST_AFFINITY = 0.005  # pairs below are never merged
FAINT = 1e-3  # claim of queries in sum below which two superpoints agree in nothing


@dataclass(frozen=True)
class MergeTree:
    """
    Hold the merges of S superpoints, first the pair that belongs together most.

    Attributes
    ----------
    children : ndarray (M, 2), int64
        Of merge m, which makes node S + m: superpoints below S, earlier nodes from S on.
    affinity : ndarray (M,), float64
        Of the two children, in 0..1.

    """

    children: np.ndarray
    affinity: np.ndarray

    def parents(self, n_leaves: int) -> np.ndarray:
        """Return the parent node (S + M,) of every node, -1 for a root."""
        parent = np.full(n_leaves + len(self.children), -1)
        parent[self.children] = n_leaves + np.arange(len(self.children))[:, None]
        return parent

    def members(self, n_leaves: int) -> np.ndarray:
        """Return which superpoints each node holds, (S, S + M), bool; leaves first."""
        inside = np.zeros((n_leaves + len(self.children), n_leaves), dtype=bool)
        np.fill_diagonal(inside, True)
        for m, (a, b) in enumerate(self.children.tolist(), start=n_leaves):
            np.logical_or(inside[a], inside[b], out=inside[m])
        return inside.T


def likeness(regions: Regions, pairs: np.ndarray) -> np.ndarray:
    """
    Compare the surfaces of pairs of superpoints of one visit.

    Parameters
    ----------
    regions : Regions
    pairs : ndarray (E, 2), int

    Returns
    -------
    ndarray (E,), float64
        1 for one plane of one color, falling to 0.

    """
    first, second = pairs.T
    middle, normal = regions.moments[:, :3], plane_axes(regions)[1][:, :, 0]
    step = middle[second] - middle[first]
    offset = np.maximum(
        np.abs(np.einsum('ec,ec->e', normal[first], step)),
        np.abs(np.einsum('ec,ec->e', normal[second], step)),
    )
    return np.exp(-offset / OFFSET_SCALE) * color_likeness(regions.color, pairs)


def color_likeness(color: np.ndarray, pairs: np.ndarray, scale: float = COLOR_SCALE) -> np.ndarray:
    """Compare mean colors (S, 3) of pairs (E, 2): 1 for the same, falling to 0."""
    step = color[pairs[:, 1]] - color[pairs[:, 0]]
    return np.exp(-np.linalg.norm(step, axis=1) / scale)


def plane_axes(regions: Regions) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the principal axes of every superpoint.

    Returns
    -------
    variance : ndarray (S, 3), float64, m^2
        Ascending, along the axes.
    axes : ndarray (S, 3, 3), float64
        Column k of row s is axis k of superpoint s; column 0 is the normal of its plane.

    """
    return principal_axes(regions.moments)


def principal_axes(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return variances (S, 3), m^2, ascending, and axes (S, 3, 3) of moments (S, 9)."""
    middle = moments[:, :3]
    covariance = np.empty((len(moments), 3, 3))
    for k, (a, b) in enumerate(SECOND_MOMENTS):
        value = moments[:, 3 + k] - middle[:, a] * middle[:, b]
        covariance[:, a, b] = covariance[:, b, a] = value
    variance, axes = np.linalg.eigh(covariance)
    return variance.clip(min=0), axes


def agreement(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return intersection over union (E,) of what queries claim of two, rows (E, Q), in 0..1."""
    shared, either = np.minimum(one, other).sum(axis=-1), np.maximum(one, other).sum(axis=-1)
    return shared / (either + FAINT)


def build_tree(
    claims: np.ndarray,
    points: np.ndarray,
    pairs: np.ndarray,
    contact: np.ndarray,
    like: np.ndarray,
) -> MergeTree:
    """
    Merge the pair that belongs together most, again and again.

    The affinity of two neighbors is the agreement of their mean claims times the mean likeness
    of the superpoints that touch, weighted by contact.

    Parameters
    ----------
    claims : ndarray (S, Q), float32
        How much each query claims a superpoint: mask probability times objectness.
    points : ndarray (S,), float
        Weight of each superpoint in means.
    pairs : ndarray (E, 2), int
        Neighbors, each pair once.
    contact, like : ndarray (E,), float
        Weight of each pair, and its likeness.

    """
    n = len(claims)
    mean = np.zeros((2 * n, claims.shape[1]), dtype=np.float32)
    mean[:n] = claims
    weight = np.zeros(2 * n)
    weight[:n] = points
    # Per node: neighbor -> sum of contact times likeness, sum of contact.
    touches: list[dict[int, tuple[float, float]] | None] = [{} for _ in range(n)]
    for (a, b), c, x in zip(pairs.tolist(), contact.tolist(), like.tolist()):
        touches[a][b] = touches[b][a] = (c * x, c)
    affinity = agreement(mean[pairs[:, 0]], mean[pairs[:, 1]]) * like
    queue = [(-v, a, b) for v, (a, b) in zip(affinity.tolist(), pairs.tolist())]
    heapq.heapify(queue)
    children: list[tuple[int, int]] = []
    heights: list[float] = []
    while queue and -queue[0][0] >= LEAST_AFFINITY:
        value, a, b = heapq.heappop(queue)
        if touches[a] is None or touches[b] is None:
            continue
        new = n + len(children)
        children.append((a, b))
        heights.append(-value)
        weight[new] = weight[a] + weight[b]
        mean[new] = (mean[a] * weight[a] + mean[b] * weight[b]) / weight[new]
        around = _join(touches, a, b, new)
        others = list(around)
        if others:
            for k, agrees in zip(others, agreement(mean[new], mean[others]).tolist()):
                likes, contacts = around[k]
                heapq.heappush(queue, (-agrees * likes / contacts, k, new))
    return MergeTree(
        np.array(children, dtype=np.int64).reshape(-1, 2), np.array(heights, dtype=np.float64)
    )


def _join(touches: list, a: int, b: int, new: int) -> dict[int, tuple[float, float]]:
    """Give a new node the neighbors of two, which end; return them."""
    around, rest = touches[a], touches[b]
    for k, (likes, contacts) in rest.items():
        known = around.get(k, (0.0, 0.0))
        around[k] = (known[0] + likes, known[1] + contacts)
    for gone in (a, b):
        around.pop(gone, None)
    for k, sums in around.items():
        touches[k].pop(a, None)
        touches[k].pop(b, None)
        touches[k][new] = sums
    touches[a] = touches[b] = None
    touches.append(around)
    return around


def relatives(
    points: np.ndarray, masks: np.ndarray, parent: np.ndarray, n_queries: int
) -> np.ndarray:
    """
    Return the candidates that each competes with: relatives in the tree, and a partner.

    Parameters
    ----------
    points : ndarray (S,), float
        Points of each superpoint.
    masks : ndarray (S, C), bool
        Of queries, then of nodes of the tree.
    parent : ndarray (C,), int64
        -1 for a root and for queries.
    n_queries : int

    Returns
    -------
    ndarray (C, 5), int64
        Parent, sibling, the two parts, and the query (of a node) or node (of a query) with the
        largest intersection over union; -1 where there is none.

    """
    found = np.full((len(parent), 5), -1)
    found[:, 0] = parent
    parts = np.flatnonzero(parent >= 0)
    parts = parts[np.argsort(parent[parts], kind='stable')]
    is_second = np.append(False, parent[parts[1:]] == parent[parts[:-1]])[: len(parts)]
    for column, part in ((2, parts[~is_second]), (3, parts[is_second])):
        found[parent[part], column] = part
    one, other = found[found[:, 3] >= 0, 2:4].T
    found[one, 1], found[other, 1] = other, one
    if 0 < n_queries < len(parent):
        masks, points = masks.astype(np.float32), points.astype(np.float32)
        area, (queries, nodes) = points @ masks, np.split(masks, [n_queries], axis=1)
        shared = (nodes * points[:, None]).T @ queries
        union = area[n_queries:, None] + area[:n_queries] - shared
        iou = shared / union.clip(min=1)
        found[n_queries:, 4] = iou.argmax(axis=1)
        found[:n_queries, 4] = n_queries + iou.argmax(axis=0)
    return found


def sides_of_merges(
    regions: Regions, claims: np.ndarray, masks: np.ndarray, sibling: np.ndarray
) -> np.ndarray:
    """
    Compare the two sides of merges of one visit.

    Parameters
    ----------
    regions : Regions
    claims : ndarray (S, Q), float32
        How much each query claims a superpoint.
    masks : ndarray (S, C), bool
    sibling : ndarray (C,), int64
        Other side of each mask; what is said where it is -1 means nothing.

    Returns
    -------
    ndarray (C, 8), float64
        Agreement, distance of mean colors (1 = 255 in one channel), cosine of the normals, offsets
        of the middles from either plane and their distance (m), contact of both as a share of all
        contact, logarithm of the ratio of their points.

    """
    area = (regions.points @ masks).clip(min=1)
    weighted = (masks * regions.points[:, None]).T / area[:, None]
    claims = (weighted @ claims).astype(np.float32)
    moments, color = weighted @ regions.moments, weighted @ regions.color
    normal = principal_axes(moments)[1][:, :, 0]
    step = moments[sibling, :3] - moments[:, :3]
    touching = regions.contact_matrix @ masks.astype(np.float32)
    between, rim = (touching[:, sibling] * masks).sum(axis=0), (touching * ~masks).sum(axis=0)
    return np.stack(
        [
            agreement(claims, claims[sibling]),
            np.linalg.norm(color - color[sibling], axis=1) / 255,
            np.abs((normal * normal[sibling]).sum(axis=1)),
            np.abs((normal * step).sum(axis=1)),
            np.abs((normal[sibling] * step).sum(axis=1)),
            np.linalg.norm(step, axis=1),
            between / rim.clip(min=1),
            np.log(area[sibling] / area),
        ],
        axis=1,
    )
