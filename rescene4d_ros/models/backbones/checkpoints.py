"""Published Point Transformer checkpoints: read safely, checked name by name, put into ours."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import pickle

from rescene4d_ros.errors import WeightsError
from rescene4d_ros.models.backbones.point_transformer import PointTransformer
from rescene4d_ros.models.backbones.serialization import CURVES
from rescene4d_ros.sparse import kernel_from_spconv
import torch
from torch import Tensor

# Where a ReScene4D training checkpoint keeps its backbone; Sonata's and Concerto's have no prefix.
SEGMENTER_PREFIX = 'model.backbone.model.'
# Only pretraining replaces voxels by it.
UNUSED = ('embedding.mask_token',)


@dataclass(frozen=True)
class Coverage:
    """
    Hold what became of the tensors of a checkpoint, by their published names.

    Attributes
    ----------
    loaded : tuple of str
    left_out : tuple of str
        In the file, not in the backbone: see `UNUSED`, and all that is no backbone.
    as_initialized : tuple of str
        In the backbone, not in the file: the decoder, where only an encoder was published.

    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    as_initialized: tuple[str, ...]


def load_published(backbone: PointTransformer, path: str | Path) -> Coverage:
    """
    Put the tensors of a published checkpoint into a backbone.

    Reads Sonata's and Concerto's files ('config' and 'state_dict', encoder only) and ReScene4D
    training checkpoints ('state_dict', encoder and decoder). Nothing in the file is executed.

    Raises
    ------
    WeightsError
        Missing or damaged file, one that would need code to run, another architecture, or
        tensors that are missing, unexpected or of another shape.

    """
    content = _read(Path(path))
    tensors, left_out = _backbone_tensors(content['state_dict'])
    _check_settings(path, content.get('config', {}), backbone)
    own = backbone.state_dict()
    published = {_published_name(name): name for name in own}
    left_out += [name for name in tensors if name in UNUSED]
    tensors = {name: t for name, t in tensors.items() if name not in UNUSED}
    has_decoder = any(name.startswith('dec.') for name in tensors)
    wanted = {name: _published_shape(name, own[ours]) for name, ours in published.items()
              if has_decoder or not name.startswith('dec.')}
    _check_tensors(path, wanted, tensors)
    for name in wanted:
        tensor = tensors[name]
        own[published[name]] = kernel_from_spconv(tensor) if tensor.ndim == 5 else tensor
    backbone.load_state_dict(own)
    return Coverage(tuple(wanted), tuple(left_out),
                    tuple(name for name in published if name not in wanted))


def _read(path: Path) -> Mapping:
    """Return the content of the file, which has a 'state_dict'."""
    if not path.is_file():
        raise WeightsError(f'checkpoint {path}: expected a .pth or .ckpt file, found none; '
                           'download it from its publisher and give its path')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f'checkpoint {path}: expected tensors and plain values, got objects '
                           f'that would run code ({str(error).splitlines()[0]}); save its '
                           "'state_dict' and 'config' alone, where it is trusted") from error
    except (RuntimeError, EOFError, OSError) as error:
        raise WeightsError(f'checkpoint {path}: expected a complete file of torch.save, got '
                           f'{str(error).splitlines()[0]}; fetch it again') from error
    if not isinstance(content, Mapping) or not isinstance(content.get('state_dict'), Mapping):
        keys = list(content)[:5] if isinstance(content, Mapping) else type(content).__name__
        raise WeightsError(f"checkpoint {path}: expected a 'state_dict', got {keys}; wrap bare "
                           "tensors as {'state_dict': ...}")
    return content


def _backbone_tensors(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Return the backbone's tensors without prefix, and the names of all others."""
    if not any(name.startswith(SEGMENTER_PREFIX) for name in state):
        return dict(state), []
    tensors = {name.removeprefix(SEGMENTER_PREFIX): tensor for name, tensor in state.items()
               if name.startswith(SEGMENTER_PREFIX)}
    return tensors, [name for name in state if not name.startswith(SEGMENTER_PREFIX)]


def _check_settings(path, config: Mapping, backbone: PointTransformer) -> None:
    """Compare what the shapes of tensors do not tell."""
    preset = backbone.preset
    wanted = {'in_channels': backbone.embedding.stem['linear'].in_features, 'order': CURVES,
              'stride': (2,) * 4, 'enc_depths': preset.encoder_depths,
              'enc_channels': preset.encoder_channels, 'enc_num_head': preset.encoder_heads,
              'enc_patch_size': (preset.patch_size,) * len(preset.encoder_depths),
              'mlp_ratio': 4, 'qkv_bias': True, 'pre_norm': True, 'enable_rpe': False,
              'layer_scale': None}
    for name, value in wanted.items():
        given = config.get(name, value)
        given = tuple(given) if isinstance(given, list) else given
        if given != value:
            raise WeightsError(f'checkpoint {path}: expected {name} = {value}, got {given}; '
                               'choose the preset that the checkpoint was trained with')


def _published_name(name: str) -> str:
    """Return the published name of one of our parameters."""
    return name.removesuffix('kernel') + 'weight' if name.endswith('.kernel') else name


def _published_shape(name: str, tensor: Tensor) -> tuple[int, ...]:
    """Return the published shape of one of our parameters; kernels are spconv's there."""
    if name.endswith('cpe.0.weight'):
        _, ci, co = tensor.shape
        return co, 3, 3, 3, ci
    return tuple(tensor.shape)


def _check_tensors(path, wanted: Mapping[str, tuple], found: Mapping[str, Tensor]) -> None:
    """Say which tensors are missing, too many or of another shape."""
    problems = [f'missing {name}' for name in wanted if name not in found]
    problems += [f'unexpected {name}' for name in found if name not in wanted]
    problems += [f'{name} {tuple(found[name].shape)} instead of {shape}'
                 for name, shape in wanted.items()
                 if name in found and tuple(found[name].shape) != shape]
    if problems:
        more = f' and {len(problems) - 5} more' if len(problems) > 5 else ''
        raise WeightsError(f'checkpoint {path}: expected the tensors of the preset, got '
                           f'{"; ".join(problems[:5])}{more}; choose the preset that the '
                           'checkpoint was trained with')
