"""
Other libraries' sparse convolutions on our voxels, with our kernels, on the CPU: to compare.

Nothing of the package needs one of them. Each class finds its own voxels and kernel maps and
keeps them for all layers of a network, as its users do; rows stay in the library's order.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate, repeat
import sys
from types import ModuleType
from typing import Protocol

from rescene4d_ros.sparse.backends import torchsparse
from rescene4d_ros.sparse.modules import (
    DownConv3d,
    kernel_from_spconv,
    kernel_to_spconv,
    SubmConv3d,
    UpConv3d,
)
from rescene4d_ros.sparse.torchsparse_ops import padded_range
from rescene4d_ros.sparse.voxels import linear_keys, Voxels
import torch
from torch import nn, Tensor


@dataclass(frozen=True)
class LibraryConvolution:
    """
    Hold one convolution as a library runs it.

    Attributes
    ----------
    run : callable
        Features (V_in, Ci) in its order -> (V_out, Co) in its order.
    weight : Tensor
        Its copy of the kernel, in its layout; a leaf that takes gradients.
    to_kernel : callable
        Its layout -> ours, (K, Ci, Co).
    in_rows, out_rows : Tensor (V_in,), (V_out,), int64
        Our row of each of its rows.

    """

    run: Callable[[Tensor], Tensor]
    weight: Tensor
    to_kernel: Callable[[Tensor], Tensor]
    in_rows: Tensor
    out_rows: Tensor


class Library(Protocol):
    """
    Holds voxels and their coarser levels as one library does.

    Attributes
    ----------
    finds_neighbors : bool
        Whether it makes its kernel maps; else it takes ours.

    """

    finds_neighbors: bool

    def __init__(self, voxels: Voxels, n_levels: int):
        """Take the finest voxels; ImportError says why the library cannot be used."""

    def convolution(self, module: nn.Module, level: int) -> LibraryConvolution:
        """Return one of our layers as its own; `level` is the finer one where two meet."""


class Native:
    """Ours."""

    finds_neighbors = True

    def __init__(self, voxels: Voxels, n_levels: int):
        self._levels = _levels(Voxels.build(voxels.coords), n_levels)

    def convolution(self, module: nn.Module, level: int) -> LibraryConvolution:
        """Return the layer itself."""
        voxels = self._levels[level]
        n_in, n_out = (len(self._levels[k]) for k in _ends(module, level))
        return LibraryConvolution(lambda feats: module(feats, voxels), module.kernel, _same,
                                  torch.arange(n_in), torch.arange(n_out))


class Spconv:
    """spconv 2.3: with more than one thread on CPUs its sums race, and some rows are wrong."""

    finds_neighbors = True

    def __init__(self, voxels: Voxels, n_levels: int):
        self._spconv = _import('spconv.pytorch', 'pip install spconv')
        if not torch.cuda.is_available():
            # Its backward pass asks for the CUDA stream on CPUs too, and does not use it there.
            self._spconv.ops.get_current_stream = lambda: 0
        coords, (n_visits, *size) = padded_range(voxels.coords)
        tensor = self._spconv.SparseConvTensor(torch.zeros(len(coords), 1), coords, size, n_visits)
        self._tensors = [tensor]
        with torch.no_grad():
            for level in range(n_levels - 1):
                step = self._spconv.SparseConv3d(1, 1, 2, 2, bias=False, indice_key=f'down{level}')
                self._tensors.append(step(self._tensors[-1]))
        self._rows = our_rows(voxels, [tensor.indices for tensor in self._tensors])

    def convolution(self, module: nn.Module, level: int) -> LibraryConvolution:
        """Return the layer as an spconv layer; transposed ones need no map of their own."""
        size, ci, co = len(module.kernel), *module.kernel.shape[1:]
        if isinstance(module, SubmConv3d):
            edge = _edge(size)
            layer = self._spconv.SubMConv3d(ci, co, edge, bias=False, indice_key=f'{level} {edge}')
        elif isinstance(module, DownConv3d):
            layer = self._spconv.SparseConv3d(ci, co, 2, 2, bias=False, indice_key=f'down{level}')
        else:
            layer = self._spconv.SparseInverseConv3d(ci, co, 2, f'down{level}', bias=False)
        layer.weight = nn.Parameter(kernel_to_spconv(module.kernel.detach()))
        given, made = _ends(module, level)
        return LibraryConvolution(
            lambda feats: layer(self._tensors[given].replace_feature(feats)).features,
            layer.weight, kernel_from_spconv, self._rows[given], self._rows[made])


class MinkowskiEngine:
    """MinkowskiEngine 0.5: kernels are laid out as ours."""

    finds_neighbors = True

    def __init__(self, voxels: Voxels, n_levels: int):
        self._engine = _import('MinkowskiEngine',
                               'build it from its repository (github.com/NVIDIA/MinkowskiEngine)')
        coords, _ = padded_range(voxels.coords)
        finest = self._engine.SparseTensor(torch.zeros(len(coords), 1), coords)
        self._manager = finest.coordinate_manager
        self._keys = list(accumulate(
            repeat(2, n_levels - 1), self._manager.stride, initial=finest.coordinate_map_key))
        stride = torch.tensor([1, 2, 2, 2])
        self._rows = our_rows(voxels, [self._manager.get_coordinates(key) // stride ** level
                                       for level, key in enumerate(self._keys)])

    def convolution(self, module: nn.Module, level: int) -> LibraryConvolution:
        """Return the layer as a MinkowskiEngine layer."""
        size, ci, co = len(module.kernel), *module.kernel.shape[1:]
        given, made = _ends(module, level)
        kind = self._engine.MinkowskiConvolutionTranspose if given > made else \
            self._engine.MinkowskiConvolution
        layer = kind(ci, co, kernel_size=_edge(size), stride=1 if given == made else 2,
                     dimension=3)
        layer.kernel = nn.Parameter(module.kernel.detach().clone())
        return LibraryConvolution(
            lambda feats: layer(self._engine.SparseTensor(
                feats, coordinate_map_key=self._keys[given], coordinate_manager=self._manager),
                self._keys[made]).F,
            layer.kernel, _same, self._rows[given], self._rows[made])


class Torchsparse:
    """torchsparse 2.1: its products alone; it cannot find neighbors on CPUs, so it takes ours."""

    finds_neighbors = False

    def __init__(self, voxels: Voxels, n_levels: int):
        torchsparse()
        functions = _import('torchsparse.nn.functional.conv.func', 'install torchsparse 2.1')
        self._function = functions.GatherScatterConvolutionFuntion  # spelled so
        self._levels = _levels(voxels, n_levels)

    def convolution(self, module: nn.Module, level: int) -> LibraryConvolution:
        """Return the layer as torchsparse's function; a transposed one reads the map backward."""
        voxels = self._levels[level]
        n_in, n_out = (len(self._levels[k]) for k in _ends(module, level))
        if isinstance(module, SubmConv3d):
            kmap = voxels.subm_map(_edge(len(module.kernel)))
        else:
            kmap = voxels.down_map()
        pairs, counts = kmap.pairs()
        theirs = {'nbmaps': pairs, 'nbsizes': counts, 'sizes': (kmap.n_in, kmap.n_out),
                  'input_mask': None, 'output_mask': None}
        weight = nn.Parameter(module.kernel.detach().clone())
        return LibraryConvolution(
            lambda feats: self._function.apply(
                feats, weight, theirs, {'epsilon': 0.0, 'mm_thresh': 0},
                isinstance(module, UpConv3d)),
            weight, _same, torch.arange(n_in), torch.arange(n_out))


