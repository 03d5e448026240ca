"""What the network says of superpoints, and candidates: masks of queries, nodes of a tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.inference.selection.merge_tree import (
    build_tree,
    color_likeness,
    COLOR_SCALE,
    likeness,
    MergeTree,
)
from rescene4d_ros.inference.selection.regions import Regions
from rescene4d_ros.structures import Prediction

LEAST_OBJECTNESS = 0.02  # queries below take no part
# A query may claim what touches its object halfway, or be sure of its middle alone: masks of a
# lower and of a higher threshold are candidates too.
OTHER_THRESHOLDS = (0.6, 1.4)  # times `mask_threshold`
OVERLAP_SHARE = 0.3  # of the largest overlap of a superpoint: others link no visits
USUAL_STEP = 20.0  # grey levels, median difference of one surface over visits that changes nothing


@dataclass(frozen=True)
class Evidence:
    """
    Hold what the network says of the superpoints and queries of one pass.

    Attributes
    ----------
    mask_probs : ndarray (S, Q), float32
    class_probs : ndarray (Q, K + 1), float32
        The last column is "no object".
    objectness : ndarray (S,), float32
        Probability that a superpoint is part of an object, as the backbone alone sees it.
    superpoint_features : ndarray (S, E), float32, optional
        As of `Prediction`.
    features : ndarray (Q, C), float32, optional
        Decoder features of the queries.

    """

    mask_probs: np.ndarray
    class_probs: np.ndarray
    objectness: np.ndarray
    superpoint_features: np.ndarray | None = None
    features: np.ndarray | None = None

    @property
    def certainty(self) -> np.ndarray:
        """Return the probability (Q,) of each query that it is an object."""
        return 1 - self.class_probs[:, -1]

    def of_rows(self, rows: slice) -> Evidence:
        """Return what is said of some superpoints."""
        known = self.superpoint_features
        return Evidence(
            self.mask_probs[rows],
            self.class_probs,
            self.objectness[rows],
            None if known is None else known[rows],
            self.features,
        )


@dataclass(frozen=True)
class Candidates:
    """
    Hold C masks over the S superpoints of all visits: first those of queries, then N nodes.

    Attributes
    ----------
    masks : ndarray (S, C), bool
    n_queries : int
        Masks of queries, one per threshold of each; those that say nothing new are empty.
    parent : ndarray (C,), int64
        Candidate that a node is merged into; -1 for a root and for queries.
    joined, leaving : ndarray (C,), float64
        Affinity of the parts of a node, and of the node and its sibling; a superpoint's own is 1,
        a root's leaving 0. 0 for queries.

    """

    masks: np.ndarray
    n_queries: int
    parent: np.ndarray
    joined: np.ndarray
    leaving: np.ndarray

    def __len__(self) -> int:
        """Return the number of candidates C."""
        return self.masks.shape[1]

    def restricted(self, rows: slice, kept: np.ndarray) -> Candidates:
        """Return some candidates (ascending) with what they hold of some superpoints."""
        place = np.full(len(self) + 1, -1)
        place[kept] = np.arange(len(kept))
        return Candidates(
            self.masks[rows, kept],
            int((kept < self.n_queries).sum()),
            place[self.parent[kept]],
            self.joined[kept],
            self.leaving[kept],
        )


def make_candidates(
    regions: Regions, mask_probs: np.ndarray, objectness: np.ndarray, mask_threshold: float
) -> Candidates:
    """
    Collect the candidates of all visits together; a mask spans visits.

    Parameters
    ----------
    regions : Regions
    mask_probs : ndarray (S, Q), float32
    objectness : ndarray (Q,), float32
        Probability of each query that it is an object.
    mask_threshold : float
        Least probability inside the mask of a query; masks of a lower and a higher one are
        candidates as well.

    """
    used = objectness >= LEAST_OBJECTNESS
    claims = mask_probs[:, used] * objectness[used]
    tree = _tree(regions, claims)
    claimed = _masks_of_queries(mask_probs, used, mask_threshold)
    n, n_queries = len(regions), claimed.shape[1]
    parent = tree.parents(n)
    leaving = np.append(tree.affinity, 0.0)[np.where(parent < 0, len(tree.affinity), parent - n)]
    none = np.zeros(n_queries)
    return Candidates(
        np.hstack([claimed, tree.members(n)]),
        n_queries,
        np.concatenate([none.astype(np.int64) - 1, np.where(parent < 0, -1, parent + n_queries)]),
        np.concatenate([none, np.ones(n), tree.affinity]),
        np.concatenate([none, leaving]),
    )


def _masks_of_queries(mask_probs: np.ndarray, used: np.ndarray, threshold: float) -> np.ndarray:
    """Return the masks (S, M) of Q queries at each threshold, first those of the usual one."""
    masks = [(mask_probs >= threshold) & used]
    for factor in OTHER_THRESHOLDS:
        other = (mask_probs >= factor * threshold) & used
        masks.append(other & (other != masks[0]).any(axis=0))
    return np.hstack(masks)


def _tree(regions: Regions, claims: np.ndarray) -> MergeTree:
    """Merge superpoints that touch, and those of different visits at one place."""
    links = main_overlaps(regions)
    overlaps, shared = regions.overlaps[links], regions.shared[links]
    over_visits = color_likeness(
        regions.color, overlaps, color_scale_over_visits(regions.color, overlaps, shared)
    )
    return build_tree(
        claims,
        regions.points,
        np.concatenate([regions.edges, overlaps]),
        np.concatenate([regions.contact, shared]),
        np.concatenate([likeness(regions, regions.edges), over_visits]),
    )


def color_scale_over_visits(color: np.ndarray, overlaps: np.ndarray, shared: np.ndarray) -> float:
    """
    Return the color scale for superpoints of different visits, in grey levels.

    Cameras choose exposure and white balance at every visit. Most surfaces stay, so the median
    difference at one place is that of the cameras; the scale grows with it.

    Parameters
    ----------
    color : ndarray (S, 3), float64
    overlaps : ndarray (O, 2), int64
    shared : ndarray (O,), float64
        Weights.

    """
    if not len(overlaps):
        return COLOR_SCALE
    step = np.linalg.norm(color[overlaps[:, 1]] - color[overlaps[:, 0]], axis=1)
    median = float(np.quantile(step, 0.5, weights=shared, method='inverted_cdf'))
    return COLOR_SCALE * max(1.0, median / USUAL_STEP)


def main_overlaps(regions: Regions) -> np.ndarray:
    """Return which overlaps (O,) of superpoints of different visits are large for either."""
    first, second = regions.overlaps.T
    largest = np.zeros(len(regions))
    np.maximum.at(largest, first, regions.shared)
    np.maximum.at(largest, second, regions.shared)
    return regions.shared >= OVERLAP_SHARE * np.minimum(largest[first], largest[second])


def evidence_of(prediction: Prediction) -> Evidence:
    """Return what a prediction says of its superpoints and queries, all visits together."""
    masks = np.concatenate(prediction.mask_probs)
    if prediction.objectness is None:
        objectness = (masks * (1 - prediction.class_probs[:, -1])).max(axis=1, initial=0)
    else:
        objectness = np.concatenate(prediction.objectness)
    known = prediction.superpoint_features
    return Evidence(
        masks,
        prediction.class_probs,
        objectness,
        None if known is None else np.concatenate(known),
        prediction.features,
    )


def soft_overlaps(
    points: np.ndarray, mask_probs: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Compare masks with the soft masks of the queries.

    Parameters
    ----------
    points : ndarray (S,), float
        Points of each superpoint.
    mask_probs : ndarray (S, Q), float32
    masks : ndarray (S, C), bool

    Returns
    -------
    inside : ndarray (C, Q), float32
        Mean probability of a query inside a mask; 0 for an empty mask.
    soft_iou : ndarray (C, Q), float32
        Sum of the probability inside over the soft union, in 0..1.

    """
    points = points.astype(np.float32)
    area = points @ masks
    shared = (masks * points[:, None]).T @ mask_probs
    union = area[:, None] + points @ mask_probs - shared
    return shared / area[:, None].clip(min=1), shared / union.clip(min=1)


