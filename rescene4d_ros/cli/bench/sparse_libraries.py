"""
Sparse convolutions of other libraries on our voxels and kernels on the CPU, for comparison.

They are optional. Each class computes its voxels and kernel maps and keeps them for all layers of
a network; rows stay in the order of the library.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate, repeat
import sys
from types import ModuleType

from rescene4d_ros.cli.bench.library_interface import (
    ends_of,
    kernel_edge,
    kernel_of_ours,
    levels_of,
    Library,
    LibraryConvolution,
    our_rows,
)
from rescene4d_ros.sparse.convolutions import (
    DownConv3d,
    kernel_from_spconv,
    kernel_to_spconv,
    SparseConvolution,
    SubmConv3d,
    UpConv3d,
)
from rescene4d_ros.sparse.torchsparse_backend import padded_range, torchsparse
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import nn


class Spconv:
    """spconv 2.3: with more than one CPU thread a data race makes some rows wrong."""

    finds_neighbors = True

    def __init__(self, voxels: Voxels, n_levels: int):
        self._spconv = _import('spconv.pytorch', 'pip install spconv')
        if not torch.cuda.is_available():
            # Its backward pass queries the CUDA stream on CPUs too, without using it.
            self._spconv.ops.get_current_stream = lambda: 0
        coords, (n_visits, *size) = padded_range(voxels.coords)
        tensor = self._spconv.SparseConvTensor(torch.zeros(len(coords), 1), coords, size, n_visits)
        self._tensors = [tensor]
        with torch.no_grad():
            for level in range(n_levels - 1):
                step = self._spconv.SparseConv3d(1, 1, 2, 2, bias=False, indice_key=f'down{level}')
                self._tensors.append(step(self._tensors[-1]))
        self._rows = our_rows(voxels, [tensor.indices for tensor in self._tensors])

    def convolution(self, module: SparseConvolution, level: int) -> LibraryConvolution:
        """Return the layer as an spconv layer; transposed layers reuse the map."""
        size, ci, co = len(module.kernel), *module.kernel.shape[1:]
        if isinstance(module, SubmConv3d):
            edge = kernel_edge(size)
            layer = self._spconv.SubMConv3d(ci, co, edge, bias=False, indice_key=f'{level} {edge}')
        elif isinstance(module, DownConv3d):
            layer = self._spconv.SparseConv3d(ci, co, 2, 2, bias=False, indice_key=f'down{level}')
        else:
            layer = self._spconv.SparseInverseConv3d(ci, co, 2, f'down{level}', bias=False)
        layer.weight = nn.Parameter(kernel_to_spconv(module.kernel.detach()))
        given, made = ends_of(module, level)
        return LibraryConvolution(
            lambda feats: layer(self._tensors[given].replace_feature(feats)).features,
            layer.weight,
            kernel_from_spconv,
            self._rows[given],
            self._rows[made],
        )


class MinkowskiEngine:
    """MinkowskiEngine 0.5: kernels have our layout."""

    finds_neighbors = True

    def __init__(self, voxels: Voxels, n_levels: int):
        self._engine = _import(
            'MinkowskiEngine', 'build it from its repository (github.com/NVIDIA/MinkowskiEngine)'
        )
        coords, _ = padded_range(voxels.coords)
        finest = self._engine.SparseTensor(torch.zeros(len(coords), 1), coords)
        self._manager = finest.coordinate_manager
        self._keys = list(
            accumulate(
                repeat(2, n_levels - 1), self._manager.stride, initial=finest.coordinate_map_key
            )
        )
        stride = torch.tensor([1, 2, 2, 2])
        self._rows = our_rows(
            voxels,
            [
                self._manager.get_coordinates(key) // stride**level
                for level, key in enumerate(self._keys)
            ],
        )

    def convolution(self, module: SparseConvolution, level: int) -> LibraryConvolution:
        """Return the layer as a MinkowskiEngine layer."""
        size, ci, co = len(module.kernel), *module.kernel.shape[1:]
        given, made = ends_of(module, level)
        kind = (
            self._engine.MinkowskiConvolutionTranspose
            if given > made
            else self._engine.MinkowskiConvolution
        )
        layer = kind(
            ci, co, kernel_size=kernel_edge(size), stride=1 if given == made else 2, dimension=3
        )
        layer.kernel = nn.Parameter(module.kernel.detach().clone())
        return LibraryConvolution(
            lambda feats: (
                layer(
                    self._engine.SparseTensor(
                        feats,
                        coordinate_map_key=self._keys[given],
                        coordinate_manager=self._manager,
                    ),
                    self._keys[made],
                ).F
            ),
            layer.kernel,
            kernel_of_ours,
            self._rows[given],
            self._rows[made],
        )


class Torchsparse:
    """torchsparse 2.1: only its products; without kernel maps on CPUs, so it uses ours."""

    finds_neighbors = False

    def __init__(self, voxels: Voxels, n_levels: int):
        torchsparse()
        functions = _import('torchsparse.nn.functional.conv.func', 'install torchsparse 2.1')
        self._function = functions.GatherScatterConvolutionFuntion  # sic
        self._levels = levels_of(voxels, n_levels)

    def convolution(self, module: SparseConvolution, level: int) -> LibraryConvolution:
        """Return the layer as torchsparse's function; a transposed one reads the map backward."""
        voxels = self._levels[level]
        n_in, n_out = (len(self._levels[k]) for k in ends_of(module, level))
        if isinstance(module, SubmConv3d):
            kmap = voxels.subm_map(kernel_edge(len(module.kernel)))
        else:
            kmap = voxels.down_map()
        pairs, counts = kmap.pairs()
        theirs = {
            'nbmaps': pairs,
            'nbsizes': counts,
            'sizes': (kmap.n_in, kmap.n_out),
            'input_mask': None,
            'output_mask': None,
        }
        weight = nn.Parameter(module.kernel.detach().clone())
        return LibraryConvolution(
            lambda feats: self._function.apply(
                feats,
                weight,
                theirs,
                {'epsilon': 0.0, 'mm_thresh': 0},
                isinstance(module, UpConv3d),
            ),
            weight,
            kernel_of_ours,
            torch.arange(n_in),
            torch.arange(n_out),
        )


LIBRARIES: dict[str, type[Library]] = {
    'spconv': Spconv,
    'torchsparse': Torchsparse,
    'MinkowskiEngine': MinkowskiEngine,
}


def library_version(name: str) -> str:
    """Return the version of an imported library, or 'unknown'."""
    try:
        return version(name)
    except PackageNotFoundError:  # imported from its own folder
        return str(getattr(sys.modules.get(name), '__version__', 'unknown'))


def _import(name: str, remedy: str) -> ModuleType:
    """Return a module, or raise ImportError with cause and remedy."""
    try:
        return import_module(name)
    except Exception as error:  # a library built for another torch or a GPU may raise anything
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImportError(f'expected the module {name}, got {said!r}; {remedy}') from error
