"""Upright boxes: fitted to points, compared with each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.geometry.point_sets import evenly
from rescene4d_ros.geometry.se3 import wrap
from rescene4d_ros.structures import Box
from scipy.spatial import ConvexHull, QhullError

MIN_EXTENT = 0.01  # m; minimum thickness, for objects whose points lie on one plane
MAX_FIT_POINTS = 2000


def fit_box(xyz: np.ndarray, trim: float = 0.005) -> Box:
    """
    Fit the upright box with the smallest footprint to the points of one object.

    Single wrong mask points must not enlarge the box, so the outermost share of the points is
    ignored along every axis.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
        At least one point.
    trim : float
        Share of points ignored at each end of each axis.

    Returns
    -------
    Box
        With size[0] >= size[1] and yaw in [-pi/2, pi/2), so that equal points give equal boxes.

    Raises
    ------
    ValueError
        If there is no point.

    """
    if len(xyz) == 0:
        raise ValueError('fit_box: expected at least one point, got 0; skip empty instances')
    points = np.asarray(xyz[evenly(len(xyz), MAX_FIT_POINTS)], dtype=np.float64)
    low, high = np.quantile(points, [trim, 1 - trim], axis=0)
    kept = points[((points >= low) & (points <= high)).all(1)]
    kept = kept if len(kept) >= 3 else points
    least, best = np.inf, None
    for yaw in _edge_angles(kept[:, :2]):
        axes = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        along = points[:, :2] @ axes.T
        lo, hi = np.quantile(along, [trim, 1 - trim], axis=0)
        area = float(np.prod(hi - lo))
        if best is None or area < least - 1e-9:
            least, best = area, (yaw, (lo + hi) / 2 @ axes, hi - lo)
    assert best is not None  # there is at least one angle
    yaw, middle, extent = best
    if extent[0] < extent[1]:
        yaw, extent = yaw + np.pi / 2, extent[::-1]
    yaw = wrap(2 * yaw) / 2  # a box is symmetric under half a turn
    size = np.maximum([*extent, high[2] - low[2]], MIN_EXTENT)
    center = (float(middle[0]), float(middle[1]), float((low[2] + high[2]) / 2))
    return Box(center, (float(size[0]), float(size[1]), float(size[2])), float(yaw))


def _edge_angles(xy: np.ndarray) -> np.ndarray:
    """Return the angles of the hull's edges: the smallest rectangle has a side on one of them."""
    try:
        corners = xy[ConvexHull(xy).vertices]
    except (QhullError, ValueError):  # fewer than 3 points, or all on one line
        spread = xy - xy.mean(0)
        axis = np.linalg.svd(spread, full_matrices=False)[2][0] if len(xy) > 1 else (1.0, 0.0)
        return np.array([np.arctan2(axis[1], axis[0])])
    edges = np.roll(corners, -1, axis=0) - corners
    angles = np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2)
    return np.unique(np.round(angles, 3))  # 1 mm on a side of 2 m


def corners(box: Box) -> np.ndarray:
    """Return the footprint's corners (4, 2) in map, counter-clockwise."""
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(box.size[:2]) / 2
    map_T_box = box.map_T_box
    return half @ map_T_box[:2, :2].T + map_T_box[:2, 3]


def bounds_of(boxes: Sequence[Box]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest coordinates of boxes in map, two ndarrays (N, 3)."""
    center = np.array([box.center for box in boxes]).reshape(-1, 3)
    size = np.array([box.size for box in boxes]).reshape(-1, 3)
    yaw = np.array([box.yaw for box in boxes])
    c, s = np.abs(np.cos(yaw)), np.abs(np.sin(yaw))
    half = (
        np.stack(
            [c * size[:, 0] + s * size[:, 1], s * size[:, 0] + c * size[:, 1], size[:, 2]], axis=1
        )
        / 2
    )
    return center - half, center + half


def bounds(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest coordinates (3,) of one box in map."""
    low, high = bounds_of([box])
    return low[0], high[0]


def gap(a: Box, b: Box) -> float:
    """Return the distance between the axis-aligned bounds of two boxes, m; 0 = they touch."""
    (low, high), (other_low, other_high) = bounds(a), bounds(b)
    apart = np.maximum(np.maximum(other_low - high, low - other_high), 0)
    return float(np.linalg.norm(apart))


def contains(box: Box, xyz: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Return, per point (N, 3), whether it lies in the box enlarged by `margin` meters."""
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    rel = np.asarray(xyz, dtype=np.float64) - box.center
    own = np.c_[c * rel[:, 0] + s * rel[:, 1], -s * rel[:, 0] + c * rel[:, 1], rel[:, 2]]
    return (np.abs(own) <= np.array(box.size) / 2 + margin).all(1)


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two upright boxes, 0..1."""
    za, zb = a.center[2], b.center[2]
    height = min(za + a.size[2] / 2, zb + b.size[2] / 2) - max(
        za - a.size[2] / 2, zb - b.size[2] / 2
    )
    if height <= 0:
        return 0.0
    both = _area(_clip(corners(a), corners(b))) * height
    return float(both / (np.prod(a.size) + np.prod(b.size) - both))


def most_iou(one: Sequence[Box], other: Sequence[Box]) -> np.ndarray:
    """Return an upper bound of the IoU of each two boxes (N), by their axis-aligned bounds."""
    (low, high), (other_low, other_high) = bounds_of(one), bounds_of(other)
    both = np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0).prod(1)
    volume, other_volume = (
        np.array([box.size for box in side]).reshape(-1, 3).prod(1) for side in (one, other)
    )
    both = np.minimum(both, np.minimum(volume, other_volume))
    return both / (volume + other_volume - both)


def _clip(subject: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Cut a polygon by a convex counter-clockwise one (Sutherland and Hodgman, 1974)."""
    polygon, around = subject.tolist(), window.tolist()  # for few points arrays are slower
    for (x, y), (next_x, next_y) in zip(around, around[1:] + around[:1]):
        side = [(next_x - x) * (v - y) - (next_y - y) * (u - x) for u, v in polygon]
        kept = []
        for (u, v), (next_u, next_v), here, there in zip(
            polygon, polygon[1:] + polygon[:1], side, side[1:] + side[:1]
        ):
            if here >= 0:
                kept.append([u, v])
            if (here >= 0) != (there >= 0):
                share = here / (here - there)
                kept.append([u + share * (next_u - u), v + share * (next_v - v)])
        polygon = kept
    return np.array(polygon).reshape(-1, 2)


def _area(polygon: np.ndarray) -> float:
    """Return the area of a polygon (N, 2) by the shoelace formula."""
    if len(polygon) < 3:
        return 0.0
    x, y = polygon.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