LIBRARIES: dict[str, type[Library]] = {
    'spconv': Spconv, 'torchsparse': Torchsparse, 'MinkowskiEngine': MinkowskiEngine}


def library_version(name: str) -> str:
    """Return the version of a library that was imported, 'unknown' where it tells none."""
    try:
        return version(name)
    except PackageNotFoundError:  # imported from its own folder
        return str(getattr(sys.modules.get(name), '__version__', 'unknown'))


def _import(name: str, remedy: str) -> ModuleType:
    """Return a module, or raise an ImportError that says why not and what to do."""
    try:
        return import_module(name)
    except Exception as error:  # a library built for another torch or a GPU may raise anything
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImportError(f'expected the module {name}, got {said!r}; {remedy}') from error


def _levels(voxels: Voxels, n_levels: int) -> list[Voxels]:
    """Return the voxels and their coarser levels, finest first."""
    return list(accumulate(range(n_levels - 1), lambda fine, _: fine.down(), initial=voxels))


def _ends(module: nn.Module, level: int) -> tuple[int, int]:
    """Return the levels that a layer leads from and to; `level` is the finer one."""
    if isinstance(module, SubmConv3d):
        return level, level
    return (level, level + 1) if isinstance(module, DownConv3d) else (level + 1, level)


def _edge(volume: int) -> int:
    """Return the edge of a kernel of so many offsets."""
    return round(volume ** (1 / 3))


def _same(weight: Tensor) -> Tensor:
    """Return a kernel that is laid out as ours."""
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
    for level, (at, coords) in enumerate(zip(_levels(voxels, len(theirs)), theirs)):
        ours = at.coords.clone()
        ours[:, 1:] += shift[1:] >> level
        keys = linear_keys(torch.cat((ours, coords.long())), 0)[0]
        in_order, order = keys[len(ours):].sort()
        if not torch.equal(in_order, keys[:len(ours)]):
            raise RuntimeError(f'level {level}: expected our {len(ours)} voxels, got others '
                               f'({len(coords)}); use the version that is named here')
        found.append(order.argsort())
    return found
