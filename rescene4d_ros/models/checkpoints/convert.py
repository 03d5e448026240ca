"""Conversion of a published checkpoint to a network of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rescene4d_ros.config import make
from rescene4d_ros.errors import ConfigError, WeightsError
from rescene4d_ros.models.backbones import point_transformer, unet
from rescene4d_ros.models.checkpoints.entries import Coverage, Entry, fill
from rescene4d_ros.models.checkpoints.hyper_parameters import model_settings, training_config
from rescene4d_ros.models.checkpoints.point_transformer import (
    load_pretrained,
    point_transformer_entries,
    published_preset,
    STEM,
)
from rescene4d_ros.models.checkpoints.point_transformer import UNUSED as UNUSED_BACKBONE
from rescene4d_ros.models.checkpoints.query_decoder import (
    fold_level_embedding,
    query_decoder_entries,
)
from rescene4d_ros.models.checkpoints.query_decoder import UNUSED as UNUSED_DECODER
from rescene4d_ros.models.checkpoints.reading import Checkpoint, read_checkpoint
from rescene4d_ros.models.checkpoints.unet import published_unet, unet_entries
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
import torch
from torch import Tensor

PREFIX = 'model.'
ME_BACKBONE = f'{PREFIX}backbone.'
PTV3_BACKBONE = f'{PREFIX}backbone.model.'
_PTV3_PREFIX = {'rescene4d-ptv3': PTV3_BACKBONE, 'encoder': ''}
VOXEL_SIZE = 0.02


@dataclass(frozen=True)
class Converted:
    """
    A network with published weights.

    Attributes
    ----------
    model : ReScene4D
        On the CPU, in evaluation mode.
    family : str
        Kind of the file: 'rescene4d-ptv3', 'rescene4d-unet', 'mask3d' or 'encoder' (Sonata or
        Concerto; everything but the encoder is initialized and must be trained).
    coverage : Coverage
    training_config : dict
        Configuration of the training run if the file has it, else empty.

    """

    model: ReScene4D
    family: str
    coverage: Coverage
    training_config: dict[str, Any] = field(default_factory=dict)


def convert(
    path: str | Path,
    settings: Mapping[str, Any],
    *,
    seed: int = 0,
    may_have: Sequence[str] = (),
    may_lack: Sequence[str] = (),
    may_set: Sequence[str] = (),
) -> Converted:
    """
    Read a checkpoint of ReScene4D, Mask3D, Sonata or Concerto.

    Sizes come from the tensors, other settings from the training configuration where the file has
    one; the rest is as published unless given.

    Parameters
    ----------
    path : str or Path
        File of torch.save; nothing in it is executed.
    settings : mapping
        Settings of `ModelConfig` that replace the published ones.
    seed : int
        For the tensors that are not in the file.
    may_have, may_lack : sequence of str
        Patterns of published names that may be additional or missing in the file.
    may_set : sequence of str
        Patterns of options of the training configuration that are ignored.

    Raises
    ------
    WeightsError
        Unreadable file, unknown family, options that are not supported, or missing, unexpected
        or misshapen tensors.
    ConfigError
        A setting that is unknown, out of bounds, or of another backbone.

    """
    checkpoint = fold_level_embedding(read_checkpoint(path), PREFIX)
    family = _family(checkpoint)
    told = {} if family == 'encoder' else training_config(checkpoint.hyper_parameters)
    published = _published_settings(checkpoint, family)
    config = make(
        ModelConfig, {**published, **model_settings(told, checkpoint.path, may_set), **settings}
    )
    _check_backbone(config, family)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ReScene4D(config)
    if family == 'encoder':
        coverage = load_pretrained(
            _as_point_transformer(model), checkpoint, may_have=may_have, may_lack=may_lack
        )
        above = tuple(n for n in model.state_dict() if not n.startswith('backbone.'))
        untrained = tuple(f'backbone.{name}' for name in coverage.untrained)
        coverage = replace(
            coverage, as_initialized=coverage.as_initialized + above, untrained=untrained + above
        )
    else:
        entries, unused = _segmenter_entries(model, family)
        coverage = fill(
            model, entries, checkpoint, may_have=(*unused, *may_have), may_lack=may_lack
        )
    return Converted(model.eval(), family, coverage, told)


def _family(checkpoint: Checkpoint) -> str:
    """Return the family of a checkpoint with tensors of these names."""
    names = checkpoint.state
    if any(name.startswith(PTV3_BACKBONE) for name in names):
        return 'rescene4d-ptv3'
    if f'{ME_BACKBONE}conv0p1s1.kernel' in names:
        return 'mask3d' if f'{PREFIX}mask_features_head.kernel' in names else 'rescene4d-unet'
    if STEM in names:
        return 'encoder'
    raise WeightsError(
        f'checkpoint {checkpoint.path}: expected tensors of ReScene4D, Mask3D, Sonata or Concerto '
        f'(such as {PTV3_BACKBONE}{STEM}), got '
        f'{", ".join(list(names)[:3]) or "none"}; give a file as its publisher wrote it'
    )


def _published_settings(checkpoint: Checkpoint, family: str) -> dict[str, Any]:
    """Return the published settings of `ModelConfig` for a family."""
    is_unet = family in ('mask3d', 'rescene4d-unet')
    settings: dict[str, Any] = {
        'voxel_size': VOXEL_SIZE,
        'query_content': 'zeros',
        'mask_reach': 0.0,
        'seed_objectness': 0.0,
        'backbone': published_unet(checkpoint, ME_BACKBONE)
        if is_unet
        else published_preset(checkpoint, _PTV3_PREFIX[family]),
        'backbone_decoder': 'upcast'
        if f'{ME_BACKBONE}adapters.0.weight' in checkpoint.state
        else 'own',
        'features': 'local' if is_unet else 'sonata',
        'in_channels': 11 if is_unet else 9,
    }
    if family == 'encoder':
        # The layers above the encoder are free to choose.
        return {
            name: settings[name] for name in ('voxel_size', 'backbone', 'features', 'in_channels')
        }
    settings |= {
        'superpoint_pooling': 'gem' if f'{PREFIX}scatter_fn.p' in checkpoint.state else 'mean',
        'temporal_mask_pooling': 'off',
        'compat': 'mask3d' if family == 'mask3d' else 'official',
    }
    state = checkpoint.state
    classes = _sized(checkpoint, f'{PREFIX}class_embed_head.weight')
    inner = _sized(checkpoint, f'{PREFIX}ffn_attention.0.0.linear1.weight')
    n_levels = sum(f'{PREFIX}lin_squeeze.0.{k}.weight' in state for k in range(4))
    return settings | {
        'n_classes': len(classes) - 1,
        'hidden_dim': classes.shape[1],
        'ffn_dim': len(inner),
        'n_levels': n_levels,
    }


def _sized(checkpoint: Checkpoint, name: str) -> Tensor:
    """Return a tensor whose shape gives sizes of the network."""
    tensor = checkpoint.state.get(name)
    if tensor is None or tensor.ndim != 2:
        raise WeightsError(
            f'checkpoint {checkpoint.path}: expected the matrix {name}, found '
            f'{"none" if tensor is None else tuple(tensor.shape)}; give a file '
            'as its publisher wrote it'
        )
    return tensor


def _check_backbone(config: ModelConfig, family: str) -> None:
    """Raise an error for a backbone of the other kind."""
    presets = unet.PRESETS if family in ('mask3d', 'rescene4d-unet') else point_transformer.PRESETS
    if config.backbone not in presets:
        raise ConfigError(
            f'ModelConfig.backbone: expected one of {", ".join(presets)} for a '
            f'checkpoint of {family}, got {config.backbone!r}'
        )


def _as_point_transformer(model: ReScene4D) -> point_transformer.PointTransformer:
    """Return the backbone; `_check_backbone` has seen to its kind."""
    assert isinstance(model.backbone, point_transformer.PointTransformer)
    return model.backbone


def _segmenter_entries(model: ReScene4D, family: str) -> tuple[dict[str, Entry], tuple[str, ...]]:
    """Return the sources of all tensors, and patterns of unused published ones."""
    if family == 'rescene4d-ptv3':
        backbone = point_transformer_entries(_as_point_transformer(model), PTV3_BACKBONE)
        unused = tuple(PTV3_BACKBONE + name for name in UNUSED_BACKBONE)
    else:
        assert isinstance(model.backbone, unet.SparseUNet)  # `_check_backbone` has seen to it
        backbone = unet_entries(model.backbone, ME_BACKBONE)
        # A semantic head of the U-Net that Mask3D creates and never uses.
        unused = (f'{ME_BACKBONE}final.*',) if family == 'mask3d' else ()
    decoder = query_decoder_entries(model, PREFIX, family == 'mask3d')
    backbone = {f'backbone.{name}': entry for name, entry in backbone.items()}
    return backbone | decoder, (*unused, *UNUSED_DECODER)
