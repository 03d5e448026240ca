"""The training objective of one sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rescene4d_ros.losses.config import effective, LossConfig
from rescene4d_ros.losses.contrastive import contrastive_loss
from rescene4d_ros.losses.masks import pairwise_dice, pairwise_mask_bce
from rescene4d_ros.losses.matching import class_cost, match
from rescene4d_ros.losses.targets import IGNORED_CLASS, Targets
import torch
from torch import Tensor
from torch.nn import functional

NEVER = 1e9  # cost of a mask that is not finite, in place of its cross entropy


class Queries(Protocol):
    """
    The outputs of a network that the criterion reads.

    Attributes
    ----------
    class_logits : Tensor (L + 1, Q, K + 1), float32
    mask_logits : Tensor (L + 1, S, Q), float32
    superpoint_features : Tensor (S, C), float32
    superpoint_logits : Tensor (S, K + 1), float32
    visit : Tensor (S,), int64
    seed : Tensor (Q,), int64
    structure_logits : Tensor (L + 1, S, R), float32

    """

    @property
    def class_logits(self) -> Tensor: ...

    @property
    def mask_logits(self) -> Tensor: ...

    @property
    def superpoint_features(self) -> Tensor: ...

    @property
    def superpoint_logits(self) -> Tensor: ...

    @property
    def visit(self) -> Tensor: ...

    @property
    def seed(self) -> Tensor: ...

    @property
    def structure_logits(self) -> Tensor: ...


@dataclass(frozen=True)
class _Pairs:
    """
    Assigned pairs of query and instance.

    Attributes
    ----------
    index : tuple of three Tensor (M,), int64
        Prediction set, query, instance.
    share : Tensor (M,), float32
        Of each pair in the mask terms; sums to 1 per set.

    """

    index: tuple[Tensor, Tensor, Tensor]
    share: Tensor

    def among(self, finite: Tensor) -> _Pairs:
        """Return the pairs with the shares of masks (L + 1, Q) that are not finite given away."""
        sets, queries, _ = self.index
        kept = finite[sets, queries]
        if bool(kept.all()):
            return self
        share = self.share * kept
        left = share.new_zeros(len(finite)).index_add(0, sets, share)
        return _Pairs(self.index, share / left[sets].clamp(min=1e-12))


class Criterion:
    """Compute the losses of all prediction sets of one sequence (deep supervision)."""

    def __init__(self, config: LossConfig):
        self.config = effective(config)

    def __call__(self, output: Queries, targets: Targets) -> dict[str, Tensor]:
        """
        Assign queries to instances, then sum the losses of the L + 1 prediction sets.

        Masks with a logit that is not finite are assigned last and have no mask terms, as
        published; the others of their set share the weight.

        Returns
        -------
        dict of str to Tensor ()
            'class', 'mask', 'dice' (each summed over the sets), 'structure', 'semantic' and
            'contrastive' (where they are on) and 'total', the objective.

        """
        config = self.config
        masks = targets.masks.to(output.mask_logits.dtype)
        weight = self._superpoint_weight(targets).to(masks.dtype)
        finite = output.mask_logits.isfinite().all(1)  # (L + 1, Q)
        mask_logits = torch.where(finite[:, None], output.mask_logits, 0.0)
        bce = pairwise_mask_bce(mask_logits, masks, weight)  # (L + 1, Q, G)
        dice = pairwise_dice(mask_logits, masks, weight)
        pairs = self._assign(output, targets, bce.masked_fill(~finite[..., None], NEVER), dice)
        pairs = pairs.among(finite)
        losses = {
            'class': self._class_loss(output, targets, pairs),
            'mask': (bce[pairs.index] * pairs.share).sum(),
            'dice': (dice[pairs.index] * pairs.share).sum(),
        }
        if config.structure_weight > 0 and output.structure_logits.shape[-1]:
            losses['structure'] = self._structure_loss(output.structure_logits, targets, weight)
        if config.semantic_weight > 0:
            unknown = self._unknown(targets)
            losses['semantic'] = _semantic_loss(output.superpoint_logits, targets, unknown)
        if config.contrastive_weight > 0:
            losses['contrastive'] = contrastive_loss(
                output.superpoint_features,
                targets.masks,
                output.visit,
                cross_visit_weight=config.cross_visit_weight,
                chunk=config.contrastive_chunk,
            )
        return {**losses, 'total': self._objective(losses)}

    @torch.no_grad()
    def _assign(self, output: Queries, targets: Targets, bce: Tensor, dice: Tensor) -> _Pairs:
        """Return the assignment of queries to instances in each prediction set."""
        if self.config.assignment == 'seed':
            return _pairs_by_seed(targets.masks[:, output.seed], len(bce))
        cost = (
            self.config.class_weight * class_cost(output.class_logits, targets.classes)
            + self.config.mask_weight * bce
            + self.config.dice_weight * dice
        )
        index = match(cost)
        return _Pairs(index, bce.new_full(index[0].shape, 1 / max(min(cost.shape[1:]), 1)))

    def _class_loss(self, output: Queries, targets: Targets, pairs: _Pairs) -> Tensor:
        """Return the weighted cross entropy, averaged per set, summed over the sets."""
        class_logits = output.class_logits
        sets, queries, instances = pairs.index
        no_object = class_logits.shape[-1] - 1
        wanted = class_logits.new_full(class_logits.shape[:2], no_object, dtype=torch.int64)
        wanted[:, self._unknown(targets)[output.seed]] = IGNORED_CLASS
        wanted[sets, queries] = targets.classes[instances]
        weight = torch.where(wanted == no_object, self.config.no_object_weight, 1.0)
        weight = torch.where(wanted == IGNORED_CLASS, 0.0, weight)
        entropy = functional.cross_entropy(
            class_logits.transpose(1, 2), wanted.clamp(min=0), reduction='none'
        )  # (L + 1, Q)
        return ((entropy * weight).sum(1) / weight.sum(1).clamp(min=1e-6)).sum()

    def _structure_loss(self, logits: Tensor, targets: Targets, weight: Tensor) -> Tensor:
        """Return the mask terms of the structure's own queries, averaged, summed over the sets."""
        if targets.structure is None:
            return logits.sum() * 0
        masks = targets.structure.to(logits.dtype)
        bce = pairwise_mask_bce(logits, masks, weight).diagonal(dim1=1, dim2=2)
        dice = pairwise_dice(logits, masks, weight).diagonal(dim1=1, dim2=2)
        terms = self.config.mask_weight * bce + self.config.dice_weight * dice
        return terms.mean(1).sum()

    def _unknown(self, targets: Targets) -> Tensor:
        """Return the superpoints (S,), bool, that take no part."""
        if targets.unknown is None or not self.config.skip_unknown:
            return torch.zeros_like(targets.masks[:1]).any(0)
        return targets.unknown

    def _superpoint_weight(self, targets: Targets) -> Tensor:
        """Return the share of each superpoint in the mask terms, summing to 1."""
        n_superpoints = targets.masks.shape[1]
        if self.config.weight_by_points and targets.n_points is not None:
            counts = targets.n_points.float()
        else:
            counts = torch.ones(n_superpoints, device=targets.masks.device)
        counts = torch.where(self._unknown(targets), 0.0, counts)
        return counts / counts.sum().clamp(min=1)

    def _objective(self, losses: dict[str, Tensor]) -> Tensor:
        """Return the weighted or the plain sum of the terms."""
        if self.config.objective == 'raw_sum':
            # The published sum also includes the copy of the contrastive term for the log.
            twice = losses.get('contrastive', 0.0) if self.config.compat == 'official' else 0.0
            return torch.as_tensor(sum(losses.values()) + twice)
        return torch.as_tensor(
            sum(getattr(self.config, f'{name}_weight') * loss for name, loss in losses.items())
        )


