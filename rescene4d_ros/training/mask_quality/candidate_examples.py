"""Candidates of sequences of which the truth is known: their features and their true overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.selection.candidates import evidence_of, make_candidates
from rescene4d_ros.inference.selection.features import quality_inputs
from rescene4d_ros.inference.selection.merge_tree import relatives
from rescene4d_ros.inference.selection.quality import LEAST_POINTS
from rescene4d_ros.inference.selection.regions import make_regions
from rescene4d_ros.structures import UNLABELED
from rescene4d_ros.structures.truth import VisitTruth


@dataclass(frozen=True)
class CandidateExamples:
    """
    Hold candidates of one or more passes, each in one visit.

    Attributes
    ----------
    features : ndarray (C, F), float16
        Of `quality_inputs`, with relations.
    overlap : ndarray (C,), float32
        Largest intersection over union with a true object.
    is_told : ndarray (C,), bool
        The truth labels at least half of the points; the others are relatives only.
    related : ndarray (C, 5), int64
        Of `relatives`.
    sizes : ndarray (V,), int64
        Number of candidates of each visit of each pass, in order.
    is_seen : ndarray (C,), bool
        Of sequences that trained the network.

    """

    features: np.ndarray
    overlap: np.ndarray
    is_told: np.ndarray
    related: np.ndarray
    sizes: np.ndarray
    is_seen: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[CandidateExamples]) -> CandidateExamples:
        """Return the candidates of several."""
        starts = np.cumsum([0, *(len(p.overlap) for p in parts)])
        related = [
            np.where(p.related < 0, -1, p.related + start) for p, start in zip(parts, starts)
        ]
        return cls(
            np.concatenate([p.features for p in parts]),
            np.concatenate([p.overlap for p in parts]),
            np.concatenate([p.is_told for p in parts]),
            np.concatenate(related),
            np.concatenate([p.sizes for p in parts]),
            np.concatenate([p.is_seen for p in parts]),
        )


def examples_of(path: Path, weights: str, is_seen: bool = False) -> CandidateExamples:
    """
    Return the candidates of a sequence file, each visit seen alone and with all others.

    Parameters
    ----------
    path : Path
    weights : str
        Weights file of the network; empty = those of the package.
    is_seen : bool
        The sequence trained the network.

    """
    segmenter = _segmenter(weights)
    sequence, truth = read_sequence(path)
    keys = [(str(path), t) for t in range(len(sequence))]
    passes = [[t] for t in range(len(sequence))]
    if len(sequence) > 1:
        passes.append(list(range(len(sequence))))
    parts = []
    for stages in passes:
        scans = [sequence.scans[t] for t in stages]
        prediction = segmenter.predict(scans, [keys[t] for t in stages])
        regions, evidence = make_regions(prediction, scans), evidence_of(prediction)
        candidates = make_candidates(
            regions, evidence.mask_probs, evidence.certainty, segmenter.config.mask_threshold
        )
        for place, t in enumerate(stages):
            rows, own = regions.of_visit(place)
            shown = np.flatnonzero(own.points @ candidates.masks[rows] >= LEAST_POINTS)
            seen = candidates.restricted(rows, shown)
            overlap, is_told = true_overlap(
                seen.masks, prediction.superpoint[place], truth.visits[t]
            )
            related = relatives(own.points, seen.masks, seen.parent, seen.n_queries)
            features = quality_inputs(own, evidence.of_rows(rows), seen, related)
            parts.append(
                CandidateExamples(
                    features.astype(np.float16),
                    overlap,
                    is_told,
                    related,
                    np.array([len(overlap)]),
                    np.full(len(overlap), is_seen),
                )
            )
    return CandidateExamples.joined(parts)


@lru_cache(maxsize=1)
def _segmenter(weights: str) -> Segmenter:
    """Load the network, once per process."""
    return Segmenter.load(InferenceConfig(weights=weights, torch_threads=1))


def true_overlap(
    masks: np.ndarray, superpoint: np.ndarray, truth: VisitTruth
) -> tuple[np.ndarray, np.ndarray]:
    """
    Compare candidates with the truth of one visit.

    Parameters
    ----------
    masks : ndarray (S, C), bool
    superpoint : ndarray (N,), int
        Superpoint of each point.
    truth : VisitTruth

    Returns
    -------
    overlap : ndarray (C,), float32
        Largest intersection over union with a true object.
    is_told : ndarray (C,), bool
        The truth labels at least half of the points.

    """
    n, masks = len(masks), masks.astype(np.float32)
    ids, number = np.unique(truth.instance, return_inverse=True)
    table = np.bincount(superpoint * len(ids) + number, minlength=n * len(ids)).reshape(n, -1)
    shared = masks.T @ table
    size = shared.sum(axis=1)
    overlap = shared / (size[:, None] + table.sum(axis=0) - shared).clip(min=1)
    is_unknown = (truth.semantic == UNLABELED) & (truth.instance <= 0)
    unknown = np.bincount(superpoint[is_unknown], minlength=n) @ masks
    return overlap[:, ids > 0].max(axis=1, initial=0).astype(np.float32), unknown <= size / 2
