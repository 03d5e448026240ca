"""What is known of every candidate in one visit, as numbers from which its quality is told."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.inference.selection.candidates import (
    Candidates,
    Evidence,
    network_features,
    soft_overlaps,
)
from rescene4d_ros.inference.selection.merge_tree import (
    agreement,
    likeness,
    plane_axes,
    principal_axes,
    sides_of_merges,
)
from rescene4d_ros.inference.selection.regions import extreme, heights, Regions
from scipy.sparse import csr_matrix

FEATURES = (
    *('best_support', 'best_soft_iou', 'best_certainty', 'best_class', 'best_inside'),
    *('best_hard_iou', 'second_support', 'agreeing', 'agreeing_certain', 'most_inside'),
    *('objectness', 'objectness_spread', 'objectness_rim', 'claim', 'claim_spread', 'claim_rim'),
    *('color_spread', 'color_step', 'level', 'level_rim', 'contact', 'contact_per_point'),
    *('like_inside', 'like_across', 'agree_inside', 'agree_across'),
    *('points', 'superpoints', 'thick', 'middle', 'long', 'planarity', 'upright'),
    *('bottom', 'top', 'top_to_ceiling', 'narrow', 'wide', 'density', 'outer'),
    *('is_node', 'joined', 'leaving', 'persistence', 'share_of_parent'),
)
RELATIONS = (
    *('sibling_agrees', 'sibling_color', 'sibling_normal', 'sibling_offset', 'offset_of_sibling'),
    *('sibling_distance', 'sibling_contact', 'sibling_size', 'partner_iou', 'has_sibling'),
    *('rim_cosine', 'rim_distance', 'norm'),
    *('parent_cosine', 'parent_distance', 'has_parent'),
    *('like_sibling_cosine', 'like_sibling_distance', 'is_sibling_known'),
    *('partner_cosine', 'partner_distance', 'has_partner'),
)
INSIDE = 0.5  # least mask probability inside the mask of a query
AGREES = 0.5  # least soft overlap of a query that agrees with a candidate
ASIDE = 0.1  # m; superpoints farther from the plane of a candidate lie on one side of it


def quality_inputs(
    regions: Regions,
    evidence: Evidence,
    candidates: Candidates,
    related: np.ndarray | None = None,
    of_network: bool = True,
) -> np.ndarray:
    """
    Return what a quality model reads of every candidate in one visit, (C, F), float32.

    The columns of `candidate_features`, followed by those of `network_features` if asked for, and
    of `relation_features` if the relatives (C, 5) are given; the first two compare the candidates
    with the same queries, once.
    """
    overlaps = soft_overlaps(regions.points, evidence.mask_probs, candidates.masks)
    known = [candidate_features(regions, evidence, candidates, overlaps)]
    pooled = np.zeros((len(candidates), 0), np.float32)
    if of_network:
        pooled = network_features(regions, evidence, candidates, overlaps)
        known.append(pooled)
    if related is not None:
        known.append(relation_features(regions, evidence, candidates, related, pooled))
    return np.hstack(known)


def candidate_features(
    regions: Regions,
    evidence: Evidence,
    candidates: Candidates,
    overlaps: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """
    Describe every candidate in one visit.

    Parameters
    ----------
    regions : Regions
        Of one visit.
    evidence : Evidence
        Of its superpoints.
    candidates : Candidates
        Their masks in it.
    overlaps : tuple of two ndarrays (C, Q), float32, optional
        Of `soft_overlaps`, where they are known.

    Returns
    -------
    ndarray (C, F), float32
        By the names in `FEATURES`; finite, also of empty masks.

    """
    if overlaps is None:
        overlaps = soft_overlaps(regions.points, evidence.mask_probs, candidates.masks)
    found = {
        **_claims(regions, evidence, candidates, *overlaps),
        **_inside_and_rim(regions, evidence, candidates),
        **_bonds(regions, evidence, candidates),
        **_shape(regions, candidates),
        **_growth(regions, candidates),
    }
    return np.stack([found[name] for name in FEATURES], axis=1).astype(np.float32)


def _claims(
    regions: Regions,
    evidence: Evidence,
    candidates: Candidates,
    inside: np.ndarray,
    soft_iou: np.ndarray,
) -> dict[str, np.ndarray]:
    """Say which queries agree with each candidate."""
    certain = evidence.certainty
    support = soft_iou * certain
    rows = np.arange(len(candidates))
    best = support.argmax(axis=1)
    largest = support[rows, best]
    support[rows, best] = 0
    agrees = soft_iou >= AGREES
    return {
        'best_support': largest,
        'best_soft_iou': soft_iou[rows, best],
        'best_certainty': certain[best],
        'best_class': evidence.class_probs[best, :-1].max(axis=1, initial=0),
        'best_inside': inside[rows, best],
        'best_hard_iou': _hard_iou(regions, candidates, evidence.mask_probs >= INSIDE, best),
        'second_support': support.max(axis=1),
        'agreeing': np.log1p(agrees.sum(axis=1)),
        'agreeing_certain': np.log1p(agrees @ certain),
        'most_inside': (inside * certain).max(axis=1),
    }


def _hard_iou(
    regions: Regions, candidates: Candidates, of_queries: np.ndarray, best: np.ndarray
) -> np.ndarray:
    """Return intersection over union (C,) of each candidate with the mask of its best query."""
    other = of_queries[:, best]
    shared = regions.points @ (candidates.masks & other)
    return shared / (regions.points @ (candidates.masks | other)).clip(min=1)


def _inside_and_rim(
    regions: Regions, evidence: Evidence, candidates: Candidates
) -> dict[str, np.ndarray]:
    """Compare the superpoints of each candidate with those that touch it."""
    masks = candidates.masks.astype(np.float32)
    points = regions.points.astype(np.float32)
    area = (points @ masks).clip(min=1)
    known = np.column_stack(
        [
            evidence.objectness,
            (evidence.mask_probs * evidence.certainty).max(axis=1),
            regions.color / 255,
            plane_axes(regions)[1][:, 2, 0] ** 2,  # 1 for level superpoints
        ]
    ).astype(np.float32)
    inside = (known * points[:, None]).T @ masks / area
    squares = (known**2 * points[:, None]).T @ masks / area
    spread = np.sqrt((squares - inside**2).clip(min=0))
    touching = regions.contact_matrix
    outside = (touching @ masks) * ~candidates.masks
    around = outside.sum(axis=0)
    rim = known.T @ outside / around.clip(min=1)
    contacts = np.asarray(touching.sum(axis=1)).ravel() @ masks
    return {
        'objectness': inside[0],
        'objectness_spread': spread[0],
        'objectness_rim': rim[0],
        'claim': inside[1],
        'claim_spread': spread[1],
        'claim_rim': rim[1],
        'color_spread': spread[2:5].mean(axis=0),
        'color_step': np.linalg.norm(inside[2:5] - rim[2:5], axis=0) * (around > 0),
        'level': inside[5],
        'level_rim': rim[5],
        'contact': around / contacts.clip(min=1),
        'contact_per_point': np.log1p(around / area),
    }


def _bonds(regions: Regions, evidence: Evidence, candidates: Candidates) -> dict[str, np.ndarray]:
    """Say how alike neighbors are inside each candidate and across its border."""
    masks = candidates.masks.astype(np.float32)
    first, second = regions.edges.T
    claims = evidence.mask_probs * evidence.certainty
    bonds = {
        'like': likeness(regions, regions.edges),
        'agree': agreement(claims[first], claims[second]),
    }
    within, across = _inside_and_across(regions.contact_matrix, masks)
    found = {}
    for name, values in bonds.items():
        weighted = regions.symmetric(regions.contact * values)
        kept, left = _inside_and_across(weighted, masks)
        found[f'{name}_inside'] = np.where(within > 0, kept / within.clip(min=1e-9), 1.0)
        found[f'{name}_across'] = left / across.clip(min=1)
    return found


def _inside_and_across(matrix: csr_matrix, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums (C,) of values of edges (S, S) inside masks (S, C), and across borders."""
    twice = (masks * (matrix @ masks)).sum(axis=0)
    return twice / 2, (np.asarray(matrix.sum(axis=1)).ravel() @ masks - twice).clip(min=0)


