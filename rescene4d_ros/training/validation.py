"""
Fast scores on held-out sequences during training: temporal average precision.

A prediction is correct if its overlap with the true instance is large enough in every visit. This
is not the t-mAP of `metrics/`, which has more thresholds and rules; it shows the progress of
training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.postprocess import duplicates
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input, sequence_origin, VisitInput
from rescene4d_ros.models.outputs import QueryOutput
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import UNLABELED
from rescene4d_ros.training.samples.augmented_samples import instance_counts
from rescene4d_ros.training.samples.prepared_sequences import PreparedFile
import torch

MIN_POINTS = 25  # instances with fewer points in a visit are ignored there


@dataclass(frozen=True)
class HeldOut:
    """
    One held-out sequence.

    Attributes
    ----------
    visits : tuple of T VisitInput
    counts : tuple of T ndarrays (S_t, G + 1), int64
        Points shared by superpoint and instance; column 0 = none.
    classes : ndarray (G,), int64

    """

    visits: tuple[VisitInput, ...]
    counts: tuple[np.ndarray, ...]
    classes: np.ndarray


@dataclass(frozen=True)
class Scored:
    """
    Predictions of one sequence compared with its truth.

    Attributes
    ----------
    score : ndarray (P,), float
    predicted_class : ndarray (P,), int64
    overlap : ndarray (P, G), float
        Smallest intersection over union over the visits.
    classes : ndarray (G,), int64
    counted : ndarray (G,), bool
        Whether the instance has enough points to be scored.

    """

    score: np.ndarray
    predicted_class: np.ndarray
    overlap: np.ndarray
    classes: np.ndarray
    counted: np.ndarray


def read_held_out(path: Path, max_visits: int, config: ModelConfig) -> HeldOut:
    """Read the first visits of a prepared sequence, without augmentation."""
    with PreparedFile(path) as file:
        visits = [file.visit(t) for t in range(min(len(file), max_visits))]
        known = file.classes
    origin = sequence_origin([v.scan for v in visits], config)
    inputs = tuple(make_visit_input(v.scan, v.superpoint, config, origin) for v in visits)
    ids = np.unique(np.concatenate([np.unique(v.instance) for v in visits]))
    ids = np.array(
        [i for i in ids if i > 0 and 0 <= known.get(int(i), UNLABELED) < config.n_classes],
        dtype=np.int64,
    )
    counts = tuple(instance_counts(i, v.instance, ids) for i, v in zip(inputs, visits))
    return HeldOut(inputs, counts, np.array([known[int(i)] for i in ids], dtype=np.int64))


@torch.no_grad()
def validate(
    model: ReScene4D,
    sequences: Sequence[HeldOut],
    device: torch.device,
    look: Callable[[int, QueryOutput], None] = lambda *_: None,
) -> dict[str, float]:
    """
    Score a model on held-out sequences.

    Parameters
    ----------
    model : ReScene4D
    sequences : sequence of HeldOut
    device : torch.device
    look : callable
        Called with the number of each sequence and its output.

    Returns
    -------
    dict of str to float
        't_ap50', 't_ap25' (mean over classes), 't_ap50_any', 't_ap25_any' (classes ignored),
        't_rec50_any' (share of instances found, classes ignored).

    """
    model.eval()
    scored = []
    for number, sequence in enumerate(sequences):
        output = model([v.to(device) for v in sequence.visits])
        look(number, output)
        scored.append(score_output(output, sequence, InferenceConfig()))
    classes = np.unique(np.concatenate([s.classes[s.counted] for s in scored]))
    scores = {}
    for percent in (50, 25):
        per_class = [validation_precision(scored, percent / 100, c)[0] for c in classes]
        scores[f't_ap{percent}'] = float(np.mean(per_class)) if per_class else 0.0
        scores[f't_ap{percent}_any'], recall = validation_precision(scored, percent / 100)
        if percent == 50:
            scores['t_rec50_any'] = recall
    return scores


def score_output(
    output: QueryOutput, truth: HeldOut, repeats: InferenceConfig | None = None
) -> Scored:
    """
    Compare the last prediction set with the truth, on points.

    Parameters
    ----------
    output : QueryOutput
    truth : HeldOut
    repeats : InferenceConfig, optional
        Settings for removing duplicate masks; None = keep all.

    """
    probs = output.class_logits[-1].softmax(-1)[:, :-1].cpu().numpy()
    masks = output.mask_logits[-1].sigmoid().cpu().numpy()
    score, overlap = probs.max(axis=1), np.ones((len(probs), len(truth.classes)))
    points = np.concatenate([c.sum(axis=1) for c in truth.counts])
    inside = (masks > 0.5) * points[:, None]
    area = inside.sum(axis=0)
    quality = (masks * inside).sum(axis=0) / np.maximum(area, 1)
    start = 0
    for counts in truth.counts:
        rows = slice(start, start + len(counts))
        start += len(counts)
        overlap = np.minimum(overlap, _visit_overlap(masks[rows] > 0.5, counts))
    counted = sum((c.sum(axis=0)[1:] >= MIN_POINTS).astype(int) for c in truth.counts) > 0
    order = np.argsort(-score * quality, kind='stable')
    order = order[area[order] >= MIN_POINTS]
    if repeats is not None:
        leader, _ = duplicates(masks[:, order] > 0.5, points, probs[order].argmax(axis=1), repeats)
        order = order[leader == np.arange(len(order))]
    return Scored(
        (score * quality)[order],
        probs.argmax(axis=1)[order],
        overlap[order],
        truth.classes,
        np.broadcast_to(counted, truth.classes.shape),
    )


def _visit_overlap(masks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """
    Return the overlap (Q, G) in one visit; 1 if the instance is ignored in the visit.

    A prediction in a visit without the instance gets 0.
    """
    shared = masks.T.astype(np.int64) @ counts[:, 1:]
    predicted = masks.T.astype(np.int64) @ counts.sum(axis=1)
    true = counts[:, 1:].sum(axis=0)
    union = predicted[:, None] + true[None] - shared
    overlap = shared / np.maximum(union, 1)
    silent = np.where(predicted < MIN_POINTS, 1.0, 0.0)[:, None]
    overlap = np.where(true[None] == 0, silent, overlap)
    return np.where((true[None] > 0) & (true[None] < MIN_POINTS), 1.0, overlap)


def validation_precision(
    scored: Sequence[Scored], threshold: float, class_id: int | None = None
) -> tuple[float, float]:
    """
    Compute the area under precision over recall, and the recall, at one overlap.

    A quick stand-in for `metrics.segmentation`, whose t-mAP averages over overlaps and deals
    look-alikes out.

    Predictions are matched by falling score, each to the free instance that it overlaps most. A
    prediction whose best instance has too few points is ignored.

    Parameters
    ----------
    scored : sequence of Scored
    threshold : float
        An overlap above this is a match.
    class_id : int, optional
        Class; None = any class matches any.

    Returns
    -------
    precision, recall : float
        0 where there is no instance.

    """
    scores, hits, n_true = [], [], 0
    for s in scored:
        is_true = s.counted if class_id is None else s.counted & (s.classes == class_id)
        is_candidate = np.ones(len(s.classes), bool) if class_id is None else s.classes == class_id
        n_true += int(is_true.sum())
        rows = (
            np.arange(len(s.score))
            if class_id is None
            else np.flatnonzero(s.predicted_class == class_id)
        )
        free = is_candidate.copy()
        for row in rows[np.argsort(-s.score[rows], kind='stable')]:
            overlap = np.where(free, s.overlap[row], -1)
            best = int(overlap.argmax()) if len(overlap) else -1
            hit = best >= 0 and overlap[best] > threshold
            if hit:
                free[best] = False
                if not is_true[best]:
                    continue
            scores.append(s.score[row])
            hits.append(hit)
    if not n_true or not scores:
        return 0.0, 0.0
    found = np.cumsum(np.array(hits)[np.argsort(-np.array(scores), kind='stable')])
    precision = found / np.arange(1, len(found) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(found, prepend=0) / n_true
    return float((envelope * steps).sum()), float(found[-1] / n_true)
