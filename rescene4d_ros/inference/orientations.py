"""Several passes over one place, each with the map turned: what a pass misses another finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.structures import Prediction
from scipy.sparse import csr_matrix, diags


def join_orientations(passes: Sequence[Prediction]) -> Prediction:
    """
    Join passes over the same points into one prediction with the queries of all.

    Superpoints are those of the first pass; what the others say of theirs is averaged over the
    points of each. Objectness and superpoint features are the means of the passes.

    Parameters
    ----------
    passes : sequence of Prediction
        Of the same T visits, point by point; each with the same number of queries. Two at least.

    """
    first = passes[0]
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
