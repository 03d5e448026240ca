"""
A bounded grid of voxels, of which only those that were hit exist.

Whether a voxel is empty is asked of a depth map per keyframe instead of by stepping along each
ray: a ray that grazes the floor crosses many of its voxels, while the neighbors of its bin say
that the floor is there. The cost is one look per voxel in range, whatever the number of rays.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numba
import numpy as np
from rescene4d_ros.visit_building.posed_clouds import Keyframe, voxel_keys

START = 1 << 14  # voxels that there is room for at first
ROWS = 180  # bins of a depth map from up to down, 1 degree each
COLUMNS = 2 * ROWS
BIN = np.pi / ROWS  # rad
REMEMBERED = 10  # keyframes whose depth maps are kept, about 330 kB each
SPREAD = 0x9E3779B97F4A7C15 - (1 << 64)  # odd; spreads keys over the table


class Look(NamedTuple):
    """
    Hold in which directions a keyframe measured something, and how near.

    Attributes
    ----------
    position : ndarray (3,), float64, m
        Of the sensor.
    own : ndarray (ROWS, COLUMNS), bool
        Whether something was measured in the bin.
    around : ndarray (ROWS, COLUMNS), float32, m
        The nearest of the bin and its 8 neighbors.

    """

    position: np.ndarray
    own: np.ndarray
    around: np.ndarray


class VoxelVolume:
    """
    Fuse keyframes, and count how often each voxel was hit and looked through.

    Parameters
    ----------
    voxel_size : float, m
    max_voxels : int

    Attributes
    ----------
    n_voxels : int
    n_left_out : int
        Measurements that found no room.
    key : ndarray (V,), int64
    xyz : ndarray (V, 3), float32, m
        Mean of the points in the voxel.
    rgb : ndarray (V, 3), float32, 0..255
        Their mean color.
    weight, colored : ndarray (V,), float32
        Number of points, and of those with color.
    hits : ndarray (V,), int32
        Keyframes with points in the voxel.
    passes, passes_since : ndarray (V,), int32
        Keyframes that looked through the voxel after the first hit, and since the newest one.
    passes_before : ndarray (V,), int32
        Of the last keyframes before the first hit, those that looked through the voxel.
    first, last : ndarray (V,), int32
        Number of the first and last keyframe that hit the voxel.

    """

    def __init__(self, voxel_size: float, max_voxels: int):
        self._voxel_size, self._max_voxels = voxel_size, max_voxels
        self.n_voxels = self.n_left_out = 0
        self._n_keyframes = 0
        size = min(START, max_voxels)
        self.key = np.zeros(size, np.int64)
        self.xyz, self.rgb = np.zeros((size, 3), np.float32), np.zeros((size, 3), np.float32)
        self.weight, self.colored = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.hits, self.passes = np.zeros(size, np.int32), np.zeros(size, np.int32)
        self.passes_since = np.zeros(size, np.int32)
        self.passes_before = np.zeros(size, np.int32)
        self._looks: deque[Look] = deque(maxlen=REMEMBERED)
        self.first, self.last = np.zeros(size, np.int32), np.zeros(size, np.int32)
        self._table = np.full(4 * START, -1, np.int32)

    def add(self, keyframe: Keyframe, carve_range: float, carve_margin: float) -> Look | None:
        """
        Fuse a keyframe, then count the voxels that it looked through.

        Returns
        -------
        Look or None
            What it saw; None without `carve_range`.

        """
        self._grow(min(self.n_voxels + len(keyframe.xyz), self._max_voxels))
        number = self._n_keyframes
        has_color = keyframe.rgb is not None
        rgb = np.zeros((1, 3), np.uint8) if keyframe.rgb is None else keyframe.rgb
        known = self.n_voxels
        self.n_voxels, left_out = _fuse(
            voxel_keys(keyframe.xyz, self._voxel_size),
            keyframe.xyz,
            keyframe.count,
            rgb,
            has_color,
            number,
            self.n_voxels,
            self._max_voxels,
            self._table,
            self.key,
            self.xyz,
            self.rgb,
            self.weight,
            self.colored,
            self.hits,
            self.passes_since,
            self.first,
            self.last,
        )
        self.n_left_out += left_out
        self._n_keyframes += 1
        if carve_range <= 0:
            return None
        look = Look(keyframe.position.copy(), *_depth_map(keyframe.position, keyframe.xyz))
        new = slice(known, self.n_voxels)
        for before in self._looks:
            _look_back(*before, self.xyz[new], carve_range, carve_margin, self.passes_before[new])
        self._looks.append(look)
        _look_through(
            *look,
            self.xyz[: self.n_voxels],
            self.last,
            number,
            carve_range,
            carve_margin,
            self.passes,
            self.passes_since,
        )
        return look

    def around(self) -> tuple[np.ndarray, np.ndarray]:
        """
        Look at each voxel with its 26 neighbors.

        Returns
        -------
        duration : ndarray (V,), int32
            Keyframes from the first to the last that hit one of them.
        hits : ndarray (V,), int32
            Most hits of one of them.

        """
        return _around(self.n_voxels, self._table, self.key, self.first, self.last, self.hits)

    def _grow(self, needed: int) -> None:
        """Make room for a number of voxels."""
        size = len(self.key)
        if needed <= size:
            return
        size = min(max(needed, 2 * size), self._max_voxels)
        for name in ARRAYS:
            old = getattr(self, name)
            larger = np.zeros((size, *old.shape[1:]), old.dtype)
            larger[: self.n_voxels] = old[: self.n_voxels]
            setattr(self, name, larger)
        slots = 1 << int(np.ceil(np.log2(2 * size)))
        self._table = np.full(slots, -1, np.int32)
        _index(self.n_voxels, self.key, self._table)


ARRAYS = (
    'key', 'xyz', 'rgb', 'weight', 'colored', 'hits', 'passes', 'passes_since', 'passes_before',
    'first', 'last',
)  # fmt: skip


@numba.njit(cache=True)
def _slot(key, table, keys):
    """Return the slot of a key, or the free one where it belongs."""
    mask = len(table) - 1
    mixed = key * SPREAD
    slot = (mixed ^ (mixed >> 32)) & mask
    while table[slot] >= 0 and keys[table[slot]] != key:
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True)
def _index(count, keys, table):
    for v in range(count):
        table[_slot(keys[v], table, keys)] = v


@numba.njit(cache=True)
def _fuse(
    new_keys, new_xyz, new_count, new_rgb, has_color, number, used, most, table,
    key, xyz, rgb, weight, colored, hits, passes_since, first, last,
):  # fmt: skip
    """Update the voxels that a keyframe hits; return their number and what found no room."""
    left_out = 0
    for n in range(len(new_keys)):
        slot = _slot(new_keys[n], table, key)
        v = table[slot]
        if v < 0:
            if used == most:
                left_out += 1
                continue
            v = used
            used += 1
            table[slot] = v
            key[v], first[v], last[v] = new_keys[n], number, -1
        total = weight[v] + new_count[n]
        for k in range(3):
            xyz[v, k] += (new_xyz[n, k] - xyz[v, k]) * new_count[n] / total
        weight[v] = total
        if has_color:
            total = colored[v] + new_count[n]
            for k in range(3):
                rgb[v, k] += (new_rgb[n, k] - rgb[v, k]) * new_count[n] / total
            colored[v] = total
        # A mean on the border of a voxel may round into the next one, which then is hit twice.
        if last[v] != number:
            hits[v] += 1
        last[v] = number
        passes_since[v] = 0
    return used, left_out


@numba.njit(cache=True)
def _bin(x, y, z, distance):
    row = min(int(np.arccos(max(-1.0, min(1.0, z / distance))) / BIN), ROWS - 1)
    column = int((np.arctan2(y, x) + np.pi) / BIN) % COLUMNS
    return row, column


@numba.njit(cache=True)
def _depth_map(position, xyz):
    """Return whether a bin was measured, and the nearest point of each and its 8 neighbors."""
    nearest = np.full((ROWS, COLUMNS), np.inf, np.float32)
    for n in range(len(xyz)):
        x, y, z = xyz[n, 0] - position[0], xyz[n, 1] - position[1], xyz[n, 2] - position[2]
        distance = max(np.sqrt(x * x + y * y + z * z), 1e-6)
        row, column = _bin(x, y, z, distance)
        nearest[row, column] = min(nearest[row, column], distance)
    around = nearest.copy()
    for row in range(ROWS):
        for column in range(COLUMNS):
            for r in range(max(row - 1, 0), min(row + 2, ROWS)):
                for c in range(column - 1, column + 2):
                    around[row, column] = min(around[row, column], nearest[r, c % COLUMNS])
    return np.isfinite(nearest), around


@numba.njit(cache=True)
def is_through(position, own, around, point, carve_range, margin):
    """Return whether a keyframe measured something behind a point, and nothing around it."""
    x, y, z = point[0] - position[0], point[1] - position[1], point[2] - position[2]
    distance = np.sqrt(x * x + y * y + z * z)
    if distance > carve_range or distance < 1e-6:
        return False
    row, column = _bin(x, y, z, distance)
    return own[row, column] and around[row, column] > distance + margin


@numba.njit(cache=True)
def _look_back(position, own, around, xyz, carve_range, margin, passes):
    """Count the new voxels that an earlier keyframe looked through."""
    for v in range(len(xyz)):
        if is_through(position, own, around, xyz[v], carve_range, margin):
            passes[v] += 1


@numba.njit(cache=True)
def _look_through(
    position, own, around, xyz, last, number, carve_range, margin, passes, passes_since
):
    """Count the voxels in front of all that was measured in their direction."""
    for v in range(len(xyz)):
        if last[v] == number:
            continue
        if is_through(position, own, around, xyz[v], carve_range, margin):
            passes[v] += 1
            passes_since[v] += 1


@numba.njit(cache=True)
def _around(count, table, key, first, last, hits):
    duration, most = np.empty(count, np.int32), np.empty(count, np.int32)
    for v in range(count):
        low, high, best = first[v], last[v], hits[v]
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    near = key[v] + (np.int64(dx) << 42) + (np.int64(dy) << 21) + dz
                    u = table[_slot(near, table, key)]
                    if u >= 0:
                        low, high = min(low, first[u]), max(high, last[u])
                        best = max(best, hits[u])
        duration[v], most[v] = high - low + 1, best
    return duration, most
