"""How fast a backbone's sparse convolutions are, beside plain matrix products of their shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rescene4d_ros.models.backbones.unet import SparseUNet
from rescene4d_ros.sparse.kernel_map import KernelMap
from rescene4d_ros.sparse.modules import DownConv3d, SparseConvolution, SubmConv3d, UpConv3d
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import Tensor

# Rows of the products that give the rate: far beyond the caches, as the gathered rows are.
PRODUCT_ROWS = 65536
PASSES = ('forward', 'forward_backward')


@dataclass(frozen=True)
class Convolution:
    """
    Hold one convolution of one pass.

    Attributes
    ----------
    module : Module
    n_in : int
        Input rows.
    voxels : Voxels
    pairs : int
        Input and output rows that meet through some kernel offset.
    ci, co : int
        Channels.
    wants_input_gradient : bool
        False for the first layer.

    """

    module: SparseConvolution
    n_in: int
    voxels: Voxels
    pairs: int
    ci: int
    co: int
    wants_input_gradient: bool

    @property
    def flop(self) -> int:
        """Return the useful floating point operations of the forward pass."""
        return 2 * self.pairs * self.ci * self.co


@dataclass(frozen=True)
class Rate:
    """
    Hold one kind of pass over a whole U-Net.

    Attributes
    ----------
    flop : int
        Useful operations of all sparse convolutions.
    products_s : float, s
        What matrix products of the same channels would take for them.
    convolutions_s : float, s
        What the sparse convolutions take.
    network_s : float, s
        What the whole network takes.

    """

    flop: int
    products_s: float
    convolutions_s: float
    network_s: float

    @property
    def share(self) -> float:
        """Return the share of the products' rate that the convolutions reach."""
        return self.products_s / self.convolutions_s


def convolutions(unet: SparseUNet, feats: Tensor, voxels: Voxels) -> list[Convolution]:
    """Return the convolutions of one pass, in their order; kernel maps are made on the way."""
    found: list[Convolution] = []

    def note(module: SparseConvolution, given: tuple[Tensor, Voxels]) -> None:
        """Write down what one layer is given."""
        rows, on = given
        kmap = _kernel_map(module, on)
        _, ci, co = module.kernel.shape
        found.append(
            Convolution(
                module, len(rows), on, int((kmap.table >= 0).sum()), ci, co, rows.requires_grad
            )
        )

    hooks = [
        m.register_forward_pre_hook(note)
        for m in unet.modules()
        if isinstance(m, (SubmConv3d, DownConv3d, UpConv3d))
    ]
    try:
        with torch.enable_grad():
            unet(feats, voxels)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def measure(
    unet: SparseUNet, feats: Tensor, voxels: Voxels, repeats: int, clock: Callable[[], float]
) -> dict[str, Rate]:
    """
    Measure a U-Net, its sparse convolutions alone, and products of the same channels.

    Parameters
    ----------
    unet : SparseUNet
        Its statistics change; give one of its own.
    feats : Tensor (V, Cin), float32
    voxels : Voxels
    repeats : int
        The fastest run counts, after one to warm up.
    clock : callable
        Returns seconds; waits for the GPU where there is one.

    Returns
    -------
    dict of str to Rate
        By `PASSES`; kernel maps are made before.

    """
    layers = convolutions(unet, feats, voxels)
    return {
        name: _rate(layers, unet, feats, voxels, name == 'forward_backward', repeats, clock)
        for name in PASSES
    }


def _rate(
    layers: list[Convolution],
    unet: SparseUNet,
    feats: Tensor,
    voxels: Voxels,
    backward: bool,
    repeats: int,
    clock: Callable[[], float],
) -> Rate:
    """Measure one kind of pass."""
    shapes = [(layer.ci, layer.co, min(layer.pairs, PRODUCT_ROWS)) for layer in layers]
    per_second = {
        shape: _product_rate(*shape, backward, feats, repeats, clock) for shape in set(shapes)
    }
    flop = [layer.flop * (1 + backward * (1 + layer.wants_input_gradient)) for layer in layers]
    return Rate(
        flop=sum(flop),
        products_s=sum(n / per_second[shape] for n, shape in zip(flop, shapes)),
        convolutions_s=sum(
            least(repeats, partial(_convolve, layer, backward, feats), clock) for layer in layers
        ),
        network_s=least(repeats, lambda: _pass(unet, feats, voxels, backward), clock),
    )


def least(repeats: int, work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the shortest of some runs in seconds, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def _kernel_map(module: SparseConvolution, voxels: Voxels) -> KernelMap:
    """Return the map that a layer convolves with."""
    if isinstance(module, DownConv3d):
        return voxels.down_map()
    if isinstance(module, UpConv3d):
        return voxels.up_map()
    return voxels.subm_map(round(len(module.kernel) ** (1 / 3)))


def _pass(unet: SparseUNet, feats: Tensor, voxels: Voxels, backward: bool) -> None:
    """Run the network, and back where asked for."""
    with torch.set_grad_enabled(backward):
        out = unet(feats, voxels)[-1]
    if backward:
        out.sum().backward()


def _convolve(layer: Convolution, backward: bool, like: Tensor) -> None:
    """Run one convolution alone."""
    rows = like.new_ones(layer.n_in, layer.ci)
    rows.requires_grad_(backward and layer.wants_input_gradient)
    with torch.set_grad_enabled(backward):
        out = layer.module(rows, layer.voxels)
    if backward:
        out.backward(torch.ones_like(out))


def _product_rate(
    ci: int,
    co: int,
    n: int,
    backward: bool,
    like: Tensor,
    repeats: int,
    clock: Callable[[], float],
) -> float:
    """Return operations per second of plain products (n, ci) (ci, co), and of their gradients."""
    x, w, grad = like.new_ones(n, ci), like.new_ones(ci, co), like.new_ones(n, co)
    seconds = least(repeats, lambda: torch.mm(x, w), clock)
    if not backward:
        return 2 * n * ci * co / seconds
    seconds += least(repeats, lambda: torch.mm(grad, w.t()), clock)
    seconds += least(repeats, lambda: torch.mm(x.t(), grad), clock)
    return 6 * n * ci * co / seconds
