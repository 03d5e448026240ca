"""From the dense points of a fused surface to the cloud that is handed out."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.handheld_scanning.tsdf import FusedSurface
from scipy.spatial import cKDTree

# A point is kept that has so many others within so many spacings.
COMPANY, ALONE = 4, 3.0
THINNINGS = ('mean', 'vertex', 'decimated')


def spacing_for(surface: FusedSurface, spacing: float, most: int) -> float:
    """Return `spacing` (m), or a wider one that leaves at most about `most` points."""
    count = len(np.unique(_cells(surface.xyz, spacing, np.zeros(3))))
    return float(spacing * max(1.0, float(np.round(np.sqrt(count / most), 6))))


def without_strays(surface: FusedSurface, spacing: float) -> FusedSurface:
    """Return a surface without points that hang in the air, as cleaned meshes are."""
    near = cKDTree(surface.xyz).query(surface.xyz, min(COMPANY + 1, len(surface.xyz)))[0]
    keep = near.reshape(len(near), -1)[:, -1] < ALONE * spacing
    return FusedSurface(surface.xyz[keep], surface.normals[keep], surface.sample[keep])


def _cells(xyz: np.ndarray, side: float, phase: np.ndarray) -> np.ndarray:
    """Return the number of the cell of each of (N, 3) points."""
    cell = np.floor(xyz / side + phase).astype(np.int64)
    cell -= cell.min(axis=0)
    extent = cell.max(axis=0) + 1
    return (cell[:, 0] * extent[1] + cell[:, 1]) * extent[2] + cell[:, 2]


def thinned(
    surface: FusedSurface, spacing: float, how: str, rng: np.random.Generator
) -> FusedSurface:
    """
    Leave about one point per cell.

    Parameters
    ----------
    surface : FusedSurface
    spacing : float, m
        Side of a cell.
    how : str
        'mean': the mean of each cell, edges are rounded. 'vertex': one point of each cell.
        'decimated': as a mesh is, with fewer points where it is even.
    rng : Generator

    """
    key = _cells(surface.xyz, spacing, rng.random(3))
    # Within a cell the order is by chance, so that the first point is any of them.
    chance = rng.permutation(len(key))
    order = chance[np.argsort(key[chance], kind='stable')]
    ordered = key[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    chosen = order[first]
    count = np.diff(np.r_[first, len(ordered)])

    def mean(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values[order], first, axis=0) / count[:, None]

    xyz, normals = surface.xyz[chosen], mean(surface.normals)
    length = np.sqrt((normals**2).sum(axis=1, keepdims=True))
    if how == 'mean':
        xyz = mean(surface.xyz)
    keep = np.ones(len(chosen), bool)
    if how == 'decimated':
        # Where all normals of a cell agree the surface is even.
        keep = rng.random(len(chosen)) < np.where(length[:, 0] > 0.985, 0.72, 1.0)
    normals = normals / np.maximum(length, 1e-9)
    return FusedSurface(xyz[keep], normals[keep], surface.sample[chosen][keep])
