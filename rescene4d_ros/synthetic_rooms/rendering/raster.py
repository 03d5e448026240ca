"""
Which triangle each pixel of a depth camera sees, the same on every processor.

Ray casters made for speed round as the widest instructions of the processor do, and where two
surfaces coincide they show either. Here every number is a 64-bit sum, product, quotient or root in
a fixed order, which IEEE 754 leaves no choice about, and Numba does not reorder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

NEAR_M = 0.01
# Surfaces so close to each other are one; what was added later covers what was there.
SAME_M = 1e-5


@dataclass(frozen=True)
class DepthImages:
    """
    Hold what P views of H x W pixels see.

    Attributes
    ----------
    depth : ndarray (P, H, W), float64, m
        Along the axis of the camera; infinite where nothing is.
    face : ndarray (P, H, W), int64
        -1 where nothing is.
    uv : ndarray (P, H, W, 2), float64
        Weights of the second and third corner of the face.

    """

    depth: np.ndarray
    face: np.ndarray
    uv: np.ndarray


def depth_images(
    corners: np.ndarray, poses: np.ndarray, x: np.ndarray, y: np.ndarray
) -> DepthImages:
    """
    Draw triangles into depth images; both sides of a triangle are seen.

    Parameters
    ----------
    corners : ndarray (F, 3, 3), float64, m
    poses : ndarray (P, 4, 4), float64
        Camera to the frame of the corners; it looks along +z, +x is right, +y down.
    x : ndarray (W,), float64
        Of each column at a depth of 1, evenly spaced and rising.
    y : ndarray (H,), float64
        Of each row, as `x`.

    """
    shape = (len(poses), len(y), len(x))
    depth = np.full(shape, np.inf)
    face = np.full(shape, -1)
    uv = np.zeros((*shape, 2))
    _draw(np.ascontiguousarray(corners), np.ascontiguousarray(poses), x, y, depth, face, uv)
    return DepthImages(depth, face, uv)


@numba.njit(cache=True)
def _cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


@numba.njit(cache=True)
def _seen_from(pose, point):
    """Return a point (3,) in the frame of a camera."""
    dx, dy, dz = point[0] - pose[0, 3], point[1] - pose[1, 3], point[2] - pose[2, 3]
    return (
        pose[0, 0] * dx + pose[1, 0] * dy + pose[2, 0] * dz,
        pose[0, 1] * dx + pose[1, 1] * dy + pose[2, 1] * dz,
        pose[0, 2] * dx + pose[1, 2] * dy + pose[2, 2] * dz,
    )


@numba.njit(cache=True)
def _span(first, second, third, values):
    """Return the first and one past the last index whose rays may meet a triangle."""
    low, high = np.inf, -np.inf
    triangle = (first, second, third)
    for k in range(3):
        across, depth = triangle[k]
        other_across, other_depth = triangle[(k + 1) % 3]
        if depth >= NEAR_M:
            low, high = min(low, across / depth), max(high, across / depth)
        if (depth >= NEAR_M) != (other_depth >= NEAR_M):
            # The part in front of the camera ends here.
            share = (NEAR_M - depth) / (other_depth - depth)
            at = (across + share * (other_across - across)) / NEAR_M
            low, high = min(low, at), max(high, at)
    count = len(values)
    step = (values[-1] - values[0]) / (count - 1)
    start = np.floor((low - values[0]) / step)
    stop = np.ceil((high - values[0]) / step) + 1
    return int(min(max(start, 0), count)), int(min(max(stop, 0), count))


@numba.njit(cache=True)
def _draw(corners, poses, x, y, depth, face, uv):
    for p in range(len(poses)):
        r = poses[p]
        for f in range(len(corners)):
            a = _seen_from(r, corners[f, 0])
            b = _seen_from(r, corners[f, 1])
            c = _seen_from(r, corners[f, 2])
            if max(a[2], b[2], c[2]) < NEAR_M:
                continue
            left, right = _span((a[0], a[2]), (b[0], b[2]), (c[0], c[2]), x)
            top, bottom = _span((a[1], a[2]), (b[1], b[2]), (c[1], c[2]), y)
            if left >= right or top >= bottom:
                continue
            na, nb, nc = _cross(b, c), _cross(c, a), _cross(a, b)
            volume = a[0] * na[0] + a[1] * na[1] + a[2] * na[2]
            for i in range(top, bottom):
                ka = na[1] * y[i] + na[2]
                kb = nb[1] * y[i] + nb[2]
                kc = nc[1] * y[i] + nc[2]
                for j in range(left, right):
                    wa = na[0] * x[j] + ka
                    wb = nb[0] * x[j] + kb
                    wc = nc[0] * x[j] + kc
                    if not (
                        (wa >= 0 and wb >= 0 and wc >= 0) or (wa <= 0 and wb <= 0 and wc <= 0)
                    ):
                        continue
                    total = wa + wb + wc
                    if total == 0:
                        continue
                    z = volume / total
                    if z < NEAR_M or z > depth[p, i, j] + SAME_M:
                        continue
                    depth[p, i, j] = z
                    face[p, i, j] = f
                    uv[p, i, j, 0] = wb / total
                    uv[p, i, j, 1] = wc / total
