"""The sparse convolutions of a whole U-Net compared with those of a library, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from rescene4d_ros.cli.bench.library_interface import kernel_edge, Library
from rescene4d_ros.cli.bench.throughput import Convolution, PASSES
from rescene4d_ros.sparse.convolutions import SparseConvolution, SubmConv3d
from rescene4d_ros.sparse.voxels import Voxels
import torch

MAPS = 'kernel_maps'


@dataclass(frozen=True)
class LayerSideBySide:
    """
    Times of one convolution, ours and of a library.

    Attributes
    ----------
    kind : str
        Our module's name.
    n_in, ci, co : int
        Input rows, channels.
    ours_s, theirs_s : dict of str to float, s
        By `PASSES`.

    """

    kind: str
    n_in: int
    ci: int
    co: int
    ours_s: dict[str, float]
    theirs_s: dict[str, float]


@dataclass(frozen=True)
class SideBySide:
    """
    Times of all convolutions of a U-Net, measured alternately for ours and a library.

    Attributes
    ----------
    ours_s, theirs_s : dict of str to float, s
        By `MAPS` and `PASSES`: computing voxels and neighbors, then all layers. `MAPS` is missing
        if the library uses ours.
    difference : float
        Of features and gradients of any layer, relative to the largest of ours; inf if not finite.
    layers : list of LayerSideBySide
        In the order of the pass.

    """

    ours_s: dict[str, float]
    theirs_s: dict[str, float]
    difference: float
    layers: list[LayerSideBySide]

    @property
    def ratios(self) -> dict[str, float]:
        """Return the ratio of the library's time to ours."""
        return {name: seconds / self.ours_s[name] for name, seconds in self.theirs_s.items()}


class Side(Protocol):
    """
    Runs all layers with one library, in this or another process.

    Attributes
    ----------
    finds_neighbors : bool
        As of its `Library`.

    """

    finds_neighbors: bool

    def results(self, layer: int, seed: int) -> list[np.ndarray]:
        """Return features and gradients of features and kernel for random rows, in our layout."""

    def seconds(self, layer: int, backward: bool) -> float:
        """Run one layer, optionally with gradients; return its seconds."""

    def maps_seconds(self) -> float:
        """Compute voxels, levels and neighbors; return the seconds."""


class SideHere:
    """
    Runs the layers in this process.

    Parameters
    ----------
    library : type
        `Native`, or one of `sparse.libraries.LIBRARIES`.
    layers : list of Convolution
        Of one pass of a U-Net, from the finest level to all levels; CPU.
    clock : callable
        Returns seconds.

    Raises
    ------
    ImportError
        The library is not installed or cannot be imported; the message states the reason.

    """

    def __init__(
        self, library: type[Library], layers: list[Convolution], clock: Callable[[], float]
    ):
        self.finds_neighbors = library.finds_neighbors
        self._library, self._layers, self._clock = library, layers, clock
        self._pyramid = list(dict.fromkeys(layer.voxels for layer in layers))
        self._levels = [self._pyramid.index(layer.voxels) for layer in layers]
        opened = library(self._pyramid[0], len(self._pyramid))
        self._convolutions = [
            opened.convolution(layer.module, level) for layer, level in zip(layers, self._levels)
        ]

    def results(self, layer: int, seed: int) -> list[np.ndarray]:
        """Return features and gradients of features and kernel for random rows, in our layout."""
        convolution, shape = self._convolutions[layer], self._layers[layer]
        generator = torch.Generator().manual_seed(seed)
        feats = torch.randn(shape.n_in, shape.ci, generator=generator)
        grads = torch.randn(len(convolution.out_rows), shape.co, generator=generator)
        rows = feats[convolution.in_rows].requires_grad_()
        out = convolution.run(rows)
        grad_rows, grad_weight = torch.autograd.grad(
            out, (rows, convolution.weight), grads[convolution.out_rows]
        )
        return [
            t.numpy()
            for t in (
                torch.empty_like(out).index_copy(0, convolution.out_rows, out.detach()),
                torch.empty_like(feats).index_copy(0, convolution.in_rows, grad_rows),
                convolution.to_kernel(grad_weight),
            )
        ]

    def seconds(self, layer: int, backward: bool) -> float:
        """Run one layer, optionally with gradients; return its seconds."""
        convolution, shape = self._convolutions[layer], self._layers[layer]
        rows = torch.ones(shape.n_in, shape.ci)
        rows.requires_grad_(backward and shape.wants_input_gradient)
        leaves = [t for t in (convolution.weight, rows) if t.requires_grad]
        grads = torch.ones(len(convolution.out_rows), shape.co)

        def work() -> None:
            """Convolve."""
            with torch.set_grad_enabled(backward):
                out = convolution.run(rows)
            if backward:
                torch.autograd.grad(out, leaves, grads)

        return self._second_run(work)

    def _second_run(self, work: Callable[[], None]) -> float:
        """Return the seconds of a second run, with warm threads and caches as in a network."""
        work()
        start = self._clock()
        work()
        return self._clock() - start

    def maps_seconds(self) -> float:
        """Compute voxels, levels and neighbors; return the seconds."""
        probes = _probes(self._layers, self._levels)
        return self._second_run(partial(_make_maps, self._library, self._pyramid, probes))


