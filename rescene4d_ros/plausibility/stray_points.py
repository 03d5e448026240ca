"""Stray points: few, and far from all others, as through windows and from mirrors."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.plausibility.single_cloud import Measures
from rescene4d_ros.structures import Finding, Severity
from scipy import ndimage

MAX_CELLS = 40_000_000  # of a grid; larger clouds get larger cells
TOUCHING = np.ones((3, 3, 3), dtype=bool)


def label_groups(xyz: np.ndarray, cell: float) -> tuple[np.ndarray, int]:
    """
    Give each group of points that empty cells part a number.

    Parameters
    ----------
    xyz : ndarray (N, 3), m
    cell : float, m
        Cells that touch, also at corners, are one group.

    Returns
    -------
    ndarray (N,), int64
        Group of each point, from 0.
    int
        Number of groups.

    """
    if len(xyz) == 0:
        return np.zeros(0, np.int64), 0
    low = xyz.min(0).astype(np.float64)
    while True:
        cells = np.floor((xyz - low) / cell).astype(np.int64)
        shape = cells.max(0) + 1
        if np.prod(shape.astype(np.float64)) <= MAX_CELLS:
            break
        cell *= 2
    grid = np.zeros(tuple(shape), dtype=bool)
    grid[tuple(cells.T)] = True
    labels, count = ndimage.label(grid, TOUCHING)
    return labels[tuple(cells.T)].astype(np.int64) - 1, count


SPARSE = 6.0  # median distances between neighbors; a gap is wider
REACH = 2.0  # extents of the cloud; what is farther off is stray whatever its shape
MANY = 0.05  # share of stray points that is told as a warning
FEWEST = 3  # points of a group that is not stray in a small cloud


def find_stray(xyz: np.ndarray, measures: Measures, config: PlausibilityConfig) -> np.ndarray:
    """
    Find stray points.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m
    measures : Measures
    config : PlausibilityConfig

    Returns
    -------
    ndarray (N,), bool

    """
    reach = REACH * measures.extent.max() + 10 * config.stray_gap
    far = ((xyz < measures.low - reach) | (xyz > measures.high + reach)).any(axis=1)
    near = np.flatnonzero(~far)
    cell = max(config.stray_gap, SPARSE * measures.spacing)
    groups, count = label_groups(xyz[near], cell)
    sizes = np.bincount(groups, minlength=count)
    few = sizes < max(config.stray_share * len(xyz), FEWEST)
    few[sizes.argmax()] = False
    stray = far.copy()
    stray[near] = few[groups]
    return stray


def told_of_stray(
    xyz: np.ndarray, stray: np.ndarray, measures: Measures, dropped: bool
) -> list[Finding]:
    """Say how many points are stray, and how far off."""
    count = int(stray.sum())
    if not count:
        return []
    outside = np.maximum(measures.low - xyz[stray], xyz[stray] - measures.high).max()
    many = count > MANY * len(xyz)
    return [
        Finding(
            'stray_points',
            Severity.WARNING if many else Severity.INFO,
            f'{count} of {len(xyz)} points ({count / len(xyz):.2%}) up to {max(outside, 0):.3g} m '
            'outside of the cloud',
            'points that hang together',
            ('they are dropped' if dropped else 'they are kept as asked for')
            + ('; check windows, mirrors and the range of the sensor' if many else ''),
        )
    ]
