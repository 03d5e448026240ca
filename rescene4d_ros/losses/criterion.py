"""The training objective of one sequence."""
from __future__ import annotations

from typing import Protocol

from rescene4d_ros.losses.config import LossConfig
from rescene4d_ros.losses.contrastive import contrastive_loss
from rescene4d_ros.losses.masks import pairwise_dice, pairwise_mask_bce
from rescene4d_ros.losses.matching import class_cost, match
from rescene4d_ros.losses.targets import IGNORED_CLASS, Targets
import torch
from torch import Tensor
from torch.nn import functional


class Queries(Protocol):
    """
    Name what the criterion reads of a network's output.

    Attributes
    ----------
    class_logits : Tensor (L + 1, Q, K + 1), float32
    mask_logits : Tensor (L + 1, S, Q), float32
    superpoint_features : Tensor (S, C), float32
    visit : Tensor (S,), int64
    seed : Tensor (Q,), int64

    """

    class_logits: Tensor
    mask_logits: Tensor
    superpoint_features: Tensor
    visit: Tensor
    seed: Tensor


class Criterion:
    """Score all prediction sets of one sequence against its truth (deep supervision)."""

    def __init__(self, config: LossConfig):
        self.config = config

    def __call__(self, output: Queries, targets: Targets) -> dict[str, Tensor]:
        """
        Match, then sum the losses of the L + 1 prediction sets.

        Returns
        -------
        dict of str to Tensor ()
            'class', 'mask', 'dice' (each summed over the sets), 'seed' and 'contrastive'
            (where they are on) and 'total', the objective.

        """
        config = self.config
        masks = targets.masks.to(output.mask_logits.dtype)
        weight = self._superpoint_weight(targets).to(masks.dtype)
        bce = pairwise_mask_bce(output.mask_logits, masks, weight)  # (L + 1, Q, G)
        dice = pairwise_dice(output.mask_logits, masks, weight)
        with torch.no_grad():
            cost = (config.class_weight * class_cost(output.class_logits, targets.classes)
                    + config.mask_weight * bce + config.dice_weight * dice)
        matched = match(cost)
        n_matched = max(min(cost.shape[1:]), 1)  # per set
        losses = {'class': self._class_loss(output.class_logits, targets.classes, matched),
                  'mask': bce[matched].sum() / n_matched,
                  'dice': dice[matched].sum() / n_matched}
        if config.seed_weight > 0:
            losses['seed'] = self._seed_loss(bce, dice, targets.masks[:, output.seed])
        if config.contrastive_weight > 0:
            losses['contrastive'] = contrastive_loss(
                output.superpoint_features, targets.masks, output.visit,
                cross_visit_weight=config.cross_visit_weight, chunk=config.contrastive_chunk)
        return {**losses, 'total': self._objective(losses)}

    def _class_loss(self, class_logits: Tensor, classes: Tensor, matched) -> Tensor:
        """Return the weighted cross entropy, averaged per set, summed over the sets."""
        sets, queries, instances = matched
        no_object = class_logits.shape[-1] - 1
        wanted = class_logits.new_full(class_logits.shape[:2], no_object, dtype=torch.int64)
        wanted[sets, queries] = classes[instances]
        weight = torch.where(wanted == no_object, self.config.no_object_weight, 1.0)
        weight = torch.where(wanted == IGNORED_CLASS, 0.0, weight)
        entropy = functional.cross_entropy(class_logits.transpose(1, 2), wanted.clamp(min=0),
                                           reduction='none')  # (L + 1, Q)
        return ((entropy * weight).sum(1) / weight.sum(1).clamp(min=1e-6)).sum()

    def _seed_loss(self, bce: Tensor, dice: Tensor, is_seed: Tensor) -> Tensor:
        """
        Return the mask terms of every query whose seed lies on an instance, for that instance.

        Matching trains one query per instance and set. This trains all that start on it, and
        with a target that does not change while others learn; the class term still asks all
        but one to stand back.

        Parameters
        ----------
        bce, dice : Tensor (L + 1, Q, G)
        is_seed : Tensor (G, Q), bool
            Whether the query starts on the instance.

        """
        instances, queries = is_seed.nonzero(as_tuple=True)
        terms = self.config.mask_weight * bce + self.config.dice_weight * dice
        return terms[:, queries, instances].sum() / max(len(queries), 1)

    def _superpoint_weight(self, targets: Targets) -> Tensor:
        """Return the share of each superpoint in the mask terms, summing to 1."""
        n_superpoints = targets.masks.shape[1]
        if self.config.weight_by_points and targets.n_points is not None:
            counts = targets.n_points.float()
        else:
            counts = torch.ones(n_superpoints, device=targets.masks.device)
        return counts / counts.sum().clamp(min=1)

    def _objective(self, losses: dict[str, Tensor]) -> Tensor:
        """Return the weighted or the plain sum of the terms."""
        if self.config.objective == 'raw_sum':
            return sum(losses.values())
        return sum(getattr(self.config, f'{name}_weight') * loss
                   for name, loss in losses.items())
