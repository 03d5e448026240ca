"""Parameter groups: frozen, with or without weight decay, of the fine level."""

from __future__ import annotations

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.models.backbones.point_transformer import PointTransformer
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.training.config import TrainConfig
from torch import nn


def frozen_parts(model: ReScene4D, freeze: str) -> tuple[nn.Module, ...]:
    """Return the parts of `TrainConfig.freeze`; raise an error for an encoder that is none."""
    if freeze == 'none':
        return ()
    if freeze == 'backbone':
        return (model.backbone,)
    if not isinstance(model.backbone, PointTransformer):
        raise ConfigError(
            f'TrainConfig.freeze: expected a Point Transformer for "encoder", got '
            f'the backbone {model.config.backbone}; set freeze to none or backbone'
        )
    return model.backbone.embedding, model.backbone.enc


def parameter_groups(model: ReScene4D, config: TrainConfig) -> list[dict]:
    """
    Return matrices with weight decay, and norms and biases without.

    Those of a fine level are groups of their own. `rate` of a group is its learning rate, in
    multiples of that of the step.
    """
    fine = set() if model.fine_level is None else set(model.fine_level.parameters())
    learned = [p for p in model.parameters() if p.requires_grad]
    groups = []
    for rate, parameters in (
        (1.0, [p for p in learned if p not in fine]),
        (config.fine_level_rate, [p for p in learned if p in fine]),
    ):
        matrices = [p for p in parameters if p.ndim > 1]
        vectors = [p for p in parameters if p.ndim <= 1]
        for params, decay in ((matrices, config.weight_decay), (vectors, 0.0)):
            if params:
                groups.append({'params': params, 'weight_decay': decay, 'rate': rate})
    return groups
