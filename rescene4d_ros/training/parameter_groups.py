"""Parameter groups: frozen, and with or without weight decay."""

from __future__ import annotations

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.models.backbones.point_transformer import PointTransformer
from rescene4d_ros.models.segmenter import ReScene4D
from torch import nn


def frozen_parts(model: ReScene4D) -> tuple[nn.Module, ...]:
    """Return the encoder of a Point Transformer; raise an error if there is none."""
    if not isinstance(model.backbone, PointTransformer):
        raise ConfigError(
            f'TrainConfig.freeze: expected a Point Transformer for "encoder", got '
            f'the backbone {model.config.backbone}; set freeze to none'
        )
    return model.backbone.embedding, model.backbone.enc


def parameter_groups(model: nn.Module, decay: float) -> list[dict]:
    """Return matrices with weight decay, and norms and biases without."""
    learned = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in learned if p.ndim > 1]
    vectors = [p for p in learned if p.ndim <= 1]
    return [{'params': matrices, 'weight_decay': decay}, {'params': vectors, 'weight_decay': 0.0}]
