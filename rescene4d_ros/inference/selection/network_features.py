"""Network features of every candidate: averaged inside, at the rim, and of its best query."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.inference.selection.candidates import Candidates, Evidence, soft_overlaps
from rescene4d_ros.inference.selection.features import contact_matrix
from rescene4d_ros.inference.selection.regions import Regions


def network_features(regions: Regions, evidence: Evidence, candidates: Candidates) -> np.ndarray:
    """
    Pool the network's features over every candidate in one visit.

    Parameters
    ----------
    regions : Regions
        Of one visit.
    evidence : Evidence
        Of its superpoints.
    candidates : Candidates
        Their masks in it.

    Returns
    -------
    ndarray (C, 2 E + F + K + 1), float32
        Superpoint features averaged over the points of a candidate, and over the superpoints that
        touch it, weighted by contact (0 where none does); features and class probabilities of the
        query that agrees best. No columns if the evidence holds no features.

    """
    known = evidence.superpoint_features
    if known is None or evidence.features is None:
        return np.zeros((len(candidates), 0), np.float32)
    masks, points = candidates.masks.astype(np.float32), regions.points.astype(np.float32)
    area = points @ masks
    touching = contact_matrix(regions) @ masks * ~candidates.masks
    best = soft_overlaps(regions.points, evidence.mask_probs, candidates.masks)[1]
    best = (best * evidence.certainty).argmax(axis=1)
    return np.hstack(
        [
            (masks.T @ (known * points[:, None])) / area[:, None].clip(min=1),
            (touching.T @ known) / touching.sum(axis=0)[:, None].clip(min=1),
            evidence.features[best],
            evidence.class_probs[best],
        ]
    ).astype(np.float32)