def _shape(regions: Regions, candidates: Candidates) -> dict[str, np.ndarray]:
    """Measure each candidate, and where it is between floor, ceiling and the rest of the room."""
    masks = candidates.masks
    area = (regions.points @ masks).clip(min=1)
    moments = ((regions.moments * regions.points[:, None]).T @ masks / area).T
    variance, axes = principal_axes(moments)
    size = np.sqrt(12 * variance)  # of a box with evenly spread points
    low = np.stack([extreme(column, masks, np.inf) for column in regions.low.T], axis=1)
    high = np.stack([extreme(column, masks, -np.inf) for column in regions.high.T], axis=1)
    floor, ceiling = heights(regions)
    extent = np.sort((high - low)[:, :2], axis=1)
    normal = axes[:, :, 0]
    side = regions.moments[:, :3] @ normal.T - (moments[:, :3] * normal).sum(axis=1)
    beyond, behind = regions.points @ (side > ASIDE), regions.points @ (side < -ASIDE)
    return {
        'points': np.log(area),
        'superpoints': np.log1p(masks.sum(axis=0)),
        'thick': size[:, 0],
        'middle': size[:, 1],
        'long': size[:, 2],
        'planarity': size[:, 0] / size[:, 1].clip(min=1e-3),
        'upright': normal[:, 2] ** 2,
        'bottom': (low[:, 2] - floor).clip(-1, 4),
        'top': (high[:, 2] - floor).clip(-1, 4),
        'top_to_ceiling': (ceiling - high[:, 2]).clip(-1, 4),
        'narrow': extent[:, 0],
        'wide': extent[:, 1],
        'density': np.log1p(area / ((size[:, 1] * size[:, 2]).clip(min=1e-3) * 1000)),
        'outer': np.minimum(beyond, behind) / regions.points.sum(),
    }


