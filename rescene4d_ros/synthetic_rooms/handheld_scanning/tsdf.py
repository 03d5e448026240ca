"""
Fuse depth images into a truncated signed distance field, and take its surface.

The points are those of marching cubes: where the field crosses zero between two voxels. All sums
are made in 64 bits in a fixed order, so that a scan is the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

SIDE = 8
# The field ends so many voxels before and behind a measured surface.
TRUNCATION = 3.0
# A voxel counts once views have given it this weight (that of one view at 1 m is 1).
SEEN_WEIGHT = 0.2


@dataclass(frozen=True)
class FusedSurface:
    """
    Hold points where the field is zero.

    Attributes
    ----------
    xyz : ndarray (N, 3), float64, m
    normals : ndarray (N, 3), float64
        Unit, towards free space.
    sample : ndarray (N,), int64
        Flat index of the pixel that measured the surface there best.

    """

    xyz: np.ndarray
    normals: np.ndarray
    sample: np.ndarray


def fuse_depth(
    depth: np.ndarray, poses: np.ndarray, x: np.ndarray, y: np.ndarray, voxel: float
) -> FusedSurface:
    """
    Fuse depth images.

    Parameters
    ----------
    depth : ndarray (P, H, W), float64, m
        Along the axis of the camera; 0 = nothing.
    poses : ndarray (P, 4, 4), float64
        Camera to map as tracked; it looks along +z, +x is right, +y down.
    x : ndarray (W,), float64
        Of each column at a depth of 1, evenly spaced and rising.
    y : ndarray (H,), float64
        Of each row, as `x`.
    voxel : float, m

    """
    reach = float(depth.max()) * (1 + max(abs(x[0]), abs(y[0])))
    low = poses[:, :3, 3].min(axis=0) - reach
    high = poses[:, :3, 3].max(axis=0) + reach
    shape = np.ceil((high - low) / (voxel * SIDE)).astype(np.int64) + 1
    table = np.full(shape, -1, np.int32)
    lists = []
    for k in range(len(depth)):
        lists.append(_touch(depth[k], poses[k], x, y, voxel, low, table))
    # Blocks get their numbers in the order in which views meet them.
    places = np.concatenate(lists)
    count = len(places)
    field = np.zeros((count, SIDE, SIDE, SIDE), np.float32)
    weight = np.zeros_like(field)
    best = np.full(field.shape, np.inf, np.float32)
    sample = np.full(field.shape, -1, np.int32)
    _integrate(depth, poses, x, y, voxel, low, places, field, weight, best, sample)
    points, normals, owner = _surface(voxel, low, table, places, field, weight, best, sample)
    length = np.sqrt((normals**2).sum(axis=1, keepdims=True))
    return FusedSurface(points, normals / np.maximum(length, 1e-12), owner.astype(np.int64))


@numba.njit(cache=True)
def _block(pose, across, down, depth, low, size):
    """Return the block that holds what a pixel would see at a depth."""
    place = np.empty(3, np.int64)
    for k in range(3):
        step = pose[k, 0] * across + pose[k, 1] * down + pose[k, 2]
        place[k] = int((pose[k, 3] + depth * step - low[k]) / size)
    return place[0], place[1], place[2]


@numba.njit(cache=True)
def _touch(depth, pose, x, y, voxel, low, table):
    """Return the (B, 3) new blocks around the surface of one view, numbered in `table`."""
    height, width = depth.shape
    size = voxel * SIDE
    used = table.max() + 1
    found = np.empty((4096, 3), np.int32)
    count = 0
    reach = TRUNCATION * voxel
    for i in range(0, height, 2):
        for j in range(0, width, 2):
            z = depth[i, j]
            if z <= 0:
                continue
            for k in range(3):
                at = z + (k - 1) * reach
                bx, by, bz = _block(pose, x[j], y[i], at, low, size)
                if table[bx, by, bz] >= 0:
                    continue
                if count == len(found):
                    more = np.empty((2 * count, 3), np.int32)
                    more[:count] = found
                    found = more
                table[bx, by, bz] = used + count
                found[count, 0], found[count, 1], found[count, 2] = bx, by, bz
                count += 1
    return found[:count]


@numba.njit(cache=True)
def _integrate(depth, poses, x, y, voxel, low, places, field, weight, best, sample):
    views, height, width = depth.shape
    step_x, step_y = (x[-1] - x[0]) / (width - 1), (y[-1] - y[0]) / (height - 1)
    reach = TRUNCATION * voxel
    half = voxel * SIDE / 2
    radius = half * 1.7320509
    far = depth.max() + reach + radius
    wide_x = np.sqrt(1 + x[0] * x[0])
    wide_y = np.sqrt(1 + y[0] * y[0])
    for p in range(views):
        r = poses[p]
        for b in range(len(places)):
            cx = low[0] + places[b, 0] * 2 * half + half - r[0, 3]
            cy = low[1] + places[b, 1] * 2 * half + half - r[1, 3]
            cz = low[2] + places[b, 2] * 2 * half + half - r[2, 3]
            mz = r[0, 2] * cx + r[1, 2] * cy + r[2, 2] * cz
            if mz < -radius or mz > far:
                continue
            mx = r[0, 0] * cx + r[1, 0] * cy + r[2, 0] * cz
            my = r[0, 1] * cx + r[1, 1] * cy + r[2, 1] * cz
            if abs(mx) > abs(x[0]) * mz + radius * wide_x:
                continue
            if abs(my) > abs(y[0]) * mz + radius * wide_y:
                continue
            # Some pixel must have measured near the block.
            if mz > 2 * radius:
                j0 = int(max((((mx - radius) / mz) - x[0]) / step_x - 1, 0))
                j1 = int(min((((mx + radius) / mz) - x[0]) / step_x + 2, width))
                i0 = int(max((((my - radius) / mz) - y[0]) / step_y - 1, 0))
                i1 = int(min((((my + radius) / mz) - y[0]) / step_y + 2, height))
                near = False
                for i in range(i0, i1, 2):
                    for j in range(j0, j1, 2):
                        if depth[p, i, j] > 0 and abs(depth[p, i, j] - mz) < radius + reach:
                            near = True
                            break
                    if near:
                        break
                if not near:
                    continue
            for a in range(SIDE):
                dx = cx - half + (a + 0.5) * voxel
                for c in range(SIDE):
                    dy = cy - half + (c + 0.5) * voxel
                    for d in range(SIDE):
                        dz = cz - half + (d + 0.5) * voxel
                        z = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
                        if z < 0.05:
                            continue
                        u = ((r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz) / z - x[0]) / step_x
                        v = ((r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz) / z - y[0]) / step_y
                        if u < -0.5 or v < -0.5:
                            continue
                        j, i = int(u + 0.5), int(v + 0.5)
                        if j >= width or i >= height:
                            continue
                        measured = depth[p, i, j]
                        if measured <= 0:
                            continue
                        off = measured - z
                        if off < -reach or off > 2 * reach:
                            continue
                        value = min(off, reach) / reach
                        gain = 1.0 / (0.2 + 0.8 * measured * measured)
                        # What lies behind a surface is less sure than what lies before it.
                        if off < 0:
                            gain *= 1 + off / reach
                        old = weight[b, a, c, d]
                        total = old + gain
                        if total <= 0:
                            continue
                        field[b, a, c, d] = (field[b, a, c, d] * old + value * gain) / total
                        weight[b, a, c, d] = total
                        worth = abs(value) + 0.15 * measured
                        if worth < best[b, a, c, d]:
                            best[b, a, c, d] = worth
                            sample[b, a, c, d] = (p * height + i) * width + j


@numba.njit(cache=True)
def _at(table, weight, i, j, k):
    """Return block and offsets of a voxel, or block -1 where nothing was seen."""
    bi, bj, bk = i // SIDE, j // SIDE, k // SIDE
    if (
        i < 0
        or j < 0
        or k < 0
        or bi >= table.shape[0]
        or bj >= table.shape[1]
        or bk >= table.shape[2]
    ):
        return -1, 0, 0, 0
    b = table[bi, bj, bk]
    a, c, d = i - bi * SIDE, j - bj * SIDE, k - bk * SIDE
    if b < 0 or weight[b, a, c, d] < SEEN_WEIGHT:
        return -1, 0, 0, 0
    return b, a, c, d


@numba.njit(cache=True)
def _slope(table, field, weight, i, j, k, axis):
    """Return the derivative of the field along an axis, per voxel."""
    di, dj, dk = int(axis == 0), int(axis == 1), int(axis == 2)
    b, a, c, d = _at(table, weight, i, j, k)
    here = field[b, a, c, d]
    b, a, c, d = _at(table, weight, i + di, j + dj, k + dk)
    up, steps = (field[b, a, c, d], 1.0) if b >= 0 else (here, 0.0)
    b, a, c, d = _at(table, weight, i - di, j - dj, k - dk)
    if b >= 0:
        return (up - field[b, a, c, d]) / (steps + 1.0)
    return up - here


@numba.njit(cache=True)
def _surface(voxel, low, table, places, field, weight, best, sample):
    size = 1 << 16
    points, normals = np.empty((size, 3)), np.empty((size, 3))
    owner = np.empty(size, np.int32)
    count = 0
    for b in range(len(places)):
        for a in range(SIDE):
            for c in range(SIDE):
                for d in range(SIDE):
                    if weight[b, a, c, d] < SEEN_WEIGHT:
                        continue
                    here = field[b, a, c, d]
                    if abs(here) > 0.98:
                        continue
                    i = places[b, 0] * SIDE + a
                    j = places[b, 1] * SIDE + c
                    k = places[b, 2] * SIDE + d
                    for axis in range(3):
                        di, dj, dk = int(axis == 0), int(axis == 1), int(axis == 2)
                        nb, na, nc, nd = _at(table, weight, i + di, j + dj, k + dk)
                        if nb < 0:
                            continue
                        there = field[nb, na, nc, nd]
                        if (here > 0) == (there > 0) or abs(there) > 0.98:
                            continue
                        if count == size:
                            size *= 2
                            more = np.empty((size, 3))
                            more[:count] = points
                            points = more
                            more = np.empty((size, 3))
                            more[:count] = normals
                            normals = more
                            longer = np.empty(size, np.int32)
                            longer[:count] = owner
                            owner = longer
                        share = here / (here - there)
                        points[count, 0] = low[0] + (i + 0.5 + share * di) * voxel
                        points[count, 1] = low[1] + (j + 0.5 + share * dj) * voxel
                        points[count, 2] = low[2] + (k + 0.5 + share * dk) * voxel
                        for n in range(3):
                            normals[count, n] = _slope(table, field, weight, i, j, k, n)
                        if best[b, a, c, d] <= best[nb, na, nc, nd]:
                            owner[count] = sample[b, a, c, d]
                        else:
                            owner[count] = sample[nb, na, nc, nd]
                        count += 1
    return points[:count], normals[:count], owner[:count]
