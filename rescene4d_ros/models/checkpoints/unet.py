"""Tensors of MinkowskiEngine's Res16UNet, three- or four-dimensional: no kernel spans time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from rescene4d_ros.models.backbones.unet import PRESETS, ResidualBlock, SparseUNet
from rescene4d_ros.models.checkpoints.entries import Entry
from rescene4d_ros.models.checkpoints.reading import Checkpoint
from rescene4d_ros.models.inputs import IN_CHANNELS
import torch
from torch import nn, Tensor

# Color statistics of ScanNet in [0, 1], used by Mask3D.
COLOR_MEAN = (0.47793125906962, 0.4303257521323044, 0.3749598901421883)
COLOR_STD = (0.2834475483823543, 0.27566157565723015, 0.27018971370874995)
_DOWNS = ('conv1p1s2', 'conv2p2s2', 'conv3p4s2', 'conv4p8s2')
_UPS = ('convtr4p16s2', 'convtr5p8s2', 'convtr6p4s2', 'convtr7p2s2')
_STATISTICS = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')


def unet_entries(unet: SparseUNet, prefix: str) -> dict[str, Entry]:
    """
    Return the sources of the U-Net's tensors.

    Kernels are unchanged, because the order of offsets is the same.

    Parameters
    ----------
    unet : SparseUNet
        With the stem of `IN_CHANNELS` local features.
    prefix : str
        Before the published names.

    """
    entries = {}
    for ours, published in _convolutions(unet):
        kernel: Any = unet.get_submodule(ours).kernel
        shape = tuple(kernel.shape)
        entries[f'{ours}.kernel'] = Entry(f'{prefix}{published}.kernel', shape)
    stem_kernel: Any = unet.stem.conv.kernel
    volume, _, stem = stem_kernel.shape
    entries['stem.conv.kernel'] = Entry(
        f'{prefix}conv0p1s1.kernel', (volume, 3, stem), stem_of_local_features
    )
    for ours, published in _shortcuts(unet):
        weight: Any = unet.get_submodule(ours).weight
        co, ci = weight.shape
        entries[f'{ours}.weight'] = Entry(f'{prefix}{published}.kernel', (ci, co), torch.t)
    for ours, published in _norms(unet):
        for name in _STATISTICS:
            shape = tuple(getattr(unet.get_submodule(ours), name).shape)
            entries[f'{ours}.{name}'] = Entry(f'{prefix}{published}.bn.{name}', shape)
    return entries


def published_unet(checkpoint: Checkpoint, prefix: str) -> str:
    """Return the preset with the layers of the checkpoint; '34c' if none has."""
    kernels = {
        name.removeprefix(prefix): tuple(tensor.shape)
        for name, tensor in checkpoint.state.items()
        if name.startswith(prefix) and name.endswith('.kernel')
    }
    kernels = {name: shape for name, shape in kernels.items() if not name.startswith('final.')}
    for preset in PRESETS:
        with torch.device('meta'):
            entries = unet_entries(SparseUNet(IN_CHANNELS, PRESETS[preset]), '')
        layers = {e.name: e.shape for e in entries.values() if e.name.endswith('.kernel')}
        if layers == kernels:
            return preset
    return '34c'


def stem_of_local_features(kernel: Tensor) -> Tensor:
    """
    Return a kernel on local features that is equivalent to one on normalized colors.

    Normalized color is linear in the color in [-1, 1] and the flag for color; the other features
    get zeros. Points without color get the mean color.

    Parameters
    ----------
    kernel : Tensor (K, 3, Co)

    Returns
    -------
    Tensor (K, IN_CHANNELS, Co)

    """
    mean, std = kernel.new_tensor(COLOR_MEAN)[:, None], kernel.new_tensor(COLOR_STD)[:, None]
    ours = kernel.new_zeros(len(kernel), IN_CHANNELS, kernel.shape[2])
    ours[:, :3] = kernel / (2 * std)
    ours[:, 3] = (kernel * (0.5 - mean) / std).sum(1)
    return ours


def _convolutions(unet: SparseUNet) -> Iterator[tuple[str, str]]:
    """Yield our and the published names of all sparse convolutions behind the stem."""
    for k, (down, up) in enumerate(zip(_DOWNS, _UPS)):
        yield f'downs.{k}.conv', down
        yield f'ups.{k}.conv', up
    for ours, published, _ in _blocks(unet):
        for conv in ('conv1', 'conv2'):
            yield f'{ours}.{conv}', f'{published}.{conv}'


def _norms(unet: SparseUNet) -> Iterator[tuple[str, str]]:
    """Yield our and the published names of all normalizations."""
    yield 'stem.norm', 'bn0'
    for k in range(len(_DOWNS)):
        yield f'downs.{k}.norm', f'bn{k + 1}'
        yield f'ups.{k}.norm', f'bntr{k + 4}'
    for ours, published, block in _blocks(unet):
        for norm in ('norm1', 'norm2'):
            yield f'{ours}.{norm}', f'{published}.{norm}'
        if not isinstance(block.shortcut, nn.Identity):
            yield f'{ours}.shortcut.1', f'{published}.downsample.1'


def _shortcuts(unet: SparseUNet) -> Iterator[tuple[str, str]]:
    """Yield our and the published names of the linear layers where channels change."""
    for ours, published, block in _blocks(unet):
        if not isinstance(block.shortcut, nn.Identity):
            yield f'{ours}.shortcut.0', f'{published}.downsample.0'


def _blocks(unet: SparseUNet) -> Iterator[tuple[str, str, ResidualBlock]]:
    """Yield our name, the published name and the block itself, of all residual blocks."""
    for name, stages, first in (('encoder', unet.encoder, 1), ('decoder', unet.decoder, 5)):
        for s, stage in enumerate(stages):
            for i, block in enumerate(cast(Iterable[ResidualBlock], stage.blocks)):
                yield f'{name}.{s}.blocks.{i}', f'block{first + s}.{i}', block