def _growth(regions: Regions, candidates: Candidates) -> dict[str, np.ndarray]:
    """Say how a node arose and how it ends."""
    area = regions.points @ candidates.masks
    of_parent = area / area[candidates.parent].clip(min=1)
    return {
        'is_node': (np.arange(len(candidates)) >= candidates.n_queries).astype(np.float64),
        'joined': candidates.joined,
        'leaving': candidates.leaving,
        'persistence': candidates.joined - candidates.leaving,
        'share_of_parent': np.where(candidates.parent >= 0, of_parent, 1.0),
    }


def relation_features(
    regions: Regions,
    evidence: Evidence,
    candidates: Candidates,
    related: np.ndarray,
    of_network: np.ndarray,
) -> np.ndarray:
    """
    Compare every candidate in one visit with its relatives.

    Parameters
    ----------
    regions, evidence, candidates
        As of `candidate_features`.
    related : ndarray (C, 5), int64
        Of `relatives`.
    of_network : ndarray (C, N), float32
        Of `network_features`; without columns, what is compared in them is 0.

    Returns
    -------
    ndarray (C, R), float32
        By the names in `RELATIONS`; 0 where there is no such relative.

    """
    sibling, partner = related[:, 1], related[:, 4]
    claims = evidence.mask_probs * evidence.certainty
    sides = sides_of_merges(regions, claims, candidates.masks, sibling)
    return np.column_stack(
        [
            sides * (sibling >= 0)[:, None],
            _iou(regions, candidates, partner),
            sibling >= 0,
            _network_distances(evidence, of_network, related),
        ]
    ).astype(np.float32)


def _iou(regions: Regions, candidates: Candidates, other: np.ndarray) -> np.ndarray:
    """Return intersection over union (C,) of each candidate with another one; 0 for -1."""
    masks, others = candidates.masks, candidates.masks[:, other]
    shared, union = regions.points @ (masks & others), regions.points @ (masks | others)
    return shared / union.clip(min=1) * (other >= 0)


def _network_distances(
    evidence: Evidence, of_network: np.ndarray, related: np.ndarray
) -> np.ndarray:
    """Compare the network's features of candidates with rim and relatives, (C, 12)."""
    known = evidence.superpoint_features
    width = known.shape[1] if known is not None and of_network.shape[1] else 0
    inside, rim = of_network[:, :width], of_network[:, width : 2 * width]
    length = np.linalg.norm(inside, axis=1)
    found = [*_cosine_and_distance(inside, rim), length]
    for k in (0, 1, 4):
        is_there = related[:, k] >= 0
        found += [v * is_there for v in _cosine_and_distance(inside, inside[related[:, k]])]
        found.append(is_there)
    return np.stack(found, axis=1)


def _cosine_and_distance(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines and distances (C,) of rows."""
    lengths = [np.linalg.norm(rows, axis=1).clip(min=1e-6) for rows in (one, other)]
    cosine = (one * other).sum(axis=1) / (lengths[0] * lengths[1])
    return cosine, np.linalg.norm(one - other, axis=1)
