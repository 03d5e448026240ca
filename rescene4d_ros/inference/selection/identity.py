"""Identity of chosen masks: those of different visits that one query claims are one object."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.inference.selection.features import Evidence
from rescene4d_ros.inference.selection.merge_tree import agreement, color_likeness
from rescene4d_ros.inference.selection.regions import Regions

LEAST_LIKENESS = 0.15  # of two masks of different visits that become one object


def link_visits(
    regions: Regions, evidence: Evidence, masks: np.ndarray, least: float = LEAST_LIKENESS
) -> np.ndarray:
    """
    Join masks that no visit shows together, the most alike first.

    Two masks are alike where the same queries claim both, their colors are near and their sizes
    similar: also after a move.

    Parameters
    ----------
    regions : Regions
        Of T visits.
    evidence : Evidence
    masks : ndarray (S, I), bool
        Without overlap.
    least : float
        Least likeness, 0..1.

    Returns
    -------
    ndarray (I,), int64
        Object of each mask, 0..J - 1.

    """
    n = masks.shape[1]
    shown = np.stack(
        [masks[regions.visit == t].any(axis=0) for t in range(regions.visit.max(initial=0) + 1)]
    )
    together = (shown[:, :, None] & shown[:, None]).any(axis=0)
    first, second = np.nonzero(np.triu(~together, 1))
    group = np.arange(n)
    if not len(first):
        return group
    area = regions.points @ masks
    weighted = (masks * regions.points[:, None]).T / area[:, None].clip(min=1)
    claims = (weighted @ (evidence.mask_probs * evidence.certainty)).astype(np.float32)
    per_visit = area / shown.sum(axis=0).clip(min=1)
    ratio = per_visit[first] / per_visit[second].clip(min=1)
    pairs = np.stack([first, second], axis=1)
    likeness = (
        agreement(claims[first], claims[second])
        * color_likeness(weighted @ regions.color, pairs)
        * np.sqrt(np.minimum(ratio, 1 / ratio.clip(min=1e-9)))
    )
    order = np.argsort(-likeness, kind='stable')
    for a, b in pairs[order[likeness[order] >= least]].tolist():
        one, other = group == group[a], group == group[b]
        if not (shown[:, one].any(axis=1) & shown[:, other].any(axis=1)).any():
            group[other] = group[a]
    return np.unique(group, return_inverse=True)[1]