def network_features(
    regions: Regions,
    evidence: Evidence,
    candidates: Candidates,
    overlaps: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """
    Pool the network's features over every candidate in one visit.

    Parameters
    ----------
    regions, evidence, candidates, overlaps
        As of `candidate_features`, of one visit.

    Returns
    -------
    ndarray (C, 2 E + F + K + 1), float32
        Superpoint features averaged over the points of a candidate, and over the superpoints that
        touch it, weighted by contact (0 where none does); features and class probabilities of the
        query that agrees best. No columns if the evidence holds no features.

    """
    known = evidence.superpoint_features
    if known is None or evidence.features is None:
        return np.zeros((len(candidates), 0), np.float32)
    masks, points = candidates.masks.astype(np.float32), regions.points.astype(np.float32)
    area = points @ masks
    touching = regions.contact_matrix @ masks * ~candidates.masks
    if overlaps is None:
        overlaps = soft_overlaps(regions.points, evidence.mask_probs, candidates.masks)
    best = (overlaps[1] * evidence.certainty).argmax(axis=1)
    return np.hstack(
        [
            (masks.T @ (known * points[:, None])) / area[:, None].clip(min=1),
            (touching.T @ known) / touching.sum(axis=0)[:, None].clip(min=1),
            evidence.features[best],
            evidence.class_probs[best],
        ]
    ).astype(np.float32)
