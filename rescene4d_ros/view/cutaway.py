"""Cutaway views: remove the walls between the viewer and the room."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.view.splat import View
from scipy import ndimage

CELL_M = 0.1
WALL_M = 0.3


def cutaway(xyz: np.ndarray, view: View, is_object: np.ndarray | None = None) -> np.ndarray:
    """
    Return the points to draw so that the inside is visible.

    Parameters
    ----------
    xyz : ndarray (N, 3), m
    view : View
    is_object : ndarray (N,), bool, optional
        Furniture at a near wall is kept, objects that hang on it are removed.

    Returns
    -------
    ndarray (N,), bool

    """
    towards = -view.rotation[2]
    if np.hypot(*towards[:2]) < 0.05:
        return np.ones(len(xyz), bool)
    margin = 6
    at = np.floor((xyz[:, :2] - xyz[:, :2].min(axis=0)) / CELL_M).astype(int) + margin
    count = np.zeros(at.max(axis=0) + margin + 1, int)
    np.add.at(count, (at[:, 0], at[:, 1]), 1)
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(count > 2, iterations=4))
    depth = ndimage.distance_transform_edt(inside)
    # Outwards is the direction in which the distance to the outline falls.
    slope = np.gradient(ndimage.gaussian_filter(depth, 2.0))
    facing = -(slope[0] * towards[0] + slope[1] * towards[1])
    near = (depth <= WALL_M / CELL_M) & (facing > 0.1)
    floor = np.percentile(xyz[:, 2], 1)
    hidden = near[at[:, 0], at[:, 1]] & (xyz[:, 2] > floor + 0.15)
    if is_object is not None:
        tall = xyz[:, 2] > floor + 1.2
        hidden &= ~is_object | tall
    return ~hidden
