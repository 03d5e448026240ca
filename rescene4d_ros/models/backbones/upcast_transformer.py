"""Point Transformer V3 without a decoder: features of the encoder, brought to finer levels."""

from __future__ import annotations

from rescene4d_ros.models.backbones.point_transformer import (
    N_LEVELS,
    PointTransformer,
    PRESETS,
    PTv3Preset,
)
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import nn, Tensor

_JOINED = 2  # levels above the coarsest whose own features are kept, as published


class UpcastTransformer(PointTransformer):
    """
    Compute voxel features at five resolutions from an encoder alone.

    A voxel of the two levels above the coarsest has its own features and those of its parent, one
    of the finer levels those of its parent. A linear layer per level brings them to the widths
    that a decoder would give.

    Parameters
    ----------
    in_channels : int
    preset : PTv3Preset

    Notes
    -----
    Source: the encoder-only backbones of ReScene4D, 2026, which exist in the sizes of Sonata and
    Concerto.

    """

    def __init__(self, in_channels: int, preset: PTv3Preset):
        super().__init__(in_channels, preset)
        del self.dec
        width, *finer = reversed(preset.encoder_channels)
        widths = []
        for level, own in enumerate(finer):
            width += own if level < _JOINED else 0
            widths.append(width)
        self.adapters = nn.ModuleList(map(nn.Linear, widths, self.out_channels[1:]))

    def forward(self, feats: Tensor, voxels: Voxels) -> list[Tensor]:
        """Compute the features of all five levels, coarsest first; see `PointTransformer`."""
        *pyramid, feats = self.encode(feats, voxels)
        grids = [voxels]
        for _ in range(N_LEVELS - 2):
            grids.append(grids[-1].down())
        levels = [feats]
        for level, adapter in enumerate(self.adapters):
            feats = feats.index_select(0, grids[-1 - level].parent)
            if level < _JOINED:
                feats = torch.cat([pyramid[-1 - level], feats], dim=1)
            levels.append(adapter(feats))
        return levels


def make(in_channels: int, name: str, temporal_serialization: str) -> UpcastTransformer:
    """Make the backbone of a preset; without a decoder there is nothing to serialize."""
    del temporal_serialization
    return UpcastTransformer(in_channels, PRESETS[name])
