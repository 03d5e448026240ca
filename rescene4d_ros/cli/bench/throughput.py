"""Rate of a backbone's sparse convolutions, relative to matrix products of the same channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rescene4d_ros.models.backbones.unet import SparseUNet
from rescene4d_ros.sparse.convolutions import DownConv3d, SparseConvolution, SubmConv3d, UpConv3d
from rescene4d_ros.sparse.kernel_map import KernelMap
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import Tensor
from torch.utils.benchmark import Timer

# Rows of the reference products: far larger than the caches, as gathered rows are.
PRODUCT_ROWS = 65536
PASSES = ('forward', 'forward_backward')


@dataclass(frozen=True)
class Convolution:
    """
    One convolution of one pass.

    Attributes
    ----------
    module : Module
    n_in : int
        Input rows.
    voxels : Voxels
    pairs : int
        Pairs of input and output rows over all kernel offsets.
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
    One kind of pass over a whole U-Net.

    Attributes
    ----------
    flop : int
        Useful operations of all sparse convolutions.
    products_s : float, s
        Time of matrix products of the same channels.
    convolutions_s : float, s
        Time of the sparse convolutions.
    network_s : float, s
        Time of the whole network.

    """

    flop: int
    products_s: float
    convolutions_s: float
    network_s: float

    @property
    def share(self) -> float:
        """Return the rate of the convolutions as a share of that of matrix products."""
        return self.products_s / self.convolutions_s


def convolutions(unet: SparseUNet, feats: Tensor, voxels: Voxels) -> list[Convolution]:
    """Return the convolutions of one pass in order; computes the kernel maps."""
    found: list[Convolution] = []

    def note(module: SparseConvolution, given: tuple[Tensor, Voxels]) -> None:
        """Record the input of one layer."""
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
        Its running statistics change; pass a copy.
    feats : Tensor (V, Cin), float32
    voxels : Voxels
    repeats : int
        The fastest run counts, after a warm-up run.
    clock : callable
        Returns seconds; waits for the GPU if there is one.

    Returns
    -------
    dict of str to Rate
        By `PASSES`; without kernel maps.

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
    """Return the shortest of some runs in seconds, each after two to warm up."""
    timer = Timer(
        'work()', globals={'work': work}, timer=clock, num_threads=torch.get_num_threads()
    )
    return min(timer.timeit(1).mean for _ in range(repeats))


def _kernel_map(module: SparseConvolution, voxels: Voxels) -> KernelMap:
    """Return the kernel map of a layer."""
    if isinstance(module, DownConv3d):
        return voxels.down_map()
    if isinstance(module, UpConv3d):
        return voxels.up_map()
    return voxels.subm_map(round(len(module.kernel) ** (1 / 3)))


def _pass(unet: SparseUNet, feats: Tensor, voxels: Voxels, backward: bool) -> None:
    """Run the network, optionally with gradients."""
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
    """Return operations per second of matrix products (n, ci) (ci, co), and of their gradients."""
    x, w, grad = like.new_ones(n, ci), like.new_ones(ci, co), like.new_ones(n, co)
    seconds = least(repeats, lambda: torch.mm(x, w), clock)
    if not backward:
        return 2 * n * ci * co / seconds
    seconds += least(repeats, lambda: torch.mm(grad, w.t()), clock)
    seconds += least(repeats, lambda: torch.mm(x.t(), grad), clock)
    return 6 * n * ci * co / seconds
