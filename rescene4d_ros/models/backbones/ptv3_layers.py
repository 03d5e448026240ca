"""Layers of the Point Transformer V3: blocks, steps between levels, stages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import cast

from rescene4d_ros.models.backbones.serialization_order import Order
from rescene4d_ros.sparse.convolutions import max_pool, SubmConv3d
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import nn, Tensor
from torch.nn import functional

VOXELS_AT_A_TIME = 2**12  # rows per pass of a perceptron on a CPU, which stay in its cache


class PatchAttention(nn.Module):
    """
    Attend within patches of a serialization.

    Parameters
    ----------
    channels : int
    n_heads : int
        Divides `channels`.
    patch_size : int
        Most voxels that attend to each other.

    """

    def __init__(self, channels: int, n_heads: int, patch_size: int):
        super().__init__()
        self.n_heads = n_heads
        self.patch_size = patch_size
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, feats: Tensor, order: Order) -> Tensor:
        """Return the attention output of each voxel, (V, C)."""
        runs = self.qkv(feats).index_select(0, order.rows).split(order.counts)
        found = torch.cat([self._attend(run) for run in runs])
        return self.proj(found.index_select(0, order.places))

    def _attend(self, run: Tensor) -> Tensor:
        """
        Cut one run (n, 3C) into patches and attend in each.

        The last patch of a long run is filled with the end of the previous one, so that all are
        full and no mask is needed; outputs of the fill are dropped.
        """
        n, size = len(run), min(self.patch_size, len(run))
        missing = -n % size
        if missing:
            run = torch.cat([run, run[n - size : n - size + missing]])
        query, key, value = run.view(
            -1, size, 3, self.n_heads, run.shape[1] // 3 // self.n_heads
        ).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(query, key, value)
        return found.transpose(1, 2).reshape(len(run), -1)[:n]


class Perceptron(nn.Module):
    """Transform each voxel on its own."""

    def __init__(self, channels: int, inner: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, inner)
        self.fc2 = nn.Linear(inner, channels)

    def forward(self, feats: Tensor) -> Tensor:
        """Return the transformed features (V, C)."""
        if torch.is_grad_enabled() or feats.device.type != 'cpu':
            return self.fc2(functional.gelu(self.fc1(feats)))
        # The inner features are four times as wide, so they are computed in parts.
        out = torch.empty_like(feats)
        for own, rows in zip(out.split(VOXELS_AT_A_TIME), feats.split(VOXELS_AT_A_TIME)):
            own.copy_(self.fc2(functional.gelu(self.fc1(rows))))
        return out


class PatchBlock(nn.Module):
    """
    Residual block: sparse convolution, patch attention, perceptron.

    Parameter names are those of the published checkpoints, which number single layers.

    Parameters
    ----------
    channels, n_heads, patch_size : int
        See `PatchAttention`.
    drop_path : float
        Share of the voxels that skip attention, and the perceptron, in training.

    """

    def __init__(self, channels: int, n_heads: int, patch_size: int, drop_path: float):
        super().__init__()
        self.cpe = nn.ModuleList(
            [
                SubmConv3d(channels, channels, 3, bias=True),
                nn.Linear(channels, channels),
                nn.LayerNorm(channels),
            ]
        )
        self.norm1 = nn.Sequential(nn.LayerNorm(channels))
        self.attn = PatchAttention(channels, n_heads, patch_size)
        self.norm2 = nn.Sequential(nn.LayerNorm(channels))
        self.mlp = nn.Sequential(Perceptron(channels, 4 * channels))
        self.drop_path = drop_path

    def forward(self, feats: Tensor, voxels: Voxels, order: Order) -> Tensor:
        """Return the features (V, C) on the same voxels."""
        return self.attended(self.placed(feats, voxels), order)

    def placed(self, feats: Tensor, voxels: Voxels) -> Tensor:
        """Return the features (V, C) after the convolution, which depend on the visit alone."""
        conv, linear, norm = self.cpe
        return feats + norm(linear(conv(feats, voxels)))

    def attended(self, feats: Tensor, order: Order) -> Tensor:
        """Return the features (V, C) after attention and perceptron, given those of `placed`."""
        feats = feats + self._kept(self.attn(self.norm1(feats), order))
        return feats + self._kept(self.mlp(self.norm2(feats)))

    def _kept(self, feats: Tensor) -> Tensor:
        """Drop the rows of some voxels in training and scale the others up (stochastic depth)."""
        if not self.training or not self.drop_path:
            return feats
        kept = torch.rand(len(feats), 1, device=feats.device) >= self.drop_path
        return feats * kept.to(feats.dtype) / (1 - self.drop_path)


class GridPooling(nn.Module):
    """Halve the resolution: project, take the maximum over each parent's children, normalize."""

    def __init__(self, ci: int, co: int):
        super().__init__()
        self.proj = nn.Linear(ci, co)
        self.norm = nn.Sequential(nn.LayerNorm(co))

    def forward(self, feats: Tensor, voxels: Voxels) -> Tensor:
        """Return the features on `voxels.down()`."""
        return functional.gelu(self.norm(max_pool(self.proj(feats), voxels)))


class GridUnpooling(nn.Module):
    """Double the resolution: the encoder's features plus those of each voxel's parent."""

    def __init__(self, ci: int, skip: int, co: int):
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(ci, co), nn.LayerNorm(co), nn.GELU())
        self.proj_skip = nn.Sequential(nn.Linear(skip, co), nn.LayerNorm(co), nn.GELU())

    def forward(self, coarse: Tensor, skip: Tensor, voxels: Voxels) -> Tensor:
        """Return the features on the fine `voxels`."""
        return self.proj_skip(skip) + self.proj(coarse).index_select(0, voxels.parent)


class Embedding(nn.Module):
    """Project the input features to the channels of the finest level."""

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
    One level: a step from the previous level, then blocks.

    Parameters
    ----------
    step : tuple of str and Module, optional
        'down' or 'up', and the pooling.
    blocks : sequence of PatchBlock

    """

    down: GridPooling
    up: GridUnpooling

    def __init__(self, step: tuple[str, nn.Module] | None, blocks: Sequence[PatchBlock]):
        super().__init__()
        if step is not None:
            self.add_module(*step)
        self.n_blocks = len(blocks)
        for k, block in enumerate(blocks):
            self.add_module(f'block{k}', block)

    def blocks(self) -> list[PatchBlock]:
        """Return the blocks in their order."""
        return [cast(PatchBlock, self.get_submodule(f'block{k}')) for k in range(self.n_blocks)]


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
        Stochastic depth of the last block in training; increases from 0 in the first.

    """
    last = max(sum(depths) - 1, 1)
    rates = (drop_path * k / last for k in count())
    return [
        [PatchBlock(c, h, patch_size, next(rates)) for _ in range(n)]
        for c, h, n in zip(channels, heads, depths)
    ]


def initialize(module: nn.Module) -> None:
    """Initialize as Sonata's decoder does without a checkpoint."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, SubmConv3d):
        nn.init.trunc_normal_(module.kernel, std=0.02)
