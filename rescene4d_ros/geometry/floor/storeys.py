"""Storeys of a building: heights between which no surface lies, as in the slab of a floor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.geometry.point_sets import TWO_STOREYS

LAYER = 0.1  # m; height of the layers in which surfaces are counted
SQUARE = 1.0  # m; edge of the squares of the floor plan that a layer occupies or not
AROUND = 20  # layers above and below a gap by which it is one: a storey is higher
SPARSE = (
    0.25  # share of the squares of the layers around it that a layer of a gap occupies at most
)
MOST_POINTS = 1 << 20  # that are counted
FARTHEST = 500.0  # m; above and below the middle point; what is beyond is no building
WIDEST = 2.0**22  # m; from the origin of the map; points beyond count as at this distance


def storey_borders(clouds: Sequence[np.ndarray]) -> tuple[float, ...]:
    """
    Find the heights between the storeys of a building.

    Between a ceiling and the floor above it hardly anything is measured but stairs and lifts. The
    border is the roundest height in such a gap, half a layer inside it, so that visits that see
    it differently agree. Rooms at half height leave no gap and are one storey with their
    neighbors.

    Parameters
    ----------
    clouds : sequence of ndarray (N, 3), float, m, in map

    Returns
    -------
    tuple of float, m
        Rising; empty for one storey.

    """
    sizes = [len(xyz) for xyz in clouds]
    if not sum(sizes):
        return ()
    lowest = min(float(xyz[:, 2].min()) for xyz in clouds if len(xyz))
    highest = max(float(xyz[:, 2].max()) for xyz in clouds if len(xyz))
    if highest - lowest < TWO_STOREYS:
        return ()
    step = -(-sum(sizes) // MOST_POINTS)
    first, squares = _squares_of_layers(np.concatenate([xyz[::step] for xyz in clouds]))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(squares, AROUND), AROUND)
    usual = np.median(windows, axis=1)
    # The layers below layer k are window k, those above it window k + AROUND + 1.
    around = np.minimum(usual[: len(squares)], usual[AROUND + 1 :])
    is_gap = (around > 0) & (squares <= SPARSE * around)
    edges = np.flatnonzero(np.diff(np.r_[False, is_gap, False]))
    return tuple(
        _roundest((first + low + 0.5) * LAYER, (first + high - 0.5) * LAYER)
        for low, high in edges.reshape(-1, 2).tolist()
    )


def storey_of(z: np.ndarray, borders: Sequence[float]) -> np.ndarray:
    """Return the number of the storey of heights (N,), int64, from 0 at the lowest."""
    return np.searchsorted(np.asarray(borders, dtype=np.float64), z, side='right')


def _squares_of_layers(xyz: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the number of the lowest layer, and the occupied squares of each from there on."""
    # The height of a point: half way between two sites, one far above the other, there is none.
    middle = np.partition(xyz[:, 2], len(xyz) // 2)[len(xyz) // 2]
    xyz = xyz[np.abs(xyz[:, 2] - middle) < FARTHEST]
    floor = np.clip(xyz[:, :2], -WIDEST, WIDEST)  # so that the keys below do not overflow
    column, row = np.floor(floor / SQUARE).astype(np.int64).T
    layer = np.floor(xyz[:, 2] / LAYER).astype(np.int64)
    column, row, first = column - column.min(), row - row.min(), int(layer.min())
    depth, width = int(row.max()) + 1, int(column.max()) + 1
    key = np.unique(((layer - first) * width + column) * depth + row)
    return first, np.bincount(key // (width * depth))


def _roundest(low: float, high: float) -> float:
    """Return the multiple of the largest power of two in a range, the lowest of them; m."""
    step = 2.0
    while True:
        found = float(np.ceil(low / step) * step)
        if found <= high:
            return found
        step /= 2
