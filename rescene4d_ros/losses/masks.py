"""Mask losses of every query against every instance, for matching and training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pairwise_mask_bce(mask_logits: Tensor, masks: Tensor, weight: Tensor) -> Tensor:
    """
    Compute the mean binary cross entropy of all pairs of query and instance.

    Written as softplus(x) - x t, one matrix product serves all pairs.

    Parameters
    ----------
    mask_logits : Tensor (..., S, Q), float32
    masks : Tensor (G, S), float32
        Truth in {0, 1}.
    weight : Tensor (S,), float32
        Of each superpoint; sums to 1.

    Returns
    -------
    Tensor (..., Q, G), float32

    """
    base = torch.einsum('...sq,s->...q', functional.softplus(mask_logits), weight)
    return base[..., None] - mask_logits.transpose(-1, -2) @ (masks * weight).T


def pairwise_dice(mask_logits: Tensor, masks: Tensor, weight: Tensor) -> Tensor:
    """
    Compute the soft Dice loss of all pairs of query and instance.

    One minus twice the overlap over the total area, with one superpoint's mean weight added to
    both so that two empty masks score 0 instead of 0/0.

    Parameters
    ----------
    mask_logits : Tensor (..., S, Q), float32
    masks : Tensor (G, S), float32
        Truth in {0, 1}.
    weight : Tensor (S,), float32
        Of each superpoint; sums to 1.

    Returns
    -------
    Tensor (..., Q, G), float32
        In [0, 1].

    Notes
    -----
    Source: Milletari et al., "V-Net", 2016, with +1 smoothing as in Mask2Former.

    """
    probs = mask_logits.sigmoid()
    one = weight.mean() if len(weight) else weight.new_ones(())
    overlap = probs.transpose(-1, -2) @ (masks * weight).T
    area = torch.einsum('...sq,s->...q', probs, weight)[..., None] + masks @ weight
    return 1 - (2 * overlap + one) / (area + one)
