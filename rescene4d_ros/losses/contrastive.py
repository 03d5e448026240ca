"""Contrastive loss across visits: features of one instance are similar in every visit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

LARGEST_SIMILARITY = 0.99999  # keeps the log-odds finite in float32


def contrastive_loss(
    features: Tensor,
    masks: Tensor,
    visit: Tensor,
    *,
    cross_visit_weight: float = 1.0,
    chunk: int = 1024,
) -> Tensor:
    """
    Compute the InfoNCE loss between superpoints with log-odds similarity.

    With cosine similarity s, the logit is 2 atanh(s), so its exponential is (1 + s) / (1 - s)
    and no exponential is ever taken. Anchors are all superpoints of an instance, positives
    the others that share an instance in any visit; all the rest are negatives. Similarities
    exist for `chunk` anchors at a time, forward and backward, so memory grows with S, not S^2.

    Parameters
    ----------
    features : Tensor (S, C), float32
        Superpoint features of all visits.
    masks : Tensor (G, S), bool
        Instances.
    visit : Tensor (S,), int64
        Visit of each superpoint.
    cross_visit_weight : float
        Weight of positives from another visit.
    chunk : int
        Anchors at a time; changes memory, not the value.

    Returns
    -------
    Tensor (), float32
        Mean over the anchors that have a positive; 0 where there is none.

    Notes
    -----
    Source: ReScene4D, 2026, contrastive objective with log-odds normalization.

    """
    unit = functional.normalize(features.float(), dim=1, eps=1e-6)
    anchors = masks.any(0).nonzero()[:, 0]
    total, count = features.sum() * 0, 0
    for part in anchors.split(chunk):
        loss, has_positive = checkpoint(
            _anchor_losses, unit, part, masks, visit, cross_visit_weight, use_reentrant=False
        )
        total = total + loss.sum()
        count = count + has_positive.sum()
    return total / torch.as_tensor(count, device=features.device).clamp(min=1)


def _anchor_losses(
    unit: Tensor, anchors: Tensor, masks: Tensor, visit: Tensor, cross_visit_weight: float
) -> tuple[Tensor, Tensor]:
    """Return the loss of each anchor, 0 without a positive, and which have one."""
    similarity = unit[anchors] @ unit.T  # (A, S)
    similarity = similarity.clamp(-LARGEST_SIMILARITY, LARGEST_SIMILARITY)
    odds = ((1 + similarity) / (1 - similarity)).scatter(1, anchors[:, None], 0)  # not itself
    members = masks.to(unit.dtype)
    is_positive = (members[:, anchors].T @ members > 0).scatter_(1, anchors[:, None], False)
    has_positive = is_positive.any(1)
    weight = is_positive.to(unit.dtype)
    if cross_visit_weight != 1:
        is_cross = visit[anchors][:, None] != visit[None]
        weight = torch.where(is_cross, cross_visit_weight * weight, weight)
    everything = odds.sum(1)
    positives = torch.where(has_positive, (odds * weight).sum(1), everything)
    return everything.log() - positives.log(), has_positive
