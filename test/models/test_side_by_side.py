"""The comparison with other libraries: what it adds up, and that wrong results do not pass."""

from dataclasses import replace
from itertools import count

from rescene4d_ros.cli.bench.library_interface import Native
from rescene4d_ros.cli.bench.side_by_side import MAPS, side_by_side, SideHere
from rescene4d_ros.cli.bench.throughput import convolutions, PASSES
from rescene4d_ros.models.backbones.unet import PRESETS, SparseUNet
from rescene4d_ros.sparse.voxels import Voxels
import torch

torch.set_num_threads(1)

N_MAPS = 5 + 4 + 4  # neighbors on five levels, four steps down, four up


class Counting(Native):
    """Ours, counted: what is asked of all libraries of this kind."""

    runs = 0

    def convolution(self, module, level):
        """Return ours; each run is one more."""
        made = super().convolution(module, level)

        def run(feats):
            type(self).runs += 1
            return made.run(feats)

        return replace(made, run=run)


class Twice(Counting):
    """Does all the work twice, and finds no neighbors."""

    finds_neighbors = False

    def convolution(self, module, level):
        """Run twice."""
        made = super().convolution(module, level)
        return replace(made, run=lambda feats: made.run(feats) * 0 + made.run(feats))


class Mirrored(Native):
    """Reads kernels backward, as a library with another order of offsets would."""

    def convolution(self, module, level):
        """Return ours with the kernel's offsets turned around."""
        turned = type(module)(*module.kernel.shape[1:])
        turned.kernel.data = module.kernel.data.flip(0)
        return replace(super().convolution(turned, level), to_kernel=lambda w: w.flip(0))


class NotANumber(Native):
    """Leaves one value undefined."""

    def convolution(self, module, level):
        """Return ours, divided by zero somewhere."""
        made = super().convolution(module, level)
        return replace(
            made, run=lambda feats: made.run(feats).index_fill(0, torch.tensor([0]), torch.nan)
        )


def layers():
    """Return the convolutions of a tiny U-Net."""
    g = torch.Generator().manual_seed(0)
    coords = torch.randint(0, 9, (200, 4), generator=g)
    coords[:, 0] = 0
    coords[::2, 1] += 32  # two voxels at the coarsest level, so that they have a variance
    voxels = Voxels.build(torch.unique(coords, dim=0))
    return convolutions(SparseUNet(11, PRESETS['tiny']), torch.ones(len(voxels), 11), voxels)


def compare(library, clock=None):
    clock, made = clock or count().__next__, layers()
    return side_by_side(made, SideHere(Native, made, clock), SideHere(library, made, clock), 1)


def test_ours_beside_ours_is_equal_and_as_fast():
    """With a clock that ticks once per question, every piece of work takes one second."""
    found = compare(Native)
    assert found.difference == 0
    assert found.ours_s == found.theirs_s == {MAPS: 1, **dict.fromkeys(PASSES, 25)}
    assert found.ratios == {MAPS: 1, **dict.fromkeys(PASSES, 1)}
    assert [(each.kind, each.n_in) for each in found.layers] == [
        (type(layer.module).__name__, layer.n_in) for layer in layers()
    ]
    assert all(each.ours_s == each.theirs_s == dict.fromkeys(PASSES, 1) for each in found.layers)


def test_time_is_that_of_the_library(monkeypatch):
    """With a clock that counts its convolutions, ours take none and its own one each, or two."""
    monkeypatch.setattr(Counting, 'runs', 0)
    found = compare(Counting, lambda: Counting.runs)
    assert found.ours_s == {MAPS: 0, **dict.fromkeys(PASSES, 0)}
    assert found.theirs_s == {MAPS: N_MAPS, **dict.fromkeys(PASSES, 25)}
    monkeypatch.setattr(Twice, 'runs', 0, raising=False)
    found = compare(Twice, lambda: Twice.runs)
    assert found.theirs_s == dict.fromkeys(PASSES, 50)
    assert found.difference == 0


def test_wrong_results_are_told():
    assert compare(Mirrored).difference > 0.1
    assert compare(NotANumber).difference == torch.inf
