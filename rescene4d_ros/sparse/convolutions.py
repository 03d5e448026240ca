"""
Differentiable convolutions and pooling on sparse voxels, and layers with learned kernels.

Parameter names and shapes of the layers are MinkowskiEngine's.
"""

from __future__ import annotations

from importlib import import_module
import math
from types import ModuleType

from rescene4d_ros.sparse.gather_conv import convolve, gradients
from rescene4d_ros.sparse.kernel_map import KernelMap
from rescene4d_ros.sparse.voxels import NATIVE, TORCHSPARSE, Voxels
import torch
from torch import nn
import torch.nn.functional as F

AUTO = 'auto'


def choose_backend(wanted: str, device_type: str) -> tuple[str, str]:
    """
    Return the backend to use, and the reason if it is not the requested one.

    Parameters
    ----------
    wanted : str
        'native', 'torchsparse', or 'auto': torchsparse where it can run.
    device_type : str
        'cpu' or 'cuda', where the features are.

    Returns
    -------
    backend : str
        'native' or 'torchsparse'.
    reason : str
        Empty if it is the requested backend.

    """
    if wanted == NATIVE:
        return NATIVE, ''
    if device_type != 'cuda':
        reason = (
            f'sparse backend: expected a CUDA device for torchsparse, got {device_type}; '
            'using the native backend'
        )
    else:
        try:
            _torchsparse_backend().torchsparse()
            return TORCHSPARSE, ''
        except ImportError as error:
            reason = f'{error}; using the native backend'
    return NATIVE, '' if wanted == AUTO else reason


def _torchsparse_backend() -> ModuleType:
    """Load the backend of torchsparse; only who chooses it needs it."""
    return import_module('rescene4d_ros.sparse.torchsparse_backend')


class _Convolve(torch.autograd.Function):
    """Run one convolution forward, and backward through the transposed map: no scatter."""

    @staticmethod
    def forward(ctx, feats, weight, kmap, transposed, mirror):
        """Return the features on the output voxels."""
        ctx.save_for_backward(feats, weight)
        ctx.transposed, ctx.mirror = transposed, mirror
        return convolve(feats, weight, kmap)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        """Return the gradients of features and weight."""
        feats, weight = ctx.saved_tensors
        grad_feats, grad_weight = gradients(
            grad.contiguous(), feats, weight, ctx.transposed(), ctx.mirror, ctx.needs_input_grad[0]
        )
        return grad_feats, grad_weight, None, None, None


class _AveragePool(torch.autograd.Function):
    """Average the children that exist."""

    @staticmethod
    def forward(ctx, feats, voxels, rows):
        """Return the mean of each parent's children."""
        children, count = voxels.children()
        ctx.parent, ctx.count, ctx.rows, ctx.n_feats = voxels.parent, count, rows, len(feats)
        if rows is not None:
            children = rows.index_select(0, children)
        return F.embedding_bag(
            children, feats, F.pad(count.cumsum(0), (1, 0)), mode='mean', include_last_offset=True
        )

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        """Return each child's share."""
        shares = (grad / ctx.count[:, None]).index_select(0, ctx.parent)
        if ctx.rows is not None:
            shares = shares.new_zeros(ctx.n_feats, shares.shape[1]).index_add_(0, ctx.rows, shares)
        return shares, None, None


def _convolve(feats, weight, kmap: KernelMap, transposed, mirror: bool) -> torch.Tensor:
    """Check the shapes, follow autocast, and convolve."""
    if (
        feats.shape[0] != kmap.n_in
        or feats.shape[1] != weight.shape[1]
        or len(kmap.table) != len(weight)
    ):
        raise ValueError(
            f'sparse convolution: expected features ({kmap.n_in}, {weight.shape[1]}) and a '
            f'kernel ({len(kmap.table)}, Ci, Co), got {tuple(feats.shape)} and '
            f'{tuple(weight.shape)}'
        )
    feats, weight = _autocast(feats, weight)
    return _Convolve.apply(feats.contiguous(), weight, kmap, transposed, mirror)


