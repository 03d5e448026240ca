"""From overlapping soft queries to instances that share no point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.split_instances import split_instances
from rescene4d_ros.structures import Prediction, Scan, Segmentation

BEST_PAIRS = 100  # published: topk_per_image, over all pairs of query and class


def segment_queries(
    prediction: Prediction, scans: Sequence[Scan], config: InferenceConfig
) -> Segmentation:
    """
    Make instances of queries.

    Queries below the score threshold go; queries that found the same object become one, with
    the mean of their masks and classes; those that found a part of one, or it and its
    neighbor, go; every superpoint goes to its best query; what has too
    few points in a visit is not in that visit; parts that lie apart become instances of their
    own.

    Parameters
    ----------
    prediction : Prediction
        Of T visits.
    scans : sequence of T Scan
        The same visits; their points tell parts from each other.
    config : InferenceConfig

    """
    n_points = [
        np.bincount(s, minlength=len(m)).astype(np.float64)
        for s, m in zip(prediction.superpoint, prediction.mask_probs)
    ]
    masks = np.concatenate(prediction.mask_probs)  # (S, Q), superpoints of all visits
    weight = np.concatenate(n_points)
    scores = query_scores(prediction.class_probs, masks, weight, config.mask_threshold)
    order = np.argsort(-scores, kind='stable')
    order = order[scores[order] >= max(config.score_threshold, 1e-9)]
    masks, class_probs = masks[:, order], prediction.class_probs[order]
    leader, votes = duplicates(
        masks >= config.mask_threshold, weight, class_probs[:, :-1].argmax(1), config
    )
    kept, masks, class_probs = _merged(masks, class_probs, scores[order] * votes, leader)
    kept = order[kept]
    scores = query_scores(class_probs, masks, weight, config.mask_threshold)
    winner = _best_query(masks, scores, config.mask_threshold)
    labels, point_scores, start = [], [], 0
    for points, n in zip(prediction.superpoint, map(len, prediction.mask_probs)):
        rows = slice(start, start + n)
        won, mask = winner[rows], masks[rows]
        start += n
        label = won[points]
        label[~_is_large(label, len(kept), config.min_points)[label]] = -1
        labels.append(label)
        chosen = mask[np.arange(n), won] if len(kept) else np.zeros(n)
        point_scores.append(chosen[points])
    labels, query = split_instances(
        labels, [s.xyz for s in scans], len(kept), config.split_gap, config.min_points
    )
    source = kept[query]
    objects = class_probs[query, :-1]
    return Segmentation(
        labels=tuple(label.astype(np.int32) for label in labels),
        class_probs=(objects / objects.sum(1, keepdims=True).clip(1e-12)).astype(np.float32),
        scores=scores[query].astype(np.float32),
        features=prediction.features[source],
        point_scores=tuple(
            np.where(label < 0, 0, score).astype(np.float32)
            for label, score in zip(labels, point_scores)
        ),
        queries=source,
    )


def segment_as_published(prediction: Prediction, config: InferenceConfig) -> Segmentation:
    """
    Give every superpoint to the best-scored mask that holds it.

    The published code keeps the `BEST_PAIRS` best pairs of query and class and lets their masks
    overlap. An instance here has one class, that of the query's best pair.

    Parameters
    ----------
    prediction : Prediction
        Of T visits.
    config : InferenceConfig
        Its mask threshold counts, 0.5 as published; nothing else does.

    """
    weight = np.concatenate(
        [
            np.bincount(s, minlength=len(m))
            for s, m in zip(prediction.superpoint, prediction.mask_probs)
        ]
    ).astype(np.float64)
    masks = np.concatenate(prediction.mask_probs)
    objects = prediction.class_probs[:, :-1]
    n_classes = max(objects.shape[1], 1)
    pairs = np.argsort(-objects, axis=None, kind='stable')[:BEST_PAIRS]
    queries = np.unique(pairs // n_classes)
    masks, objects = masks[:, queries], objects[queries]
    scores = query_scores(prediction.class_probs[queries], masks, weight, config.mask_threshold)
    claim = np.where(masks >= config.mask_threshold, scores, 0.0)
    owner = claim.argmax(axis=1) if len(queries) else np.zeros(len(masks), dtype=np.int64)
    owner[claim.max(axis=1, initial=0) <= 0] = -1
    used, owner = np.unique(np.append(owner, -1), return_inverse=True)
    owner, used = owner[:-1] - 1, used[1:]
    sure = masks[np.arange(len(masks)), used[owner]] if len(used) else np.zeros(len(masks))
    ends = np.cumsum([len(m) for m in prediction.mask_probs])[:-1]
    labels = [own[s] for own, s in zip(np.split(owner, ends), prediction.superpoint)]
    return Segmentation(
        labels=tuple(label.astype(np.int32) for label in labels),
        class_probs=(objects / objects.sum(1, keepdims=True).clip(1e-12))[used].astype(np.float32),
        scores=scores[used].astype(np.float32),
        features=prediction.features[queries[used]],
        point_scores=tuple(
            np.where(label < 0, 0, own[s]).astype(np.float32)
            for label, own, s in zip(labels, np.split(sure, ends), prediction.superpoint)
        ),
        queries=queries[used],
    )


def query_scores(
    class_probs: np.ndarray, masks: np.ndarray, weight: np.ndarray, mask_threshold: float
) -> np.ndarray:
    """
    Compute class probability times mask quality, the mean probability inside the mask.

    Parameters
    ----------
    class_probs : ndarray (Q, K + 1), float32
    masks : ndarray (S, Q), float32
        Mask probabilities.
    weight : ndarray (S,), float
        Points of each superpoint.
    mask_threshold : float

    Returns
    -------
    ndarray (Q,), float64
        In [0, 1]; 0 for an empty mask.

    """
    inside = (masks >= mask_threshold) * weight[:, None]
    quality = (inside * masks).sum(0) / inside.sum(0).clip(1e-9)
    return class_probs[:, :-1].max(1, initial=0) * quality


def duplicates(
    inside: np.ndarray, weight: np.ndarray, kinds: np.ndarray, config: InferenceConfig
) -> tuple[np.ndarray, np.ndarray]:
    """
    Find for each mask the better one that it repeats.

    A mask repeats one that it overlaps enough, and one of its own class that it lies in or that
    lies in it: a part of the object, or the object and its neighbor. Both stand against the
    better mask; only the first is another view of the same object.

    Parameters
    ----------
    inside : ndarray (S, Q), bool
        Masks, best first.
    weight : ndarray (S,), float
        Points of each superpoint.
    kinds : ndarray (Q,), int
        Class of each mask.
    config : InferenceConfig

    Returns
    -------
    leader : ndarray (Q,), int64
        Column of the mask that each one repeats; a leader repeats itself.
    agrees : ndarray (Q,), bool
        Whether it is another view of its leader, or the leader.

    """
    shared = (inside * weight[:, None]).T @ inside
    area = np.diag(shared)
    leader, agrees = np.arange(len(area)), np.ones(len(area), dtype=bool)
    leads = np.zeros(len(area), dtype=bool)
    for query in range(len(area)):
        union = area[query] + area - shared[query]
        overlap = np.where(leads, shared[query] / union.clip(min=1e-9), 0)
        smaller = np.minimum(area[query], area)
        contained = np.where(
            leads & (kinds == kinds[query]), shared[query] / smaller.clip(min=1e-9), 0
        )
        if overlap.max() > config.duplicate_overlap:
            leader[query] = overlap.argmax()
        elif contained.max() > config.part_overlap:
            leader[query], agrees[query] = contained.argmax(), False
        else:
            leads[query] = True
    return leader, agrees


def _merged(
    masks: np.ndarray, class_probs: np.ndarray, trust: np.ndarray, leader: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Let the queries that found one object vote on its mask and class, by the trust in each.

    Parameters
    ----------
    masks : ndarray (S, Q), float32
    class_probs : ndarray (Q, K + 1), float32
    trust : ndarray (Q,), float
        Weight of each query's vote.
    leader : ndarray (Q,), int64
        See `duplicates`.

    Returns
    -------
    kept : ndarray (I,), int64
        The leaders, ascending.
    masks : ndarray (S, I), float32
    class_probs : ndarray (I, K + 1), float32

    """
    kept, group = np.unique(leader, return_inverse=True)
    votes = np.zeros((len(leader), len(kept)), dtype=np.float32)
    votes[np.arange(len(leader)), group] = trust
    votes /= votes.sum(0).clip(min=1e-9)
    return kept, masks @ votes, votes.T @ class_probs


def _best_query(masks: np.ndarray, scores: np.ndarray, mask_threshold: float) -> np.ndarray:
    """Return the column (S,) of the query that explains each superpoint best, -1 for none."""
    if not masks.shape[1]:
        return np.full(len(masks), -1)
    claim = np.where(masks >= mask_threshold, masks * scores, -1)
    best = claim.argmax(1)
    return np.where(claim[np.arange(len(claim)), best] > 0, best, -1)


def _is_large(label: np.ndarray, n_instances: int, min_points: int) -> np.ndarray:
    """Return which labels have enough points; the last entry stands for -1."""
    counts = np.bincount(label[label >= 0], minlength=n_instances)
    return np.append(counts >= min_points, False)
