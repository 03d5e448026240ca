"""Point Transformer V3 as Sonata and Concerto use it, with a decoder that may share time."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from rescene4d_ros.models.backbones.grid_pooling import GridPooling, GridUnpooling
from rescene4d_ros.models.backbones.orders import level_orders, Order
from rescene4d_ros.models.backbones.patch_block import PatchBlock
from rescene4d_ros.sparse import SubmConv3d, Voxels
from torch import nn, Tensor
from torch.nn import functional

N_LEVELS = 5


@dataclass(frozen=True)
class PTv3Preset:
    """
    Hold the numbers that tell one member of the family from another; levels finest first.

    Attributes
    ----------
    encoder_channels, encoder_depths, encoder_heads : tuple of 5 int
        Channels, blocks and attention heads of each level of the encoder.
    decoder_channels, decoder_depths, decoder_heads : tuple of 4 int
        The same of the decoder, whose coarsest level is the encoder's.
    patch_size : int
        Most voxels that attend to each other.
    drop_path : float
        Share of voxels that skip the last block in training; rises from 0 in the first.

    """

    encoder_channels: tuple[int, ...]
    encoder_depths: tuple[int, ...]
    encoder_heads: tuple[int, ...]
    decoder_channels: tuple[int, ...]
    decoder_depths: tuple[int, ...]
    decoder_heads: tuple[int, ...]
    patch_size: int = 1024
    drop_path: float = 0.3


_BASE = PTv3Preset((48, 96, 192, 384, 512), (3, 3, 3, 12, 3), (3, 6, 12, 24, 32),
                   (96, 96, 192, 384), (3, 3, 3, 3), (6, 6, 12, 32))
PRESETS = {
    'ptv3-tiny': PTv3Preset((16, 16, 32, 32, 48), (1, 1, 1, 2, 1), (2, 2, 4, 4, 4),
                            (16, 16, 32, 32), (2, 2, 2, 2), (2, 2, 4, 4), patch_size=128,
                            drop_path=0.0),
    'sonata': _BASE,
    'concerto': _BASE,  # concerto_base: the same sizes, trained in another way
    # Its publishers give no decoder; the same as on the others is put on it.
    'concerto-large': replace(_BASE, encoder_channels=(64, 128, 256, 512, 768),
                              encoder_heads=(4, 8, 16, 32, 48)),
}


class Embedding(nn.Module):
    """Bring the input features to the channels of the finest level."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.stem = nn.ModuleDict({'linear': nn.Linear(in_channels, channels),
                                   'norm': nn.LayerNorm(channels)})

    def forward(self, feats: Tensor) -> Tensor:
        """Return the embedded features (V, C)."""
        return functional.gelu(self.stem['norm'](self.stem['linear'](feats)))


class Stage(nn.Module):
    """
    One level: a step from the level before, then blocks.

    Parameters
    ----------
    step : tuple of str and Module, optional
        'down' or 'up', and the pooling.
    blocks : sequence of PatchBlock

    """

    def __init__(self, step: tuple[str, nn.Module] | None, blocks: Sequence[PatchBlock]):
        super().__init__()
        if step is not None:
            self.add_module(*step)
        self.n_blocks = len(blocks)
        for k, block in enumerate(blocks):
            self.add_module(f'block{k}', block)

    def forward(self, feats: Tensor, voxels: Voxels, orders: list[Order]) -> Tensor:
        """Return the features after all blocks, which take the orders in turn."""
        for k in range(self.n_blocks):
            block = self.get_submodule(f'block{k}')
            feats = block(feats, voxels, orders[k % len(orders)])
        return feats


