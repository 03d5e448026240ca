"""Counts of points shared by predicted masks and true instances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.metrics.sequences import PredictedSequence, TrueSequence


@dataclass(frozen=True)
class Overlaps:
    """
    Counts of points per visit.

    Attributes
    ----------
    shared : ndarray (P, T, G), int64
        Of mask and instance.
    void : ndarray (P, T), int64
        Of the mask, on no instance.
    predicted : ndarray (P, T), int64
    true : ndarray (T, G), int64
    structure : ndarray (P, T), int64, or None
        Of the mask, on wall, ceiling or floor; None = not known.

    """

    shared: np.ndarray
    void: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    structure: np.ndarray | None = None

    def visit_iou(self) -> np.ndarray:
        """Return (P, T, G) intersection over union per visit; 0 where both are absent."""
        union = self.predicted[:, :, None] + self.true[None] - self.shared
        return self.shared / np.maximum(union, 1)

    def pooled_iou(self) -> np.ndarray:
        """Return (P, G) intersection over union with the visits as one cloud."""
        shared = self.shared.sum(axis=1)
        union = self.predicted.sum(axis=1)[:, None] + self.true.sum(axis=0)[None] - shared
        return shared / np.maximum(union, 1)


def count_overlaps(truth: TrueSequence, prediction: PredictedSequence) -> Overlaps:
    """
    Count the points that every mask shares with every instance in every visit.

    One pass over the points of the masks; time and memory do not grow with P times N.
    """
    n_visits, n_true, n_masks = truth.n_visits, len(truth.instance_ids), len(prediction)
    width = n_true + 1
    order = np.argsort(truth.instance_ids)
    place = np.searchsorted(truth.instance_ids[order], truth.instance)
    column = np.concatenate([order + 1, [0]])[place]
    column[truth.instance == 0] = 0
    cell = truth.visit.astype(np.int64) * width + column
    mask = np.repeat(np.arange(n_masks), np.diff(prediction.starts))
    shape = (n_visits, width)
    counts = np.bincount(
        mask * (n_visits * width) + cell[prediction.points], minlength=n_masks * n_visits * width
    ).reshape(n_masks, *shape)
    true = np.bincount(cell, minlength=n_visits * width).reshape(shape)
    structure = None
    if truth.is_structure is not None:
        rows = truth.is_structure[prediction.points]
        on_structure = mask[rows] * n_visits + truth.visit[prediction.points[rows]]
        structure = np.bincount(on_structure, minlength=n_masks * n_visits)
        structure = structure.reshape(n_masks, n_visits)
    return Overlaps(counts[:, :, 1:], counts[:, :, 0], counts.sum(axis=2), true[:, 1:], structure)


@dataclass(frozen=True)
class Trajectories:
    """
    Masks joined by object id: one row is one object over all visits.

    Attributes
    ----------
    object_ids, classes : ndarray (P,), int64
        The class with the largest sum of scores.
    scores : ndarray (P,), float64
        Joined scores of the masks, see `ScoreRules.object_score`.
    overlaps : Overlaps

    """

    object_ids: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    overlaps: Overlaps


def join_masks(
    prediction: PredictedSequence, overlaps: Overlaps, object_score: str = 'mean'
) -> Trajectories:
    """
    Join the masks of each object id.

    Parameters
    ----------
    prediction : PredictedSequence
    overlaps : Overlaps
        Of its masks.
    object_score : str
        'mean' of the scores of the masks, 'max', or 'last': of the mask of the last visit.

    Returns
    -------
    Trajectories
        Ascending by id.

    """
    ids, row = np.unique(prediction.object_ids, return_inverse=True)
    classes, column = np.unique(prediction.classes, return_inverse=True)
    votes = np.full((len(ids), len(classes)), -np.inf)  # a score of 0 also counts
    votes[row, column] = 0.0
    np.add.at(votes, (row, column), prediction.scores)

    def joined(values: np.ndarray) -> np.ndarray:
        out = np.zeros((len(ids), *values.shape[1:]), dtype=values.dtype)
        np.add.at(out, row, values)
        return out

    if object_score == 'mean':
        scores = joined(prediction.scores) / np.bincount(row, minlength=len(ids))
    else:
        visits = np.arange(overlaps.predicted.shape[1])
        last_visit = np.where(overlaps.predicted > 0, visits, -1).max(axis=1, initial=-1)
        order = np.argsort(
            prediction.scores if object_score == 'max' else last_visit, kind='stable'
        )
        scores = np.zeros(len(ids))
        scores[row[order]] = prediction.scores[order]  # the last entry of a row remains
    best = votes.argmax(axis=1) if len(classes) else np.empty(0, np.int64)
    return Trajectories(
        ids,
        classes[best],
        scores,
        Overlaps(
            joined(overlaps.shared),
            joined(overlaps.void),
            joined(overlaps.predicted),
            overlaps.true,
            None if overlaps.structure is None else joined(overlaps.structure),
        ),
    )