def _pairs_by_seed(is_seed: Tensor, n_sets: int) -> _Pairs:
    """
    Assign every query to the instance on which it starts, the same in all sets.

    Matching trains one query per instance and set, with targets that change during training. This
    trains all queries that start on the instance; duplicates are removed when instances are made
    of queries. Instances have equal weight, independent of the number of queries.

    Parameters
    ----------
    is_seed : Tensor (G, Q), bool
        Whether the query starts on the instance.
    n_sets : int

    """
    instances, queries = is_seed.nonzero(as_tuple=True)
    n_starts = is_seed.sum(1)
    share = 1 / (n_starts[instances] * (n_starts > 0).sum())
    sets = torch.arange(n_sets, device=is_seed.device).repeat_interleave(len(queries))
    return _Pairs((sets, queries.repeat(n_sets), instances.repeat(n_sets)), share.repeat(n_sets))


def _semantic_loss(logits: Tensor, targets: Targets, unknown: Tensor) -> Tensor:
    """Return the mean cross entropy of the superpoints' classes; "none" is the last class."""
    n_classes = logits.shape[1] - 1
    wanted = torch.full_like(logits[:, 0], n_classes, dtype=torch.int64)
    instances, superpoints = targets.masks.nonzero(as_tuple=True)
    wanted[unknown] = IGNORED_CLASS
    wanted[superpoints] = targets.classes[instances]
    told = (wanted != IGNORED_CLASS).to(logits.dtype)
    entropy = functional.cross_entropy(logits, wanted.clamp(min=0), reduction='none')
    return (entropy * told).sum() / told.sum().clamp(min=1)
