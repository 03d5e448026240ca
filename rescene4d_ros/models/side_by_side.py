"""The sparse convolutions of a whole U-Net beside those of another library, layer by layer."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rescene4d_ros.models.throughput import Convolution, least_of_each, PASSES
from rescene4d_ros.sparse import SubmConv3d, Voxels
from rescene4d_ros.sparse.library_interface import (
    kernel_edge,
    Library,
    LibraryConvolution,
    Native,
)
import torch
from torch import nn, Tensor

MAPS = 'kernel_maps'


@dataclass(frozen=True)
class LayerSideBySide:
    """
    Hold what one convolution takes in ours and in another library.

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
    Hold what all convolutions of a U-Net take, by turns in ours and in another library.

    Attributes
    ----------
    ours_s, theirs_s : dict of str to float, s
        By `MAPS` and `PASSES`: finding voxels and neighbors anew, then all layers on them.
        `MAPS` is missing where the library takes ours.
    difference : float
        Of features and gradients of any layer, over the largest of ours; inf where not finite.
    layers : list of LayerSideBySide
        In the order of the pass.

    """

    ours_s: dict[str, float]
    theirs_s: dict[str, float]
    difference: float
    layers: list[LayerSideBySide]

    @property
    def ratios(self) -> dict[str, float]:
        """Return how many times as long the library takes."""
        return {name: seconds / self.ours_s[name] for name, seconds in self.theirs_s.items()}


def side_by_side(layers: list[Convolution], library: type[Library], repeats: int,
                 generator: torch.Generator, clock: Callable[[], float]) -> SideBySide:
    """
    Measure a library on the layers of a U-Net.

    Parameters
    ----------
    layers : list of Convolution
        Of one pass of a U-Net, which begins at the finest level and reaches all; CPU.
    library : type
        One of `sparse.libraries.LIBRARIES`.
    repeats : int
        The fastest run counts, after one to warm up; ours and theirs by turns.
    generator : Generator
        Draws the features whose results are compared.
    clock : callable
        Returns seconds.

    Raises
    ------
    ImportError
        The library is not there, or does not start; the message says why.

    """
    pyramid = list(dict.fromkeys(layer.voxels for layer in layers))
    levels = [pyramid.index(layer.voxels) for layer in layers]
    ours, theirs = (kind(pyramid[0], len(pyramid)) for kind in (Native, library))
    measured, difference = [], 0.0
    for layer, level in zip(layers, levels):
        pair = [each.convolution(layer.module, level) for each in (ours, theirs)]
        difference = max(difference, _difference(*pair, layer, generator))
        seconds = {name: least_of_each(
            repeats, [_work(each, layer, name == 'forward_backward') for each in pair], clock)
            for name in PASSES}
        measured.append(LayerSideBySide(type(layer.module).__name__, layer.n_in, layer.ci,
                                        layer.co, *({name: times[k] for name, times in
                                                     seconds.items()} for k in (0, 1))))
    ours_s = {name: sum(m.ours_s[name] for m in measured) for name in PASSES}
    theirs_s = {name: sum(m.theirs_s[name] for m in measured) for name in PASSES}
    if library.finds_neighbors:
        probes = _probes(layers, levels)
        works = [partial(_make_maps, kind, pyramid, probes) for kind in (Native, library)]
        ours_s[MAPS], theirs_s[MAPS] = least_of_each(repeats, works, clock)
    return SideBySide(ours_s, theirs_s, difference, measured)


def _work(convolution: LibraryConvolution, layer: Convolution, backward: bool
          ) -> Callable[[], None]:
    """Return one convolution, and its gradients where asked for, as something to time."""
    rows = torch.ones(layer.n_in, layer.ci)
    rows.requires_grad_(backward and layer.wants_input_gradient)
    wanted = [t for t in (convolution.weight, rows) if t.requires_grad]
    grads = torch.ones(len(convolution.out_rows), layer.co)

    def run() -> None:
        """Convolve."""
        with torch.set_grad_enabled(backward):
            out = convolution.run(rows)
        if backward:
            torch.autograd.grad(out, wanted, grads)
    return run


def _difference(ours: LibraryConvolution, theirs: LibraryConvolution, layer: Convolution,
                generator: torch.Generator) -> float:
    """Return the largest difference of features and gradients, over the largest of ours."""
    feats = torch.randn(layer.n_in, layer.ci, generator=generator)
    grads = torch.randn(len(ours.out_rows), layer.co, generator=generator)
    pairs = zip(*(_results(each, feats, grads) for each in (ours, theirs)))
    shares = [((a - b).abs().max() / a.abs().max()).nan_to_num(nan=torch.inf) for a, b in pairs]
    return float(max(shares))


def _results(convolution: LibraryConvolution, feats: Tensor, grads: Tensor) -> list[Tensor]:
    """Return features, their gradients and the kernel's, with our rows and our layout."""
    rows = feats[convolution.in_rows].requires_grad_()
    out = convolution.run(rows)
    grad_rows, grad_weight = torch.autograd.grad(out, (rows, convolution.weight),
                                                 grads[convolution.out_rows])
    return [torch.empty_like(out).index_copy(0, convolution.out_rows, out.detach()),
            torch.empty_like(feats).index_copy(0, convolution.in_rows, grad_rows),
            convolution.to_kernel(grad_weight)]


def _probes(layers: list[Convolution], levels: list[int]) -> list[tuple[nn.Module, int]]:
    """Return one layer of one channel, and its level, for each kernel map of the network."""
    maps = dict.fromkeys((type(layer.module), len(layer.module.kernel), level)
                         for layer, level in zip(layers, levels))
    return [(SubmConv3d(1, 1, kernel_edge(size)) if kind is SubmConv3d else kind(1, 1), level)
            for kind, size, level in maps]


def _make_maps(kind: type[Library], pyramid: list[Voxels], probes: list[tuple[nn.Module, int]]
               ) -> None:
    """Find voxels, levels and neighbors anew; every map is used once, as it is made then."""
    opened = kind(pyramid[0], len(pyramid))
    with torch.no_grad():
        for module, level in probes:
            convolution = opened.convolution(module, level)
            convolution.run(torch.ones(len(convolution.in_rows), 1))
