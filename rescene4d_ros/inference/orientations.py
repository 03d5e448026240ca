"""Several passes over one place, each with the map turned: what a pass misses another finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.structures import Prediction, Scan
from scipy.sparse import csr_matrix, diags

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
    motion = upright(number * TURN_RAD, np.zeros(3))  # no shift, so normals turn as points do

    def turn(vectors: np.ndarray) -> np.ndarray:
        return transform(motion, vectors).astype(np.float32)

    return replace(
        scan,
        xyz=turn(scan.xyz),
        normals=None if scan.normals is None else turn(scan.normals),
        sensor_path=None if scan.sensor_path is None else turn(scan.sensor_path),
    )


class TurnedVisit:
    """
    One visit in any orientation; missing normals are estimated once and turned.

    Parameters
    ----------
    scan : Scan

    """

    def __init__(self, scan: Scan):
        self._scan = scan

    @property
    def has_normals(self) -> bool:
        """Return whether normals need no estimation, or no more."""
        return self._scan.normals is not None

    def at(self, turn: int) -> Scan:
        """Return the visit with normals, turned; see `turned`."""
        if self._scan.normals is None:
            normals = estimate_normals(self._scan.xyz, sensor_path=self._scan.sensor_path)
            self._scan = replace(self._scan, normals=normals)
        return turned(self._scan, turn)


def join_orientations(passes: Sequence[Prediction]) -> Prediction:
    """
    Join passes over the same points into one prediction with the queries of all.

    Superpoints are those of the first pass; what the others say of theirs is averaged over the
    points of each. Objectness and superpoint features are the means of the passes.

    Parameters
    ----------
    passes : sequence of Prediction
        Of the same T visits, point by point; each with the same number of queries.

    """
    first = passes[0]
    if len(passes) == 1:
        return first
    shares = [_point_shares(first, other) for other in passes[1:]]
    masks = [first.mask_probs, *(_onto(s, p.mask_probs) for s, p in zip(shares, passes[1:]))]
    return Prediction(
        class_probs=np.concatenate([p.class_probs for p in passes]),
        mask_probs=tuple(np.concatenate(each, axis=1) for each in zip(*masks)),
        superpoint=first.superpoint,
        features=np.concatenate([p.features for p in passes]),
        objectness=_mean(shares, [p.objectness for p in passes]),
        superpoint_features=_mean(shares, [p.superpoint_features for p in passes]),
        voxels=first.voxels,
        orientations=len(passes),
    )


def _mean(
    shares: Sequence[list[csr_matrix]], values: Sequence[tuple[np.ndarray, ...] | None]
) -> tuple[np.ndarray, ...] | None:
    """Return the means over the passes of values of superpoints; None if a pass has none."""
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return None
    every = [known[0], *(_onto(s, v) for s, v in zip(shares, known[1:], strict=True))]
    return tuple(np.stack(each).mean(axis=0) for each in zip(*every))


def _point_shares(first: Prediction, other: Prediction) -> list[csr_matrix]:
    """Return, per visit, how a superpoint's points (S_t, S_t') lie in those of another pass."""
    shares = []
    visits = zip(first.superpoint, other.superpoint, first.mask_probs, other.mask_probs)
    for own, theirs, mask, their_mask in visits:
        ones = np.ones(len(own), dtype=np.float32)
        shared = csr_matrix((ones, (own, theirs)), shape=(len(mask), len(their_mask)))
        points = np.asarray(shared.sum(axis=1)).ravel().clip(min=1)
        shares.append(diags(1 / points) @ shared)
    return shares


def _onto(shares: Sequence[csr_matrix], values: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return values (S_t', ...) of another pass's superpoints for those of the first."""
    return tuple(
        (share @ value).astype(np.float32) for share, value in zip(shares, values, strict=True)
    )
