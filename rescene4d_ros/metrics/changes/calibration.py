"""Calibration of confidences: a confidence of 0.8 should be correct in 8 of 10 cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.metrics.rates import ratio

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """
    One bar of a reliability diagram.

    Attributes
    ----------
    low, high : float
        Confidences in the bin: from low on, below high; 1 is in the last one.
    count : int
        Number of reports.
    confidence, right : float
        Mean confidence and share of correct reports; NaN in an empty bin.

    """

    low: float
    high: float
    count: int
    confidence: float
    right: float


def calibration_bins(
    confidences: np.ndarray, n_bins: int = CALIBRATION_BINS
) -> tuple[CalibrationBin, ...]:
    """
    Sort reports by confidence into bins of equal width.

    Parameters
    ----------
    confidences : ndarray (C, 2), float64
        Confidence in 0..1; 1 = correct, 0 = wrong.
    n_bins : int

    """
    value, right = confidences.T
    # A product with n_bins could round a confidence over a bin edge.
    edges = np.arange(n_bins + 1) / n_bins
    box = np.clip(np.searchsorted(edges, value, side='right') - 1, 0, n_bins - 1)
    count = np.bincount(box, minlength=n_bins)
    means = [
        ratio(np.stack([np.bincount(box, v, minlength=n_bins), count], axis=1))
        for v in (value, right)
    ]
    return tuple(
        CalibrationBin(*row)
        for row in zip(
            edges[:-1].tolist(), edges[1:].tolist(), count.tolist(), *(m.tolist() for m in means)
        )
    )


def calibration_error(confidences: np.ndarray, n_bins: int = CALIBRATION_BINS) -> float:
    """
    Return the mean distance of confidence and share of correct reports, over bins of equal width.

    Parameters
    ----------
    confidences : ndarray (C, 2), float64
        As of `calibration_bins`.
    n_bins : int

    Returns
    -------
    float
        0 = calibrated; bins are weighted by their count. NaN without entries.

    """
    if not len(confidences):
        return float('nan')
    bins = calibration_bins(confidences, n_bins)
    return sum(b.count * abs(b.confidence - b.right) for b in bins if b.count) / len(confidences)
