"""Pictures of a held-out sequence: prediction beside truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.postprocess import segment_queries
from rescene4d_ros.models.outputs import QueryOutput
from rescene4d_ros.structures import Prediction, Scan
from rescene4d_ros.training.samples.prepared_sequences import load_prepared
from rescene4d_ros.training.validation import HeldOut
import torch

SAME_OVERLAP = 0.25  # over all visits; a predicted object with more takes the true id


@dataclass(frozen=True)
class Example:
    """
    One sequence with true and predicted objects.

    Attributes
    ----------
    name : str
    scans : tuple of T Scan
    true, predicted : tuple of T ndarrays (N_t,), int64
        Object of each point, 0 = none; a predicted object that overlaps a true one has its number,
        others have unused numbers.

    """

    name: str
    scans: tuple[Scan, ...]
    true: tuple[np.ndarray, ...]
    predicted: tuple[np.ndarray, ...]


@torch.no_grad()
def make_example(output: QueryOutput, held_out: HeldOut, path: Path) -> Example:
    """
    Make instances of the queries, with the numbers of the true ones that they overlap.

    Parameters
    ----------
    output : QueryOutput
        For the visits of `held_out`.
    held_out : HeldOut
    path : Path
        The prepared sequence it was read from.

    """
    n_visits = len(held_out.visits)
    sequence = load_prepared(path, range(n_visits))
    scans = tuple(v.scan for v in sequence.visits)
    counts = torch.bincount(output.visit, minlength=n_visits).tolist()
    masks = output.mask_logits[-1].float().sigmoid().split(counts)
    segmentation = segment_queries(
        Prediction(
            class_probs=output.class_logits[-1].float().softmax(-1).numpy(force=True),
            mask_probs=tuple(m.numpy(force=True) for m in masks),
            superpoint=tuple(v.point_superpoint for v in held_out.visits),
            features=output.features.float().numpy(force=True),
        ),
        scans,
        InferenceConfig(),
    )
    true = tuple(_objects_only(v.instance, sequence.classes, output) for v in sequence.visits)
    return Example(
        sequence.name or path.stem,
        scans,
        true,
        number_like(true, [label + 1 for label in segmentation.labels]),
    )


def _objects_only(
    instance: np.ndarray, classes: dict[int, int], output: QueryOutput
) -> np.ndarray:
    """Return the instances (N,) without walls, floors and unlabeled ones."""
    n_classes = output.class_logits.shape[-1] - 1
    known = [i for i, c in classes.items() if 0 <= c < n_classes]
    return np.where(np.isin(instance, known), instance, 0).astype(np.int64)


def number_like(true: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """
    Renumber found objects as the true ones that they overlap most, best pairs first.

    Parameters
    ----------
    true, found : sequence of T ndarrays (N_t,), int
        Object of each point; 0 = none.

    Returns
    -------
    tuple of T ndarrays (N_t,), int64
        The found objects; those without a true one have numbers from the largest true one on.

    """
    a, b = np.concatenate(true).astype(np.int64), np.concatenate(found).astype(np.int64)
    height, width = int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1
    shared = np.bincount(a * width + b, minlength=height * width).reshape(height, width)
    union = shared.sum(1, keepdims=True) + shared.sum(0) - shared
    overlap = shared / np.maximum(union, 1)
    overlap[0], overlap[:, 0] = 0, 0
    number = np.arange(width) + height - 1
    number[0] = 0
    for cell in np.argsort(-overlap, axis=None, kind='stable'):
        row, column = divmod(int(cell), width)
        if overlap[row, column] <= SAME_OVERLAP:
            break
        # With an overlap of at most a half, two may claim one another; the better pair has it.
        if number[column] >= height and row not in number[1:]:
            number[column] = row
    return tuple(number[x] for x in found)
