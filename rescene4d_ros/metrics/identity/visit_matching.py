"""Matching of true and predicted instances in one visit."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def iou_matrix(
    truth: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Compute the intersection over union of every true and every predicted instance.

    Parameters
    ----------
    truth, predicted : ndarray (N,), int
        Instance of each point; 0 = none.

    Returns
    -------
    true_ids : ndarray (G,), int
    predicted_ids : ndarray (I,), int
    iou : ndarray (G, I), float64

    """
    true_ids, t = np.unique(truth, return_inverse=True)
    predicted_ids, p = np.unique(predicted, return_inverse=True)
    shared = np.zeros((len(true_ids), len(predicted_ids)))
    np.add.at(shared, (t, p), 1)
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    iou = shared / np.maximum(union, 1)
    rows, columns = true_ids != 0, predicted_ids != 0
    return true_ids[rows], predicted_ids[columns], iou[rows][:, columns]


def match_visit(truth: np.ndarray, predicted: np.ndarray, min_iou: float = 0.5) -> dict[int, int]:
    """
    Match true instances to predicted ones, one to one: most matches, then largest overlap.

    Parameters
    ----------
    truth, predicted : ndarray (N,), int
        Instance of each point; 0 = none.
    min_iou : float
        Pairs below never match.

    Returns
    -------
    dict of int to int
        True instance id to predicted id.

    """
    true_ids, predicted_ids, iou = iou_matrix(truth, predicted)
    rows, columns = match_pairs(iou, iou >= min_iou)
    return {int(true_ids[r]): int(predicted_ids[c]) for r, c in zip(rows, columns)}


def match_pairs(iou: np.ndarray, is_legal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Match rows to columns, one to one: most matches, then largest overlap.

    Parameters
    ----------
    iou : ndarray (G, I), float64, 0..1
    is_legal : ndarray (G, I), bool
        Other pairs never match.

    Returns
    -------
    rows, columns : ndarray (M,), int64

    """
    # One more match outweighs any sum of overlaps, each of which is at most 1.
    gain = np.where(is_legal, 1.0 + min(iou.shape, default=0) + iou, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    matched = is_legal[rows, columns]
    return rows[matched], columns[matched]
