"""Layers with a learned kernel; parameter names and shapes are MinkowskiEngine's."""

from __future__ import annotations

import math

from rescene4d_ros.sparse.ops import down_conv, subm_conv, up_conv
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import nn


def kernel_from_spconv(weight: torch.Tensor) -> torch.Tensor:
    """
    Return an spconv weight (Co, n, n, n, Ci), axes x, y, z, as a kernel (n^3, Ci, Co).

    The kernel's offsets run with x fastest, as MinkowskiEngine's do.
    """
    return weight.permute(3, 2, 1, 4, 0).reshape(-1, weight.shape[4], weight.shape[0])


def kernel_to_spconv(kernel: torch.Tensor) -> torch.Tensor:
    """Return a kernel (n^3, Ci, Co) as an spconv weight (Co, n, n, n, Ci), axes x, y, z."""
    n = round(len(kernel) ** (1 / 3))
    return kernel.view(n, n, n, *kernel.shape[1:]).permute(4, 2, 1, 0, 3).contiguous()


class SparseConvolution(nn.Module):
    """
    Hold a kernel [K, Ci, Co] and an optional bias [Co].

    Parameters
    ----------
    ci, co : int
        Input and output channels.
    volume : int
        Number of kernel offsets K.
    fan_offsets : int
        Offsets that usually have a voxel; sets the scale of the initial weights.
    bias : bool

    """

    def __init__(self, ci: int, co: int, volume: int, fan_offsets: int, bias: bool):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(volume, ci, co))
        self.bias = nn.Parameter(torch.zeros(co)) if bias else None
        nn.init.normal_(self.kernel, std=math.sqrt(2 / (fan_offsets * ci)))

    def extra_repr(self) -> str:
        """Return the kernel's shape for printing."""
        return f'kernel={tuple(self.kernel.shape)}, bias={self.bias is not None}'

    def _shift(self, feats: torch.Tensor) -> torch.Tensor:
        """Add the bias, if there is one."""
        return feats if self.bias is None else feats + self.bias


class SubmConv3d(SparseConvolution):
    """Convolve and keep the voxels; `m(feats (V, ci), voxels) -> (V, co)`."""

    def __init__(self, ci: int, co: int, kernel_size: int = 3, bias: bool = False):
        # On surfaces about two of five offsets have a voxel.
        volume = kernel_size**3
        super().__init__(ci, co, volume, max(1, round(0.4 * volume)), bias)

    def forward(self, feats: torch.Tensor, voxels: Voxels) -> torch.Tensor:
        """Return the convolved features on the same voxels."""
        return self._shift(subm_conv(feats, self.kernel, voxels))


class DownConv3d(SparseConvolution):
    """Halve the resolution; `m(feats (V, ci), voxels) -> (len(voxels.down()), co)`."""

    def __init__(self, ci: int, co: int, bias: bool = False):
        super().__init__(ci, co, 8, 4, bias)

    def forward(self, feats: torch.Tensor, voxels: Voxels) -> torch.Tensor:
        """Return the convolved features on `voxels.down()`."""
        return self._shift(down_conv(feats, self.kernel, voxels))


class UpConv3d(SparseConvolution):
    """Double the resolution; `m(coarse_feats, fine_voxels) -> (V, co)`."""

    def __init__(self, ci: int, co: int, bias: bool = False):
        super().__init__(ci, co, 8, 1, bias)

    def forward(self, coarse_feats: torch.Tensor, fine_voxels: Voxels) -> torch.Tensor:
        """Return the convolved features on `fine_voxels`."""
        return self._shift(up_conv(coarse_feats, self.kernel, fine_voxels))