def side_by_side(
    layers: list[Convolution], ours: Side, theirs: Side, repeats: int, seed: int = 0
) -> SideBySide:
    """
    Measure a library and ours alternately on the layers of a U-Net.

    Parameters
    ----------
    layers : list of Convolution
        Layers of both sides.
    ours, theirs : Side
    repeats : int
        The fastest run counts; each follows a warm-up run.
    seed : int
        Seed of the features for comparing results.

    """
    measured, difference = [], 0.0
    for k, layer in enumerate(layers):
        difference = max(difference, _difference(ours.results(k, seed), theirs.results(k, seed)))
        times = {
            name: _least_by_turns(
                repeats, [partial(side.seconds, k, name == PASSES[1]) for side in (ours, theirs)]
            )
            for name in PASSES
        }
        measured.append(
            LayerSideBySide(
                type(layer.module).__name__,
                layer.n_in,
                layer.ci,
                layer.co,
                *({name: both[side] for name, both in times.items()} for side in (0, 1)),
            )
        )
    ours_s = {name: sum(m.ours_s[name] for m in measured) for name in PASSES}
    theirs_s = {name: sum(m.theirs_s[name] for m in measured) for name in PASSES}
    if theirs.finds_neighbors:
        ours_s[MAPS], theirs_s[MAPS] = _least_by_turns(
            repeats, [side.maps_seconds for side in (ours, theirs)]
        )
    return SideBySide(ours_s, theirs_s, difference, measured)


def _least_by_turns(repeats: int, works: list[Callable[[], float]]) -> list[float]:
    """Return the minimum of each measurement over several turns."""
    turns = [[work() for work in works] for _ in range(repeats)]
    return [min(times) for times in zip(*turns)]


def _difference(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Return the largest difference, relative to the largest of ours; inf if not finite."""
    shares = [
        np.nan_to_num(np.abs(a - b).max() / np.abs(a).max(), nan=np.inf)
        for a, b in zip(ours, theirs)
    ]
    return float(max(shares))


def _probes(layers: list[Convolution], levels: list[int]) -> list[tuple[SparseConvolution, int]]:
    """Return a one-channel layer and its level for each kernel map of the network."""
    maps: dict[tuple[Any, int, int], None] = dict.fromkeys(
        (type(layer.module), len(layer.module.kernel), level)
        for layer, level in zip(layers, levels)
    )
    return [
        (SubmConv3d(1, 1, kernel_edge(size)) if kind is SubmConv3d else kind(1, 1), level)
        for kind, size, level in maps
    ]


def _make_maps(
    kind: type[Library], pyramid: list[Voxels], probes: list[tuple[SparseConvolution, int]]
) -> None:
    """Compute voxels, levels and neighbors; maps are computed lazily, so each is used once."""
    opened = kind(pyramid[0], len(pyramid))
    with torch.no_grad():
        for module, level in probes:
            convolution = opened.convolution(module, level)
            convolution.run(torch.ones(len(convolution.in_rows), 1))
