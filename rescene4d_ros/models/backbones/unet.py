"""Sparse residual U-Net (Res16UNet family): no kernel spans time, so visits never mix."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.sparse.convolutions import DownConv3d, SubmConv3d, UpConv3d
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import nn, Tensor
from torch.nn import functional

BATCH_NORM_MOMENTUM = 0.02
N_LEVELS = 5


@dataclass(frozen=True)
class UNetPreset:
    """
    Sizes of one member of the family.

    Attributes
    ----------
    stem : int
        Channels at full resolution before the first downsampling.
    planes : tuple of 8 int
        Channels of the four encoder stages, then of the four decoder stages.
    blocks : tuple of 8 int
        Residual blocks of each stage.
    stem_kernel : int
        Kernel edge of the first convolution.

    """

    stem: int
    planes: tuple[int, ...]
    blocks: tuple[int, ...]
    stem_kernel: int


PRESETS = {
    'tiny': UNetPreset(8, (8, 16, 16, 16, 16, 16, 16, 16), (1,) * 8, 3),
    'small': UNetPreset(16, (32, 64, 96, 128, 96, 64, 48, 32), (1,) * 8, 3),
    '18b': UNetPreset(32, (32, 64, 128, 256, 128, 128, 128, 128), (2,) * 8, 5),
    '34c': UNetPreset(32, (32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2), 5),
}


class Norm(nn.BatchNorm1d):
    """
    Normalize over all voxels of a level; a single voxel uses the running statistics.

    Attributes
    ----------
    of_visit : bool
        Whether the statistics of the voxels themselves are also used in evaluation mode.

    """

    def __init__(self, channels: int):
        super().__init__(channels, momentum=BATCH_NORM_MOMENTUM)
        self.of_visit = False

    def forward(self, feats: Tensor) -> Tensor:
        """Return the normalized features (V, C)."""
        if len(feats) > 1:
            if self.training or not self.of_visit:
                return super().forward(feats)
            return functional.batch_norm(
                feats, None, None, self.weight, self.bias, training=True, eps=self.eps
            )
        return functional.batch_norm(
            feats, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


class ResidualBlock(nn.Module):
    """Two submanifold convolutions with a shortcut."""

    def __init__(self, ci: int, co: int):
        super().__init__()
        self.conv1 = SubmConv3d(ci, co, 3)
        self.norm1 = Norm(co)
        self.conv2 = SubmConv3d(co, co, 3)
        self.norm2 = Norm(co)
        self.shortcut = (
            nn.Identity() if ci == co else nn.Sequential(nn.Linear(ci, co, bias=False), Norm(co))
        )

    def forward(self, feats: Tensor, voxels: Voxels) -> Tensor:
        """Return the features (V, co) on the same voxels."""
        out = self.norm1(self.conv1(feats, voxels)).relu_()
        out = self.norm2(self.conv2(out, voxels))
        out += self.shortcut(feats)
        return out.relu_()


class Stage(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(self, ci: int, co: int, n_blocks: int):
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(ci if k == 0 else co, co) for k in range(n_blocks)
        )

    def forward(self, feats: Tensor, voxels: Voxels) -> Tensor:
        """Return the features (V, co) on the same voxels."""
        for block in self.blocks:
            feats = block(feats, voxels)
        return feats


class Step(nn.Module):
    """A convolution from one resolution to the next, normalized."""

    def __init__(self, conv: nn.Module, co: int):
        super().__init__()
        self.conv = conv
        self.norm = Norm(co)

    def forward(self, feats: Tensor, voxels: Voxels) -> Tensor:
        """Return the features on the output voxels."""
        return self.norm(self.conv(feats, voxels)).relu_()


class SparseUNet(nn.Module):
    """
    Compute voxel features at five resolutions, strides 16, 8, 4, 2 and 1.

    Parameters
    ----------
    in_channels : int
    preset : UNetPreset

    """

    shares_time = False  # no kernel spans time

    def __init__(self, in_channels: int, preset: UNetPreset):
        super().__init__()
        encoder, decoder = preset.planes[:4], preset.planes[4:]
        skips = (preset.stem, *encoder[:3])  # finest first
        self.stem = Step(SubmConv3d(in_channels, preset.stem, preset.stem_kernel), preset.stem)
        self.downs = nn.ModuleList(Step(DownConv3d(c, c), c) for c in skips)
        self.encoder = nn.ModuleList(
            Stage(ci, co, n) for ci, co, n in zip(skips, encoder, preset.blocks[:4])
        )
        below = (encoder[3], *decoder[:3])
        self.ups = nn.ModuleList(Step(UpConv3d(ci, co), co) for ci, co in zip(below, decoder))
        self.decoder = nn.ModuleList(
            Stage(co + skip, co, n)
            for co, skip, n in zip(decoder, reversed(skips), preset.blocks[4:])
        )
        self.stem_channels = preset.stem
        self.out_channels = (encoder[3], *decoder)

    def forward(self, feats: Tensor, voxels: Voxels, detail: Tensor | None = None) -> list[Tensor]:
        """
        Compute the features of all five levels, coarsest first.

        Parameters
        ----------
        feats : Tensor (V, Cin), float32
            In the order of `voxels.coords`.
        voxels : Voxels
            Of any number of visits.
        detail : Tensor (V, stem_channels), optional
            Added to the features of the stem.

        Returns
        -------
        list of 5 Tensor (V_l, out_channels[l]), float32

        """
        pyramid = [voxels]  # finest first
        out = self.stem(feats, voxels)
        if detail is not None:
            out = out + detail
        skips = []
        for down, stage in zip(self.downs, self.encoder):
            skips.append(out)
            out = down(out, pyramid[-1])
            pyramid.append(pyramid[-1].down())
            out = stage(out, pyramid[-1])
        levels = [out]
        for up, stage, fine in zip(self.ups, self.decoder, reversed(pyramid[:-1])):
            # Taken off the list, so that no skip outlives its level.
            out = stage(torch.cat([up(out, fine), skips.pop()], dim=1), fine)
            levels.append(out)
        return levels


def make(in_channels: int, name: str, temporal_serialization: str) -> SparseUNet:
    """Make the backbone of a preset; there is no time to share."""
    return SparseUNet(in_channels, PRESETS[name])