class PointTransformer(nn.Module):
    """
    Give every voxel features at five resolutions, strides 16, 8, 4, 2 and 1.

    The encoder sees each visit alone. The decoder follows orders that may run through all
    visits of a sequence, so that one place attends to itself at other times.

    Parameters
    ----------
    in_channels : int
    preset : PTv3Preset
    serialization : str
        Of the decoder: 'off' (each visit alone), 'merged' or 'mixed'; see `level_orders`.
    cut_by_visit : bool
        See `merged_order`.

    Notes
    -----
    Sources: Wu et al., "Point Transformer V3", 2024; "Sonata", 2025; "Concerto", 2025; the
    orders through time: ReScene4D, 2026. Names and shapes of the parameters are those of the
    published checkpoints, except the convolutions' kernels; see `checkpoints`.

    """

    def __init__(self, in_channels: int, preset: PTv3Preset, serialization: str = 'off',
                 cut_by_visit: bool = False):
        super().__init__()
        self.preset, self.serialization = preset, serialization
        self.cut_by_visit = cut_by_visit
        channels = preset.encoder_channels
        self.embedding = Embedding(in_channels, channels[0])
        blocks = _blocks(channels, preset.encoder_heads, preset.encoder_depths, preset)
        self.enc = nn.ModuleDict({
            f'enc{s}': Stage(('down', GridPooling(channels[s - 1], channels[s])) if s else None,
                             blocks[s])
            for s in range(N_LEVELS)})
        below = (*preset.decoder_channels[1:], channels[-1])
        blocks = _blocks(preset.decoder_channels, preset.decoder_heads, preset.decoder_depths,
                         preset)
        self.dec = nn.ModuleDict({
            f'dec{s}': Stage(('up', GridUnpooling(below[s], channels[s],
                                                  preset.decoder_channels[s])), blocks[s][::-1])
            for s in reversed(range(N_LEVELS - 1))})
        self.out_channels = (channels[-1], *reversed(preset.decoder_channels))
        self.apply(_initialize)

    @property
    def shares_time(self) -> bool:
        """Return whether `decode` wants all visits of one sequence, and no others."""
        return self.serialization != 'off'

    def forward(self, feats: Tensor, voxels: Voxels) -> list[Tensor]:
        """
        Compute the features of all five levels, coarsest first.

        Parameters
        ----------
        feats : Tensor (V, Cin), float32
            In the order of `voxels.coords`.
        voxels : Voxels
            Of any number of visits; of one sequence where the decoder shares time.

        Returns
        -------
        list of 5 Tensor (V_l, out_channels[l]), float32

        """
        return self.decode(self.encode(feats, voxels), voxels)

    def encode(self, feats: Tensor, voxels: Voxels) -> list[Tensor]:
        """Return the encoder's features, finest first; those of a visit depend on it alone."""
        pyramid = []
        feats = self.embedding(feats)
        for s, stage in enumerate(self.enc.values()):
            if s:
                feats = stage.down(feats, voxels)
                voxels = voxels.down()
            feats = stage(feats, voxels, self._orders(stage, voxels, s, 'off'))
            pyramid.append(feats)
        return pyramid

    def decode(self, pyramid: Sequence[Tensor], voxels: Voxels) -> list[Tensor]:
        """
        Bring the encoder's features back to full resolution.

        Parameters
        ----------
        pyramid : sequence of 5 Tensor (V_l, Cl), float32
            Of `encode`, finest first; visits may come from several calls, visit after visit.
        voxels : Voxels
            The finest level.

        Returns
        -------
        list of 5 Tensor (V_l, out_channels[l]), float32
            Coarsest first.

        """
        grids = [voxels]
        for _ in range(N_LEVELS - 2):
            grids.append(grids[-1].down())
        levels = [pyramid[-1]]
        for s in reversed(range(N_LEVELS - 1)):
            stage = self.dec[f'dec{s}']
            feats = stage.up(levels[-1], pyramid[s], grids[s])
            orders = self._orders(stage, grids[s], s, self.serialization)
            levels.append(stage(feats, grids[s], orders))
        return levels

    def _orders(self, stage: Stage, voxels: Voxels, level: int, serialization: str
                ) -> list[Order]:
        """Return the orders of a stage at one level, 0 the finest: drawn in training."""
        return level_orders(voxels, N_LEVELS - 1 - level, stage.n_blocks, serialization,
                            self.training, self.cut_by_visit)


def _blocks(channels: Sequence[int], heads: Sequence[int], depths: Sequence[int],
            preset: PTv3Preset) -> list[list[PatchBlock]]:
    """Return the blocks of each level; the share of dropped paths rises from block to block."""
    last = max(sum(depths) - 1, 1)
    rates = (preset.drop_path * k / last for k in count())
    return [[PatchBlock(c, h, preset.patch_size, next(rates)) for _ in range(n)]
            for c, h, n in zip(channels, heads, depths)]


def _initialize(module: nn.Module) -> None:
    """Start as Sonata's decoder does where no checkpoint is loaded."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, SubmConv3d):
        nn.init.trunc_normal_(module.kernel, std=0.02)
