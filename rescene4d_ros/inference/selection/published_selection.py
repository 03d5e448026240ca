"""The published selection: scored pairs of query and class, nothing merged, left out or split."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.postprocess import query_scores
from rescene4d_ros.structures import Prediction, Segmentation

BEST_PAIRS = 100  # published: topk_per_image, over all pairs of query and class


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
