"""
Floor and walls of a room, found by height and direction of its surfaces.

There are three estimates of the height of the floor, because they may differ by centimeters and
what was fitted with one of them needs the same one: `floor_height` where normals are known,
`floor_without_normals` where they are not, and `coarse_floor_height`, an input of the network.
"""

from __future__ import annotations

import numpy as np

UPRIGHT = 0.25  # |z| of a normal below which a surface stands
LEVEL = 0.9  # |z| of a normal above which a surface lies
WALL_HEIGHT = 1.6  # m; least height of a plane that is a wall
WALL_POINTS = 250  # least points of a wall in one slice
SLICE = 0.03  # m; thickness of the slices in which walls are searched
COLUMN = 0.05  # m; edge of the upright columns by which footprints and free floor are judged
FLOOR_HALF_WIDTH = 0.04  # m; of the layer that is floor
CLEARLY_BELOW = 0.08  # m; points this far below belong to another surface
OVER_FLOOR = 0.1  # m; from this height on points take up the floor below them
EYE_HEIGHT = 1.4  # m above the floor; where a scanner is carried when no path is given
HEADROOM = 1.8  # m; free height over floor that a scanner walks on


def floor_height(xyz: np.ndarray, normals: np.ndarray) -> float:
    """
    Return the height of the lowest large level surface, m.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m, in map
    normals : ndarray (N, 3), float
        Unit normals of either sign.

    """
    level = xyz[np.abs(normals[:, 2]) > LEVEL, 2]
    if len(level) == 0:
        return float(xyz[:, 2].min(initial=0.0))
    edges = np.arange(level.min() - 0.05, level.max() + 0.1, 0.02)
    count, edges = np.histogram(level, bins=edges)
    return float(edges[np.flatnonzero(count > 0.15 * count.max())[0]] + 0.01)


def floor_without_normals(xyz: np.ndarray) -> float:
    """
    Return the height of the lowest large level surface by heights alone, m.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m, in map
        At least one point.

    Returns
    -------
    float, m
        Upper side of the lowest layer of 5 cm that, with the layer above it, has at least a
        quarter of the points of the fullest two.

    """
    bins = np.floor(xyz[:, 2] / 0.05).astype(np.int64)
    low = bins.min()
    counts = np.bincount(bins - low)
    counts = counts + np.append(counts[1:], 0)
    full = np.flatnonzero(counts >= 0.25 * counts.max())
    return float((low + full[0] + 1) * 0.05)


def coarse_floor_height(xyz: np.ndarray, normals: np.ndarray | None = None) -> float:
    """
    Estimate the height of the floor from layers of 0.1 m, as the weights were trained with.

    Parameters
    ----------
    xyz : ndarray (N, 3), m, in map
        At least one point.
    normals : ndarray (N, 3), optional
        Excludes walls and sides of furniture.

    Returns
    -------
    float, m
        Height of the lowest 0.1 m layer with at least a fifth of the level points of the fullest
        layer, so that single points below the floor are ignored.

    """
    z = xyz[:, 2].astype(np.float64)
    if normals is not None:
        is_level = np.abs(normals[:, 2]) > 0.9
        if is_level.any():
            z = z[is_level]
    low = z.min()
    layer = ((z - low) / 0.1).astype(np.int64)
    counts = np.bincount(layer)
    floor_layer = int(np.flatnonzero(counts >= 0.2 * counts.max())[0])
    return float(np.median(z[layer == floor_layer]))


def on_walls(xyz: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """
    Say of each point whether it lies on a high upright plane.

    Walls of most rooms stand along two directions; the strongest one and the one across it
    are searched.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
        Thinned to about `SLICE`.
    normals : ndarray (N, 3), float32
        Unit normals of either sign.

    Returns
    -------
    ndarray (N,), bool

    """
    upright = np.abs(normals[:, 2]) < UPRIGHT
    wall = np.zeros(len(xyz), dtype=bool)
    if not upright.any():
        return wall
    turn = np.degrees(np.arctan2(normals[upright, 1], normals[upright, 0])) % 90
    count = np.bincount(turn.astype(int) % 90, minlength=90)
    smooth = np.convolve(np.r_[count[-2:], count, count[:2]], np.ones(5), 'valid')
    first = np.radians(smooth.argmax() + 0.5)
    for direction in (first, first + np.pi / 2):
        across = np.array([np.cos(direction), np.sin(direction)])
        facing = upright & (np.abs(normals[:, :2] @ across) > LEVEL)
        place = np.floor(xyz[:, :2] @ across / SLICE).astype(np.int64)
        slices, member = np.unique(place[facing], return_inverse=True)
        if len(slices) == 0:
            continue
        z = xyz[facing, 2]
        low, high = np.full(len(slices), np.inf), np.full(len(slices), -np.inf)
        np.minimum.at(low, member, z)
        np.maximum.at(high, member, z)
        tall = (np.bincount(member) > WALL_POINTS) & (high - low > WALL_HEIGHT)
        near = np.unique(slices[tall][:, None] + np.array([-1, 0, 1]))
        wall |= facing & np.isin(place, near)
    return wall


def columns_of(xyz: np.ndarray) -> np.ndarray:
    """Return one integer per point (N, 3): the upright column of `COLUMN` that it falls in."""
    cell = np.floor(np.asarray(xyz[:, :2], dtype=np.float64) / COLUMN).astype(np.int64)
    return (cell[:, 0] << 32) + cell[:, 1]


def lowest_of(column: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns (C,) that some points (N,) fall in, sorted, and the lowest z in each."""
    columns, member = np.unique(column, return_inverse=True)
    low = np.full(len(columns), np.inf)
    np.minimum.at(low, member, z)
    return columns, low


def shows_below(shown: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """
    Say of points (N, 3) whether one of those shown (M, 3) lies in the same column clearly below.

    Returns
    -------
    ndarray (N,), bool

    """
    if len(shown) == 0:
        return np.zeros(len(xyz), dtype=bool)
    columns, low = lowest_of(columns_of(shown), shown[:, 2])
    asked = columns_of(xyz)
    at = np.minimum(np.searchsorted(columns, asked), len(columns) - 1)
    return (columns[at] == asked) & (low[at] < xyz[:, 2] - CLEARLY_BELOW)


def standing_places(xyz: np.ndarray, floor_z: float, count: int) -> np.ndarray:
    """
    Return places at eye height over free floor, where whoever scanned a room may have stood.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m, in map
    floor_z : float, m
    count : int
        Most places.

    Returns
    -------
    ndarray (P, 3), float32, m, in map
        Spread by farthest points; none without free floor.

    """
    height, column = xyz[:, 2] - floor_z, columns_of(xyz)
    busy = column[(height > OVER_FLOOR) & (height < HEADROOM)]
    free = np.setdiff1d(column[np.abs(height) < FLOOR_HALF_WIDTH], busy)
    if len(free) == 0:
        return np.zeros((0, 3), dtype=np.float32)
    x = free >> 32
    y = (free - (x << 32)).astype(np.int32)  # the low half is signed
    place = (np.c_[x, y] + 0.5) * COLUMN
    chosen, distance = [0], np.full(len(place), np.inf)
    while len(chosen) < min(count, len(place)):
        distance = np.minimum(distance, ((place - place[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(distance.argmax()))
    return np.c_[place[chosen], np.full(len(chosen), floor_z + EYE_HEIGHT)].astype(np.float32)
