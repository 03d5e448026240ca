"""Several passes over one place, each with the map turned: what a pass misses another finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.structures import Prediction, Scan
from scipy.sparse import csr_matrix

# Multiples of it come back after eight; two differ by a quarter turn at most once in four.
TURN_RAD = 0.75 * np.pi


def turned(scan: Scan, number: int) -> Scan:
    """
    Return a visit with the map turned about its z axis; normals and sensor path turn with it.

    Parameters
    ----------
    scan : Scan
    number : int
        Turns by 135 degrees; 0 returns the visit itself.

    """
    if number == 0:
        return scan
    c, s = np.cos(number * TURN_RAD), np.sin(number * TURN_RAD)
    rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    def turn(vectors: np.ndarray | None) -> np.ndarray | None:
        return None if vectors is None else (vectors @ rotation.T).astype(np.float32)

    return replace(
        scan,
        xyz=(scan.xyz.astype(np.float64) @ rotation.T).astype(np.float32),
        normals=turn(scan.normals),
        sensor_path=turn(scan.sensor_path),
    )


def join_orientations(passes: Sequence[Prediction]) -> Prediction:
    """
    Join passes over the same points into one prediction with the queries of all.

    Superpoints are those of the first pass; what the others say of theirs is averaged over the
    points of each. Objectness is the mean of the passes.

    Parameters
    ----------
    passes : sequence of Prediction
        Of the same T visits, point by point; each with the same number of queries.

    """
    first = passes[0]
    if len(passes) == 1:
        return first
    masks = [first.mask_probs, *(_onto(first, p, p.mask_probs) for p in passes[1:])]
    objectness = None
    if all(p.objectness is not None for p in passes):
        told = [_onto(first, p, p.objectness or ()) for p in passes]
        objectness = tuple(np.stack(each).mean(axis=0) for each in zip(*told))
    return Prediction(
        class_probs=np.concatenate([p.class_probs for p in passes]),
        mask_probs=tuple(np.concatenate(each, axis=1) for each in zip(*masks)),
        superpoint=first.superpoint,
        features=np.concatenate([p.features for p in passes]),
        objectness=objectness,
        voxels=first.voxels,
        orientations=len(passes),
    )


def _onto(
    first: Prediction, other: Prediction, values: Sequence[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Return values (S_t, ...) of another pass's superpoints for those of the first."""
    moved = []
    for own, theirs, mask, value in zip(
        first.superpoint, other.superpoint, first.mask_probs, values, strict=True
    ):
        ones = np.ones(len(own), dtype=np.float32)
        shared = csr_matrix((ones, (own, theirs)), shape=(len(mask), len(value)))
        points = np.asarray(shared.sum(axis=1)).ravel().clip(min=1)
        moved.append(((shared @ value).T / points).T.astype(np.float32))
    return tuple(moved)
