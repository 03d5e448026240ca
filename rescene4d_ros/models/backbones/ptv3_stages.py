"""What Point Transformer V3 is built of: its stem, and one level with its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from rescene4d_ros.models.backbones.patch_block import PatchBlock
from rescene4d_ros.sparse.modules import SubmConv3d
from torch import nn, Tensor
from torch.nn import functional


class Embedding(nn.Module):
    """Bring the input features to the channels of the finest level."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.stem = nn.ModuleDict(
            {'linear': nn.Linear(in_channels, channels), 'norm': nn.LayerNorm(channels)}
        )

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

    def blocks(self) -> list[PatchBlock]:
        """Return the blocks in their order."""
        return [self.get_submodule(f'block{k}') for k in range(self.n_blocks)]


def make_blocks(
    channels: Sequence[int],
    heads: Sequence[int],
    depths: Sequence[int],
    patch_size: int,
    drop_path: float,
) -> list[list[PatchBlock]]:
    """
    Return the blocks of each level, finest first.

    Parameters
    ----------
    channels, heads, depths : sequence of int
        Channels, attention heads and blocks of each level.
    patch_size : int
        Most voxels that attend to each other.
    drop_path : float
        Share of voxels that skip the last block in training; rises from 0 in the first.

    """
    last = max(sum(depths) - 1, 1)
    rates = (drop_path * k / last for k in count())
    return [
        [PatchBlock(c, h, patch_size, next(rates)) for _ in range(n)]
        for c, h, n in zip(channels, heads, depths)
    ]


def initialize(module: nn.Module) -> None:
    """Start as Sonata's decoder does where no checkpoint is loaded."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, SubmConv3d):
        nn.init.trunc_normal_(module.kernel, std=0.02)