def _autocast(feats: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both in the dtype of autocast."""
    device = feats.device.type
    if not torch.is_autocast_enabled(device):
        return feats, weight
    dtype = torch.get_autocast_dtype(device)
    return feats.to(dtype), weight.to(dtype)


def _is_for_torchsparse(weight: torch.Tensor, voxels: Voxels) -> bool:
    """Return whether torchsparse is chosen for these voxels and supports this kernel."""
    return voxels.backend == TORCHSPARSE and _torchsparse_backend().can_convolve(weight, voxels)


def subm_conv(feats: torch.Tensor, weight: torch.Tensor, voxels: Voxels) -> torch.Tensor:
    """
    Convolve and keep the voxels (submanifold convolution): empty space stays empty.

    Parameters
    ----------
    feats : Tensor (V, Ci), float
        In the order of `voxels.coords`.
    weight : Tensor (K, Ci, Co), float
        K = n^3 for odd n; offset order of MinkowskiEngine, x fastest.
    voxels : Voxels

    Returns
    -------
    Tensor (V, Co)

    """
    if _is_for_torchsparse(weight, voxels):
        return _torchsparse_backend().subm_conv(*_autocast(feats, weight), voxels)
    kmap = voxels.subm_map(round(len(weight) ** (1 / 3)))
    return _convolve(feats, weight, kmap, lambda: kmap, mirror=True)


def down_conv(feats: torch.Tensor, weight: torch.Tensor, voxels: Voxels) -> torch.Tensor:
    """
    Convolve with stride 2 and kernel 2^3.

    Parameters
    ----------
    feats : Tensor (V, Ci), float
        In the order of `voxels.coords`.
    weight : Tensor (8, Ci, Co), float
        Offset order x fastest.
    voxels : Voxels

    Returns
    -------
    Tensor (len(voxels.down()), Co)

    """
    if _is_for_torchsparse(weight, voxels):
        return _torchsparse_backend().down_conv(*_autocast(feats, weight), voxels)
    return _convolve(feats, weight, voxels.down_map(), voxels.up_map, mirror=False)


def up_conv(coarse_feats: torch.Tensor, weight: torch.Tensor, fine_voxels: Voxels) -> torch.Tensor:
    """
    Convolve transposed with stride 2 and kernel 2^3, onto existing voxels.

    Parameters
    ----------
    coarse_feats : Tensor (len(fine_voxels.down()), Ci), float
    weight : Tensor (8, Ci, Co), float
        Offset order x fastest.
    fine_voxels : Voxels

    Returns
    -------
    Tensor (V, Co)
        In the order of `fine_voxels.coords`.

    """
    if _is_for_torchsparse(weight, fine_voxels):
        return _torchsparse_backend().up_conv(*_autocast(coarse_feats, weight), fine_voxels)
    return _convolve(
        coarse_feats, weight, fine_voxels.up_map(), fine_voxels.down_map, mirror=False
    )


def avg_pool(
    feats: torch.Tensor, voxels: Voxels, rows: torch.Tensor | None = None
) -> torch.Tensor:
    """
    Average each parent's existing children.

    Parameters
    ----------
    feats : Tensor (V, C), float
        In the order of `voxels.coords`; with `rows` any table (S, C).
    voxels : Voxels
    rows : Tensor (V,), int64, optional
        Row of `feats` that each voxel has: the same as pooling `feats[rows]`, without this copy.

    Returns
    -------
    Tensor (len(voxels.down()), C)

    """
    return _AveragePool.apply(feats, voxels, rows)


def max_pool(feats: torch.Tensor, voxels: Voxels) -> torch.Tensor:
    """
    Return the maximum over each parent's existing children, per channel.

    Parameters
    ----------
    feats : Tensor (V, C), float
        In the order of `voxels.coords`.
    voxels : Voxels

    Returns
    -------
    Tensor (len(voxels.down()), C)

    """
    children, count = voxels.children()
    return torch.segment_reduce(feats.index_select(0, children), 'max', lengths=count, axis=0)


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
