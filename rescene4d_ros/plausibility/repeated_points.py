"""Points that stand for nothing: one place given again and again, as zeros for lost returns."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures import Finding, Severity

MOST_COPIES = 20  # of one place; scanners and joined scans give some points a few times


def find_repeated(xyz: np.ndarray) -> np.ndarray:
    """
    Find the copies of places that a cloud holds more than 20 times.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m

    Returns
    -------
    ndarray (N,), bool
        True for all but the first point of such a place.

    """
    rows = np.ascontiguousarray(xyz + np.float32(0))  # zeros have one sign
    keys = rows.view([('', rows.dtype)] * 3)[:, 0]
    _, first, inverse, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    repeated = counts[inverse] > MOST_COPIES
    repeated[first] = False
    return repeated


def told_of_repeated(repeated: np.ndarray) -> list[Finding]:
    """Return what to say of such copies."""
    count = int(repeated.sum())
    if not count:
        return []
    return [
        Finding(
            'repeated_points',
            Severity.WARNING,
            f'{count} of {len(repeated)} points that repeat a place over {MOST_COPIES} times',
            'a point once, and none where the sensor got no return',
            'the copies are dropped; leave out invalid points where the cloud is made',
        )
    ]
