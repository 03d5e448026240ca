"""Other libraries' convolutions: layouts, rows and maps; the libraries where they are."""

from __future__ import annotations

import sys

import pytest
from rescene4d_ros.cli.bench.library_interface import Native, our_rows
from rescene4d_ros.cli.bench.sparse_libraries import LIBRARIES
from rescene4d_ros.sparse import torchsparse_backend
from rescene4d_ros.sparse.convolutions import (
    DownConv3d,
    kernel_from_spconv,
    kernel_to_spconv,
    SubmConv3d,
    UpConv3d,
)
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch.nn import functional

torch.set_num_threads(1)  # spconv's sums race with more

N_LEVELS = 3
LAYERS = [
    (SubmConv3d(3, 5), 0),
    (SubmConv3d(3, 5, 5), 0),
    (DownConv3d(3, 5), 0),
    (SubmConv3d(3, 5), 1),
    (DownConv3d(3, 5), 1),
    (SubmConv3d(3, 5), 2),
    (UpConv3d(3, 5), 1),
    (UpConv3d(3, 5), 0),
]


def random_voxels(n=400) -> Voxels:
    """Return voxels of two visits on both sides of zero, odd at the ends."""
    g = torch.Generator().manual_seed(0)
    coords = torch.randint(-7, 8, (n, 4), generator=g)
    coords[:, 0] = torch.randint(0, 2, (n,), generator=g)
    return Voxels.build(torch.unique(coords, dim=0))


def opened(name, voxels):
    """Return the library on these voxels, or skip the test and say why."""
    try:
        return LIBRARIES[name](voxels, N_LEVELS)
    except ImportError as error:
        pytest.skip(str(error))


def results(library, module, level, feats, grads):
    """Return features, their gradients and the kernel's, in our rows and our layout."""
    convolution = library.convolution(module, level)
    rows = feats[convolution.in_rows].requires_grad_()
    out = convolution.run(rows)
    out.backward(grads[convolution.out_rows])
    return (
        out.detach()[convolution.out_rows.argsort()],
        rows.grad[convolution.in_rows.argsort()],
        convolution.to_kernel(convolution.weight.grad).clone(),
    )


@pytest.mark.parametrize('name', LIBRARIES)
def test_library_equals_ours(name):
    """Features and gradients of every kind of layer on every level it joins."""
    voxels = random_voxels()
    ours, theirs = Native(voxels, N_LEVELS), opened(name, voxels)
    pyramid = [voxels, voxels.down(), voxels.down().down()]
    g = torch.Generator().manual_seed(1)
    for module, level in LAYERS:
        module.zero_grad()
        feats, grads = (
            torch.randn(len(pyramid[level + isinstance(module, kind)]), c, generator=g)
            for kind, c in ((UpConv3d, 3), (DownConv3d, 5))
        )
        for a, b in zip(
            results(ours, module, level, feats, grads),
            results(theirs, module, level, feats, grads),
        ):
            torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('name', LIBRARIES)
def test_missing_library_is_named(name, monkeypatch):
    for module in [m for m in sys.modules if m.split('.')[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)  # as if not installed
    torchsparse_backend.torchsparse.cache_clear()
    with pytest.raises(ImportError, match=f'expected.* {name}.*install|build'):
        LIBRARIES[name](random_voxels(9), N_LEVELS)
    torchsparse_backend.torchsparse.cache_clear()


def test_kernel_in_spconvs_layout_means_the_same():
    """It is the dense weight of torch with its channels elsewhere; and back."""
    kernel = torch.randn(27, 3, 5, generator=torch.Generator().manual_seed(0))
    weight = kernel_to_spconv(kernel)
    assert torch.equal(kernel_from_spconv(weight), kernel)
    voxels = random_voxels()
    feats = torch.randn(len(voxels), 3, generator=torch.Generator().manual_seed(1))
    volume = torch.zeros(2, 15, 15, 15, 3)
    cells = (voxels.coords + torch.tensor([0, 7, 7, 7])).unbind(1)
    volume[cells] = feats
    dense = functional.conv3d(
        volume.permute(0, 4, 1, 2, 3), weight.permute(0, 4, 1, 2, 3), padding=1
    ).permute(0, 2, 3, 4, 1)[cells]
    module = SubmConv3d(3, 5)
    module.kernel.data = kernel
    torch.testing.assert_close(module(feats, voxels), dense, rtol=1e-4, atol=1e-4)


def test_pairs_of_a_kernel_map_are_those_of_its_table():
    voxels = random_voxels()
    for kmap in (voxels.subm_map(3), voxels.down_map(), voxels.up_map()):
        pairs, counts = kmap.pairs()
        expected = [
            (kmap.table[k, o].item(), o)
            for k in range(len(kmap.table))
            for o in range(kmap.n_out)
            if kmap.table[k, o] >= 0
        ]
        assert pairs.tolist() == [list(pair) for pair in expected]
        assert counts.tolist() == (kmap.table >= 0).sum(1).tolist()


def test_other_voxels_than_ours_are_noticed():
    """A library of another version may drop or add voxels; that must not pass as a speed."""
    voxels = random_voxels()
    shifted = voxels.coords + torch.tensor([0, 16, 16, 16])
    order = torch.randperm(len(voxels), generator=torch.Generator().manual_seed(0))
    assert torch.equal(our_rows(voxels, [shifted[order]])[0], order)
    for wrong in (
        shifted[1:],
        torch.cat((shifted[:-1], shifted[-1:] + 1)),
        torch.cat((shifted[:-1], shifted[:1])),
    ):
        with pytest.raises(RuntimeError, match='expected our'):
            our_rows(voxels, [wrong])
