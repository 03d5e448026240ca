"""Interface for comparing the convolutions of libraries with ours, and matching of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from rescene4d_ros.sparse.convolutions import DownConv3d, SparseConvolution, SubmConv3d
from rescene4d_ros.sparse.torchsparse_backend import padded_range
from rescene4d_ros.sparse.voxels import linear_keys, Voxels
import torch
from torch import Tensor


@dataclass(frozen=True)
class LibraryConvolution:
    """
    One convolution of a library.

    Attributes
    ----------
    run : callable
        Features (V_in, Ci) in its order -> (V_out, Co) in its order.
    weight : Tensor
        Its copy of the kernel, in its layout; a leaf that takes gradients.
    to_kernel : callable
        Its layout -> ours, (K, Ci, Co).
    in_rows, out_rows : Tensor (V_in,), (V_out,), int64
        Our row for each of its rows.

    """

    run: Callable[[Tensor], Tensor]
    weight: Tensor
    to_kernel: Callable[[Tensor], Tensor]
    in_rows: Tensor
    out_rows: Tensor


class Library(Protocol):
    """
    Voxels and coarser levels of one library.

    Attributes
    ----------
    finds_neighbors : bool
        Whether the library computes kernel maps; else it uses ours.

    """

    finds_neighbors: bool

    def __init__(self, voxels: Voxels, n_levels: int):
        """Take the finest voxels; raise ImportError if the library cannot be used."""

    def convolution(self, module: SparseConvolution, level: int) -> LibraryConvolution:
        """Return a layer of the library for one of ours; `level` is the finer of two levels."""


class Native:
    """Ours."""

    finds_neighbors = True

    def __init__(self, voxels: Voxels, n_levels: int):
        self._levels = levels_of(Voxels.build(voxels.coords), n_levels)

    def convolution(self, module: SparseConvolution, level: int) -> LibraryConvolution:
        """Return the layer itself."""
        voxels = self._levels[level]
        n_in, n_out = (len(self._levels[k]) for k in ends_of(module, level))
        return LibraryConvolution(
            lambda feats: module(feats, voxels),
            module.kernel,
            kernel_of_ours,
            torch.arange(n_in),
            torch.arange(n_out),
        )


def levels_of(voxels: Voxels, n_levels: int) -> list[Voxels]:
    """Return the voxels and their coarser levels, finest first."""
    return list(accumulate(range(n_levels - 1), lambda fine, _: fine.down(), initial=voxels))


def ends_of(module: SparseConvolution, level: int) -> tuple[int, int]:
    """Return the input and output level of a layer; `level` is the finer one."""
    if isinstance(module, SubmConv3d):
        return level, level
    return (level, level + 1) if isinstance(module, DownConv3d) else (level + 1, level)


def kernel_edge(volume: int) -> int:
    """Return the edge of a kernel by its number of offsets."""
    return round(volume ** (1 / 3))


def kernel_of_ours(weight: Tensor) -> Tensor:
    """Return a kernel that has our layout."""
    return weight


def our_rows(voxels: Voxels, theirs: Sequence[Tensor]) -> list[Tensor]:
    """
    Return our row of each row of a library.

    Parameters
    ----------
    voxels : Voxels
        The finest ones.
    theirs : sequence of Tensor (V_l, 4), integer
        Its voxels of each level, finest first, in any order: those of `padded_range`, halved
        at each step.

    Returns
    -------
    list of Tensor (V_l,), int64

    Raises
    ------
    RuntimeError
        They are not ours.

    """
    shift = padded_range(voxels.coords)[0][0].long() - voxels.coords[0]
    found = []
    for level, (at, coords) in enumerate(zip(levels_of(voxels, len(theirs)), theirs)):
        ours = at.coords.clone()
        ours[:, 1:] += shift[1:] >> level
        keys = linear_keys(torch.cat((ours, coords.long())), 0)[0]
        in_order, order = keys[len(ours) :].sort()
        if not torch.equal(in_order, keys[: len(ours)]):
            raise RuntimeError(
                f'level {level}: expected our {len(ours)} voxels, got others '
                f'({len(coords)}); use the version that is named here'
            )
        found.append(order.argsort())
    return found
