"""From raw queries to instances by candidates, their quality and a choice without overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.selection.candidates import (
    Candidates,
    Evidence,
    evidence_of,
    make_candidates,
    soft_overlaps,
)
from rescene4d_ros.inference.selection.choice import (
    choose_greedily,
    choose_on_tree,
    exchange_for_queries,
    link_visits,
)
from rescene4d_ros.inference.selection.features import quality_inputs
from rescene4d_ros.inference.selection.merge_tree import agreement, relatives
from rescene4d_ros.inference.selection.quality import (
    find_quality,
    LEAST_POINTS,
    quality_file,
    QualityModel,
)
from rescene4d_ros.inference.selection.regions import make_regions, Regions
from rescene4d_ros.inference.split_instances import split_instances
from rescene4d_ros.structures import Prediction, Scan, Segmentation

LEAST_LEFT = 0.8  # share of its points that a chosen candidate has to itself, greedy choice only
# One object in two visits is worth more than one in each where the same queries claim both.
SPANS, LEAST_AGREEMENT = 0.2, 0.25


def has_quality(weights: str | Path) -> bool:
    """Return whether a model of mask quality is beside a weights file."""
    return bool(str(weights)) and quality_file(weights).exists()


def tree_selection(
    weights: str | Path, fitted_to: str
) -> Callable[[Prediction, Sequence[Scan], InferenceConfig], Segmentation]:
    """
    Return the choice on the merge tree, with the quality model beside a weights file.

    Parameters
    ----------
    weights : str or Path
    fitted_to : str
        Hash of the weights file, see `find_quality`.

    """
    return partial(segment_by_tree, quality=find_quality(weights, fitted_to))


def segment_by_tree(
    prediction: Prediction,
    scans: Sequence[Scan],
    config: InferenceConfig,
    quality: QualityModel | None,
) -> Segmentation:
    """
    Make instances of the best candidates among queries and nodes of a merge tree.

    Parameters
    ----------
    prediction : Prediction
        Of T visits.
    scans : sequence of T Scan
        The same visits.
    config : InferenceConfig
    quality : QualityModel or None
        None: the quality is the soft overlap with the query that agrees best times the
        objectness of that query.

    """
    nothing = [np.full(len(mask), -1) for mask in prediction.mask_probs]
    if not len(prediction.class_probs):
        return _instances(prediction, scans, config, np.zeros((0, 0)), np.zeros(0), nothing)
    regions, evidence = make_regions(prediction, scans), evidence_of(prediction)
    candidates = make_candidates(
        regions, evidence.mask_probs, evidence.certainty, config.mask_threshold
    )
    worth = visit_quality(regions, evidence, candidates, config.min_points, quality)
    value = value_of(regions, evidence, candidates, worth, config.least_quality)
    owner = choose(regions, candidates, value, config.choice)
    chosen = np.unique(owner[owner >= 0])
    masks = owner[:, None] == chosen
    group = link_visits(regions, evidence, masks)
    n_objects = int(group.max(initial=-1)) + 1
    belongs = group[:, None] == np.arange(n_objects)
    label = np.append(group, -1)[np.where(owner < 0, len(chosen), np.searchsorted(chosen, owner))]
    support = soft_overlaps(regions.points, evidence.mask_probs, masks @ belongs)[1]
    shown = ~np.isnan(worth[chosen])
    total = np.where(shown, worth[chosen], 0).sum(axis=1) @ belongs
    ends = np.cumsum([len(mask) for mask in prediction.mask_probs])[:-1]
    return _instances(
        prediction,
        scans,
        config,
        support * evidence.certainty,
        total / (shown.sum(axis=1) @ belongs).clip(min=1),
        np.split(label, ends),
    )


def visit_quality(
    regions: Regions,
    evidence: Evidence,
    candidates: Candidates,
    min_points: int,
    quality: QualityModel | None,
) -> np.ndarray:
    """
    Tell the quality of every candidate in every visit.

    Returns
    -------
    ndarray (C, T), float64
        In 0..1; NaN where a candidate has fewer than `min_points` points in a visit.

    """
    worth = np.full((len(candidates), int(regions.visit.max()) + 1), np.nan)
    for t in range(worth.shape[1]):
        rows, own = regions.of_visit(t)
        if not len(own):
            continue
        area = own.points @ candidates.masks[rows]
        # The small ones that a model was fitted with are described too, as relatives of others.
        shown = np.flatnonzero(area >= min(min_points, LEAST_POINTS))
        said, seen = evidence.of_rows(rows), candidates.restricted(rows, shown)
        if quality is None:
            soft_iou = soft_overlaps(own.points, said.mask_probs, seen.masks)[1]
            worth[shown, t] = (soft_iou * said.certainty).max(axis=1)
        elif len(shown):
            worth[shown, t] = _predict(quality, own, said, seen).mean(axis=1)
        worth[area < min_points, t] = np.nan
    return worth


def _predict(
    quality: QualityModel, regions: Regions, evidence: Evidence, candidates: Candidates
) -> np.ndarray:
    """Return what a quality model tells (C, 3) of the candidates of one visit."""
    related = None
    if quality.contexts:
        related = relatives(
            regions.points, candidates.masks, candidates.parent, candidates.n_queries
        )
    of_network = quality.n_network_features > 0
    inputs = quality_inputs(regions, evidence, candidates, related, of_network)
    if inputs.shape[1] != len(quality.center):
        expected = quality.n_network_features
        got = inputs.shape[1] - len(quality.center) + expected
        raise WeightsError(
            f'mask quality: expected {expected} features of the network, got {got}; fit it anew '
            'with scripts/fit_mask_quality.py'
        )
    return quality.predict(inputs, related)


def value_of(
    regions: Regions,
    evidence: Evidence,
    candidates: Candidates,
    worth: np.ndarray,
    least_quality: float,
) -> np.ndarray:
    """
    Sum up what each candidate is worth: its quality above the least in every visit.

    A further visit adds to it, or takes from it, by how much the same queries claim what the
    candidate holds in both.

    Parameters
    ----------
    regions : Regions
    evidence : Evidence
    candidates : Candidates
    worth : ndarray (C, T), float64
        Of `visit_quality`.
    least_quality : float

    Returns
    -------
    ndarray (C,), float64

    """
    shown = ~np.isnan(worth)
    value = np.where(shown, worth - least_quality, 0).sum(axis=1)
    spanning = np.flatnonzero(shown.sum(axis=1) > 1)
    claims = evidence.mask_probs * evidence.certainty
    before = np.zeros((len(spanning), claims.shape[1]), dtype=np.float32)
    has_before = np.zeros(len(spanning), dtype=bool)
    for t in range(worth.shape[1] if len(spanning) else 0):
        rows = regions.visit == t
        weighted = candidates.masks[np.ix_(rows, spanning)] * regions.points[rows, None]
        now = weighted.T.astype(np.float32) @ claims[rows]
        now /= weighted.sum(axis=0)[:, None].clip(min=1)
        is_shown = shown[spanning, t]
        again = is_shown & has_before
        value[spanning[again]] += SPANS * (agreement(before[again], now[again]) - LEAST_AGREEMENT)
        before[is_shown] = now[is_shown]
        has_before |= is_shown
    return value


def choose(regions: Regions, candidates: Candidates, value: np.ndarray, choice: str) -> np.ndarray:
    """Return the candidate (S,) of each superpoint, -1 = none, by `InferenceConfig.choice`."""
    if choice == 'greedy':
        return choose_greedily(candidates, regions.points, value, LEAST_LEFT)
    return exchange_for_queries(candidates, value, choose_on_tree(candidates, value))


def _instances(
    prediction: Prediction,
    scans: Sequence[Scan],
    config: InferenceConfig,
    support: np.ndarray,
    worth: np.ndarray,
    superpoint_labels: Sequence[np.ndarray],
) -> Segmentation:
    """
    Give chosen masks a class, features and scores, and split those that lie apart.

    Parameters
    ----------
    prediction, scans, config
        As of `segment_by_tree`.
    support : ndarray (I, Q), float
        How much each query agrees with each chosen mask.
    worth : ndarray (I,), float
    superpoint_labels : sequence of T ndarrays (S_t,), int
        Chosen mask of each superpoint, -1 = none.

    """
    best = support.argmax(axis=1) if support.size else np.zeros(len(worth), dtype=np.int64)
    votes = support**2 / (support**2).sum(axis=1, keepdims=True).clip(min=1e-12)
    objects = votes @ prediction.class_probs[:, :-1]
    objects = objects / objects.sum(axis=1, keepdims=True).clip(min=1e-12)
    labels, sure = [], []
    for points, own, masks in zip(prediction.superpoint, superpoint_labels, prediction.mask_probs):
        label = own[points]
        few = np.bincount(label[label >= 0], minlength=len(worth)) < config.min_points
        label[np.append(few, False)[label]] = -1
        inside = np.einsum('sq,sq->s', votes[own], masks) if len(worth) else np.zeros(len(own))
        labels.append(label)
        sure.append(inside[points].clip(min=1e-3))
    labels, source = split_instances(
        labels, [s.xyz for s in scans], len(worth), config.split_gap, config.min_points
    )
    return Segmentation(
        labels=tuple(label.astype(np.int32) for label in labels),
        class_probs=objects[source].astype(np.float32),
        # The root: as large as the scores of queries, for which the memory's bounds were chosen.
        scores=(np.sqrt(worth) * objects.max(axis=1, initial=0))[source].astype(np.float32),
        features=_appearance(prediction, support)[source],
        point_scores=tuple(
            np.where(label < 0, 0, score).astype(np.float32) for label, score in zip(labels, sure)
        ),
        queries=best[source],
    )


def _appearance(prediction: Prediction, support: np.ndarray) -> np.ndarray:
    """Return the features (I, C) of the query that agrees best, averaged over orientations."""
    each = np.split(np.arange(support.shape[1]), prediction.orientations)
    best = [own[support[:, own].argmax(axis=1)] if len(own) else own for own in each]
    return np.stack([prediction.features[b] for b in best]).mean(axis=0)
