"""Convolutions by torchsparse 2.1 (CUDA only). Kernel maps are stored with the voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from rescene4d_ros.sparse.voxels import linear_keys, Voxels
import torch
from torch import Tensor

REMEDY = 'install it from its repository (github.com/mit-han-lab/torchsparse), or choose native'


@cache
def torchsparse() -> ModuleType:
    """
    Return the torchsparse package.

    Raises
    ------
    ImportError
        It is not installed or cannot be imported; the message states the cause and the remedy.

    """
    try:
        module = import_module('torchsparse')
        import_module('torchsparse.nn.functional')
    except Exception as error:  # without a GPU its import raises an AssertionError
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImportError(
            f'sparse backend: expected torchsparse 2.1, got {said!r}; {REMEDY}'
        ) from error
    version = getattr(module, '__version__', 'none')
    if not version.startswith('2.1'):
        raise ImportError(
            f'sparse backend: expected torchsparse 2.1, got version {version}; {REMEDY}'
        )
    return module


# Coordinates begin and end at multiples of it: a voxel at an odd end would lose its parent. 2^4:
# the networks have four coarser levels.
ALIGNMENT = 16
# Its 2^3 kernels order offsets with z fastest; the permutation is its own inverse.
EVEN_KERNEL_ORDER = (0, 4, 2, 6, 1, 5, 3, 7)
PROBE_CHANNELS = 16


@dataclass
class _Level:
    """
    One resolution as torchsparse stores it.

    Attributes
    ----------
    coords : Tensor (V, 4), int32
        Columns visit, x, y, z, none negative, in its order.
    spatial_range : tuple of 4 int
        Number of visits, and of cells along x, y, z.
    stride : tuple of 3 int
        Its key of the level.
    to_ours : Tensor (V,), int64
        Its row of each voxel of this package.
    caches : object
        Its kernel maps, shared by all levels.
    coarse : _Level, optional
        Twice the voxel size; None until computed.

    """

    coords: Tensor
    spatial_range: tuple[int, ...]
    stride: tuple[int, int, int]
    to_ours: Tensor
    caches: Any
    coarse: _Level | None = None

    def tensor(self, feats: Tensor) -> Any:
        """Return features (V, C) as a sparse tensor of torchsparse."""
        theirs = torch.empty_like(feats).index_copy(0, self.to_ours, feats)
        made = torchsparse().SparseTensor(theirs, self.coords, self.stride, self.spatial_range)
        made._caches = self.caches
        self.caches.cmaps.setdefault(self.stride, (self.coords, self.spatial_range))
        return made


# Maps made without gradients lack what the backward pass needs: voxels -> with gradients -> level.
_levels: WeakKeyDictionary[Voxels, dict[bool, _Level]] = WeakKeyDictionary()


def padded_range(coords: Tensor) -> tuple[Tensor, tuple[int, int, int, int]]:
    """
    Shift coordinates so that none is negative, and pad their range.

    Parameters
    ----------
    coords : Tensor (V, 4), int64
        Columns visit, x, y, z; V at least 1.

    Returns
    -------
    shifted : Tensor (V, 4), int32
        Moved by a multiple of `ALIGNMENT`, so that the same voxels share a parent.
    spatial_range : tuple of 4 int
        Number of visits, and of cells along x, y, z: multiples of `ALIGNMENT`.

    """
    low = coords.amin(0) // ALIGNMENT * ALIGNMENT
    low[0] = 0
    shifted = coords - low
    n_visits, *size = (shifted.amax(0) + 1).tolist()
    return shifted.int(), (n_visits, *(-(-n // ALIGNMENT) * ALIGNMENT for n in size))


def can_convolve(weight: Tensor, voxels: Voxels) -> bool:
    """Return whether torchsparse supports this kernel: its bit masks are too short for 5^3."""
    return len(weight) in (8, 27) and len(voxels) > 0 and voxels.coords.is_cuda


def subm_conv(feats: Tensor, weight: Tensor, voxels: Voxels) -> Tensor:
    """Convolve and keep the voxels; as `convolutions.subm_conv`, kernel 3^3."""
    level = _level(voxels)
    return _convolve(level, feats, weight, kernel_size=3, padding=1).feats[level.to_ours]


def down_conv(feats: Tensor, weight: Tensor, voxels: Voxels) -> Tensor:
    """Convolve with stride 2 and kernel 2^3; as `convolutions.down_conv`."""
    level = _level(voxels)
    coarse = _coarse(level, voxels)
    made = _convolve(level, feats, weight[list(EVEN_KERNEL_ORDER)], kernel_size=2, stride=2)
    return made.feats[coarse.to_ours]


def up_conv(coarse_feats: Tensor, weight: Tensor, fine_voxels: Voxels) -> Tensor:
    """Convolve transposed with stride 2 and kernel 2^3; as `convolutions.up_conv`."""
    level = _level(fine_voxels)
    made = _convolve(
        _coarse(level, fine_voxels),
        coarse_feats,
        weight[list(EVEN_KERNEL_ORDER)],
        kernel_size=2,
        stride=2,
        transposed=True,
    )
    return made.feats[level.to_ours]


def _convolve(level: _Level, feats: Tensor, weight: Tensor, **geometry: Any) -> Any:
    """Return the sparse tensor of the convolved features."""
    functional = torchsparse().nn.functional
    return functional.conv3d(
        level.tensor(feats), weight.contiguous(), training=torch.is_grad_enabled(), **geometry
    )


def _level(voxels: Voxels) -> _Level:
    """Return the level of these voxels; unknown voxels start a pyramid."""
    known = _levels.setdefault(voxels, {})
    if torch.is_grad_enabled() not in known:
        coords, spatial_range = padded_range(voxels.coords)
        rows = torch.arange(len(coords), device=coords.device)
        caches = (
            torchsparse().SparseTensor(rows[:, None].float(), coords, 1, spatial_range)._caches
        )
        known[torch.is_grad_enabled()] = _Level(coords, spatial_range, (1, 1, 1), rows, caches)
    return known[torch.is_grad_enabled()]


def _coarse(level: _Level, voxels: Voxels) -> _Level:
    """Return the coarser level, whose order torchsparse chooses; obtained with a convolution."""
    if level.coarse is None:
        ours = voxels.down()
        nothing = level.coords.new_zeros(len(voxels), PROBE_CHANNELS, dtype=torch.float32)
        made = _convolve(
            level,
            nothing,
            nothing.new_zeros(8, PROBE_CHANNELS, PROBE_CHANNELS),
            kernel_size=2,
            stride=2,
        )
        to_ours = linear_keys(made.coords.long(), 0)[0].argsort()
        _check_parents(made.coords[to_ours], ours)
        level.coarse = _Level(made.coords, made.spatial_range, made.stride, to_ours, level.caches)
        _levels.setdefault(ours, {}).setdefault(torch.is_grad_enabled(), level.coarse)
    return level.coarse


def _check_parents(theirs: Tensor, ours: Voxels) -> None:
    """Raise an error if torchsparse dropped or added a voxel."""
    wanted = ours.coords - ours.coords.amin(0)
    if len(theirs) != len(ours) or not torch.equal(theirs.long() - theirs.amin(0).long(), wanted):
        raise RuntimeError(
            f'sparse backend: expected the {len(ours)} parents of the voxels from '
            f'torchsparse, got {len(theirs)} voxels; choose the native backend'
        )
