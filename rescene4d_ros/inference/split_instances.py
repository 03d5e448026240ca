"""
One query that covers several look-alikes: parts apart become instances of their own.

Two equal chairs are often one query. Its parts are linked across visits by staying where they
are; a part that disappears and one that appears are then one that moved, as the query says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.point_sets import voxelize
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

SMALLEST_SHARE = 0.5  # of the largest part in the visit: look-alikes have like sizes, strays not


@dataclass(frozen=True)
class _Part:
    """A connected part of an instance in one visit."""

    visit: int
    points: np.ndarray  # rows of the visit's cloud
    center: np.ndarray


def split_instances(
    labels: Sequence[np.ndarray],
    xyz: Sequence[np.ndarray],
    n_instances: int,
    gap: float,
    min_points: int,
) -> tuple[list[np.ndarray], np.ndarray]:
    """
    Split instances into parts that lie apart, and number what is left densely.

    Parameters
    ----------
    labels : sequence of T ndarrays (N_t,), int
        Instance per point, -1 = none.
    xyz : sequence of T ndarrays (N_t, 3), m
    n_instances : int
    gap : float, m
        Parts farther apart than this are not one; 0 = never split.
    min_points : int
        Parts smaller than this, or than half the largest part, become unlabeled.

    Returns
    -------
    labels : list of T ndarrays (N_t,), int64
        New instance per point, 0..I - 1; -1 = none.
    source : ndarray (I,), int64
        Old instance of each new one.

    """
    new_labels = [np.full(len(label), -1) for label in labels]
    source: list[int] = []
    for instance in range(n_instances):
        parts = [
            part
            for visit, (label, points) in enumerate(zip(labels, xyz))
            for part in _parts(visit, np.flatnonzero(label == instance), points, gap, min_points)
        ]
        for track in _link(parts, gap):
            for part in track:
                new_labels[part.visit][part.points] = len(source)
            source.append(instance)
    return new_labels, np.asarray(source, dtype=np.int64)


def _parts(
    visit: int, rows: np.ndarray, xyz: np.ndarray, gap: float, min_points: int
) -> list[_Part]:
    """Return the connected parts of a visit's points that are large enough, largest first."""
    if len(rows) == 0:
        return []
    component = _components(xyz[rows], gap) if gap > 0 else np.zeros(len(rows), dtype=np.int64)
    sizes = np.bincount(component)
    least = min(sizes.max(), max(min_points, SMALLEST_SHARE * sizes.max()))
    order = [c for c in np.argsort(-sizes, kind='stable') if sizes[c] >= least]
    members = [rows[component == c] for c in order]
    return [_Part(visit, points, xyz[points].mean(axis=0, dtype=np.float64)) for points in members]


def _components(xyz: np.ndarray, gap: float) -> np.ndarray:
    """Return the connected component (N,) of each point; cells of gap / 4 stand for points."""
    cells, cell, _ = voxelize(xyz, gap / 4)
    pairs = cKDTree(cells).query_pairs(4, output_type='ndarray')
    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(cells), len(cells)))
    return connected_components(links, directed=False)[1][cell]


def _link(parts: list[_Part], gap: float) -> list[list[_Part]]:
    """Return the parts as objects, each at most once per visit: first what stayed, then moved."""
    tracks: list[list[_Part]] = []
    for visit in sorted({p.visit for p in parts}):
        fresh = [p for p in parts if p.visit == visit]
        distance = np.array(
            [[np.linalg.norm(track[-1].center - p.center) for p in fresh] for track in tracks]
        ).reshape(len(tracks), len(fresh))
        # Beyond the gap all distances are alike: only staying is rewarded.
        pairs = zip(*linear_sum_assignment(distance.clip(max=2 * gap)))
        stayed = {int(k): int(t) for t, k in pairs if distance[t, k] <= gap}
        for k, part in enumerate(fresh):
            if k in stayed:
                tracks[stayed[k]].append(part)
            else:
                tracks.append([part])
    tracks.sort(key=lambda track: -sum(len(p.points) for p in track))
    objects: list[list[_Part]] = []
    for track in tracks:
        visits = {p.visit for p in track}
        home = next((o for o in objects if visits.isdisjoint(p.visit for p in o)), None)
        if home is None:
            objects.append(track)
        else:
            home.extend(track)
    return objects
