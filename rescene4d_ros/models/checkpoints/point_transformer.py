"""Tensors of Sonata's and Concerto's Point Transformer V3."""

from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.errors import WeightsError
from rescene4d_ros.models.backbones.point_transformer import PointTransformer, PRESETS
from rescene4d_ros.models.backbones.space_filling_curves import CURVES
from rescene4d_ros.models.checkpoints.entries import Coverage, Entry, fill
from rescene4d_ros.models.checkpoints.reading import Checkpoint
from rescene4d_ros.sparse.convolutions import kernel_from_spconv

# Used in pretraining only.
UNUSED = ('embedding.mask_token',)
STEM = 'embedding.stem.linear.weight'


def point_transformer_entries(backbone: PointTransformer, prefix: str = '') -> dict[str, Entry]:
    """
    Return the sources of the backbone's tensors; published kernels have spconv's layout.

    Layers that ReScene4D adds to an encoder alone lie beside the published model, not in it.
    """
    entries = {}
    for name, tensor in backbone.state_dict().items():
        if name.startswith('adapters.'):
            entries[name] = Entry(prefix.removesuffix('model.') + name, tuple(tensor.shape))
            continue
        if name.endswith('.kernel'):
            _, ci, co = tensor.shape
            published = prefix + name.removesuffix('kernel') + 'weight'
            entries[name] = Entry(published, (co, 3, 3, 3, ci), kernel_from_spconv)
        else:
            entries[name] = Entry(prefix + name, tuple(tensor.shape))
    return entries


def published_preset(checkpoint: Checkpoint, prefix: str = '') -> str:
    """Return the preset of Concerto whose stem has the width of the checkpoint's."""
    stem = checkpoint.state.get(prefix + STEM)
    width = 0 if stem is None or not stem.ndim else len(stem)
    sizes = ('concerto-tiny', 'concerto-small', 'concerto-large')
    fitting = (name for name in sizes if PRESETS[name].encoder_channels[0] == width)
    return next(fitting, 'concerto')


def load_pretrained(
    backbone: PointTransformer,
    checkpoint: Checkpoint,
    *,
    may_have: Sequence[str] = (),
    may_lack: Sequence[str] = (),
) -> Coverage:
    """
    Load a checkpoint of Sonata or Concerto into a backbone.

    These have an encoder; a decoder that is not in the file is unchanged.

    Parameters
    ----------
    backbone : PointTransformer
    checkpoint : Checkpoint
    may_have, may_lack : sequence of str
        See `fill`.

    Raises
    ------
    WeightsError
        Another architecture, or tensors that are missing, unexpected or of another shape.

    """
    _check_settings(checkpoint, backbone)
    has_decoder = any(name.startswith('dec.') for name in checkpoint.state)
    return fill(
        backbone,
        point_transformer_entries(backbone),
        checkpoint,
        may_have=(*UNUSED, *may_have),
        may_lack=may_lack if has_decoder else ('dec.*', 'adapters.*', *may_lack),
    )


def _check_settings(checkpoint: Checkpoint, backbone: PointTransformer) -> None:
    """Compare settings that tensor shapes do not determine."""
    preset = backbone.preset
    expected = {
        'in_channels': backbone.embedding.stem['linear'].in_features,
        'order': CURVES,
        'stride': (2,) * 4,
        'enc_depths': preset.encoder_depths,
        'enc_channels': preset.encoder_channels,
        'enc_num_head': preset.encoder_heads,
        'enc_patch_size': (preset.patch_size,) * len(preset.encoder_depths),
        'mlp_ratio': 4,
        'qkv_bias': True,
        'pre_norm': True,
        'enable_rpe': False,
        'layer_scale': None,
    }
    for name, value in expected.items():
        given = checkpoint.config.get(name, value)
        given = tuple(given) if isinstance(given, list) else given
        if given != value:
            raise WeightsError(
                f'checkpoint {checkpoint.path}: expected {name} = {value}, got '
                f'{given}; choose the preset that the checkpoint was trained with'
            )
