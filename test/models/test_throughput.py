"""The comparison of sparse convolutions with plain products: what it counts, with a clock."""

from itertools import count

from rescene4d_ros.cli.bench import throughput
from rescene4d_ros.cli.bench.throughput import convolutions, measure
from rescene4d_ros.models.backbones.unet import PRESETS, SparseUNet
from rescene4d_ros.sparse.voxels import Voxels
import torch

torch.set_num_threads(1)


def make(n=200):
    """Return a tiny U-Net, voxels and features."""
    g = torch.Generator().manual_seed(0)
    coords = torch.randint(0, 9, (n, 4), generator=g)
    coords[:, 0] = 0
    coords[::2, 1] += 32  # two voxels at the coarsest level, so that they have a variance
    voxels = Voxels.build(torch.unique(coords, dim=0))
    return SparseUNet(11, PRESETS['tiny']), voxels, torch.ones(len(voxels), 11)


def occupied_pairs(coords, kernel):
    """Count pairs of voxels that a kernel of odd size joins, one by one."""
    cells, r = {tuple(c) for c in coords[:, 1:].tolist()}, kernel // 2
    steps = range(-r, r + 1)
    return sum(
        (x + i, y + j, z + k) in cells
        for x, y, z in cells
        for i in steps
        for j in steps
        for k in steps
    )


def test_every_convolution_is_counted_with_its_pairs():
    unet, voxels, feats = make()
    found = convolutions(unet, feats, voxels)
    assert len(found) == 1 + 4 + 4 + 2 * 8
    assert [c.wants_input_gradient for c in found] == [False] + [True] * 24
    assert (found[0].ci, found[0].co, found[0].n_in) == (11, 8, len(voxels))
    assert found[0].pairs == occupied_pairs(voxels.coords, 3)
    assert found[1].pairs == len(voxels)  # each voxel has one parent
    assert found[2].pairs == occupied_pairs(voxels.down().coords, 3)
    assert found[0].flop == 2 * found[0].pairs * 11 * 8


def test_rates_follow_from_counts_when_all_takes_one_second(monkeypatch):
    """With a clock that ticks once per question, every piece of work takes one second."""
    monkeypatch.setattr(throughput, 'PRODUCT_ROWS', 50)
    unet, voxels, feats = make()
    layers = convolutions(unet, feats, voxels)
    rates = measure(unet, feats, voxels, 2, count().__next__)
    forward, both = rates['forward'], rates['forward_backward']
    assert forward.flop == sum(c.flop for c in layers)
    assert both.flop == 3 * forward.flop - layers[0].flop  # nobody asks for the input's gradient
    assert forward.convolutions_s == both.convolutions_s == len(layers)
    assert forward.network_s == both.network_s == 1
    seconds = sum(c.pairs / min(c.pairs, 50) for c in layers)
    assert abs(forward.products_s - seconds) < 1e-9
    assert abs(forward.share - seconds / len(layers)) < 1e-9
    # Three products take three seconds for three times the work, which the stem has not.
    assert abs(both.products_s - (3 * seconds - layers[0].pairs / 50)) < 1e-9
