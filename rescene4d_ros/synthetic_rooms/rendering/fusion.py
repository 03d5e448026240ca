"""From the hits of many views to one surface cloud of even spacing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import Hits
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import moved, turned


@dataclass(frozen=True)
class Fused:
    """
    Hold one point per occupied cell.

    Attributes
    ----------
    xyz : ndarray (N, 3), float64, m
        Mean of the measurements.
    normals : ndarray (N, 3), float32
    gain : ndarray (N,), float32
        Mean exposure.
    sample : ndarray (N,), int64
        A hit that stands for the cell: its material, its place in the model.
    count : ndarray (N,), int64
        Measurements per cell.

    """

    xyz: np.ndarray
    normals: np.ndarray
    gain: np.ndarray
    sample: np.ndarray
    count: np.ndarray


def fuse(
    hits: Hits, owner: np.ndarray, map_T_room: np.ndarray, spacing: float, rng: np.random.Generator
) -> Fused:
    """
    Average the measurements of each cell of a grid in the map frame.

    Measurements are sorted into cells by where they truly hit, as a fused distance field would
    do, so that noise does not thicken surfaces; flying pixels stay where they were measured.

    Parameters
    ----------
    hits : Hits
        M of them.
    owner : ndarray (M,), int64
        What each hit belongs to; a cell keeps only the hits of its most frequent owner.
    map_T_room : ndarray (4, 4)
    spacing : float, m
    rng : Generator
        Draws the phase of the grid, and what is forgotten and how normals are off, for each pixel.

    """
    place = moved(np.where(hits.flying[:, None], hits.measured, hits.true), map_T_room)
    cell = np.floor(place / spacing + rng.random(3)).astype(np.int64)
    cell -= cell.min(axis=0)
    extent = cell.max(axis=0) + 1
    owners = int(owner.max()) + 1
    key = ((cell[:, 0] * extent[1] + cell[:, 1]) * extent[2] + cell[:, 2]) * owners + owner
    order = np.argsort(key, kind='stable')
    ordered = key[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    count = np.diff(np.r_[first, len(ordered)])
    group_cell = ordered[first] // owners
    # The last of each cell after sorting by size is its most frequent owner.
    by_size = np.lexsort((count, group_cell))
    last = np.r_[group_cell[by_size][1:] != group_cell[by_size][:-1], True]
    best = np.sort(by_size[last])

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.add.reduceat(values[order].astype(np.float64), first, axis=0)[best]
        return total / count[best].reshape(-1, *[1] * (values.ndim - 1))

    sample = order[first[best]]
    # A fused distance field forgets most of what only one view saw.
    pixel = hits.pixel[sample]
    # Drawn for all pixels: a point more or less changes no other.
    forgotten = rng.random(hits.ranges.size, np.float32) < 0.8
    bumps = rng.standard_normal((hits.ranges.size, 3), np.float32)
    keep = ~((count[best] == 1) & hits.flying[sample] & forgotten[pixel])
    normals = mean(hits.normals)
    normals += 0.06 * bumps[pixel]
    normals /= np.maximum(np.sqrt((normals**2).sum(axis=1, keepdims=True)), 1e-9)
    xyz = moved(mean(hits.measured), map_T_room)
    normals = turned(normals, map_T_room[:3, :3]).astype(np.float32)
    return Fused(
        xyz[keep],
        normals[keep],
        mean(hits.gain).astype(np.float32)[keep],
        sample[keep],
        count[best][keep],
    )
