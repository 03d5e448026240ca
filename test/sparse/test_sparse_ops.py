"""Sparse convolution against dense torch convolution, finite differences and itself."""

from __future__ import annotations

import pytest
from rescene4d_ros.sparse import gather_conv
from rescene4d_ros.sparse.convolutions import (
    avg_pool,
    down_conv,
    DownConv3d,
    kernel_from_spconv,
    max_pool,
    subm_conv,
    SubmConv3d,
    up_conv,
    UpConv3d,
)
from rescene4d_ros.sparse.kernel_map import KernelMap
from rescene4d_ros.sparse.voxels import Voxels
import torch
import torch.nn.functional as F

SIDE = 8


def random_voxels(n: int = 250, visits: int = 2, seed: int = 0) -> Voxels:
    """Return random voxels of two visits in a cube around the origin."""
    g = torch.Generator().manual_seed(seed)
    coords = torch.randint(-SIDE // 2, SIDE // 2, (n, 4), generator=g)
    coords[:, 0] = torch.randint(0, visits, (n,), generator=g)
    coords = torch.unique(coords, dim=0)
    return Voxels.build(coords[torch.randperm(len(coords), generator=g)])


def random_tensor(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def to_dense(feats: torch.Tensor, coords: torch.Tensor, half: int) -> torch.Tensor:
    """Scatter sparse rows into a volume [visit, channel, x, y, z]."""
    volume = feats.new_zeros(2, 2 * half, 2 * half, 2 * half, feats.shape[1])
    c = coords.clone()
    c[:, 1:] += half
    volume = volume.index_put(tuple(c.t()), feats)
    return volume.permute(0, 4, 1, 2, 3)


def from_dense(volume: torch.Tensor, coords: torch.Tensor, half: int) -> torch.Tensor:
    c = coords.clone()
    c[:, 1:] += half
    return volume.permute(0, 2, 3, 4, 1)[tuple(c.t())]


def dense_weight(weight: torch.Tensor) -> torch.Tensor:
    """Turn [K, Ci, Co], x fastest, into torch's [Co, Ci, x, y, z]."""
    n = round(len(weight) ** (1 / 3))
    return weight.view(n, n, n, *weight.shape[1:]).permute(4, 3, 2, 1, 0)


def check_against(sparse, dense, feats, weight):
    """Compare the values and both gradients of two implementations of one function."""
    results = []
    for function in (sparse, dense):
        x, w = feats.clone().requires_grad_(), weight.clone().requires_grad_()
        y = function(x, w)
        y.backward(random_tensor(*y.shape, seed=9))
        results.append((y.detach(), x.grad, w.grad))
    for ours, theirs in zip(*results):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_subm_conv_equals_dense(kernel_size):
    voxels = random_voxels()
    feats = random_tensor(len(voxels), 3)
    weight = random_tensor(kernel_size**3, 3, 4, seed=2)
    half = SIDE // 2

    def dense(x, w):
        y = F.conv3d(to_dense(x, voxels.coords, half), dense_weight(w), padding=kernel_size // 2)
        return from_dense(y, voxels.coords, half)

    check_against(lambda x, w: subm_conv(x, w, voxels), dense, feats, weight)


def test_down_conv_equals_dense():
    voxels = random_voxels()
    feats, weight = random_tensor(len(voxels), 3), random_tensor(8, 3, 4, seed=2)

    def dense(x, w):
        y = F.conv3d(to_dense(x, voxels.coords, SIDE // 2), dense_weight(w), stride=2)
        return from_dense(y, voxels.down().coords, SIDE // 4)

    check_against(lambda x, w: down_conv(x, w, voxels), dense, feats, weight)


def test_up_conv_equals_dense():
    voxels = random_voxels()
    feats, weight = random_tensor(len(voxels.down()), 3), random_tensor(8, 3, 4, seed=2)

    def dense(x, w):
        volume = to_dense(x, voxels.down().coords, SIDE // 4)
        y = F.conv_transpose3d(volume, dense_weight(w).transpose(0, 1), stride=2)
        return from_dense(y, voxels.coords, SIDE // 2)

    check_against(lambda x, w: up_conv(x, w, voxels), dense, feats, weight)


def test_avg_pool_divides_by_present_children():
    voxels = random_voxels()
    feats = random_tensor(len(voxels), 3)

    def dense(x, w):
        coarse = voxels.down().coords
        total = F.avg_pool3d(to_dense(x, voxels.coords, SIDE // 2), 2)
        share = F.avg_pool3d(to_dense(torch.ones_like(x), voxels.coords, SIDE // 2), 2)
        return from_dense(total, coarse, SIDE // 4) / from_dense(share, coarse, SIDE // 4) * w

    check_against(lambda x, w: avg_pool(x, voxels) * w, dense, feats, random_tensor(3))


def test_max_pool_takes_the_largest_present_child():
    voxels = random_voxels()
    feats = random_tensor(len(voxels), 3)

    def dense(x, w):
        here = to_dense(torch.ones_like(x), voxels.coords, SIDE // 2) > 0
        volume = to_dense(x, voxels.coords, SIDE // 2).masked_fill(~here, -torch.inf)
        return from_dense(F.max_pool3d(volume, 2), voxels.down().coords, SIDE // 4) * w

    check_against(lambda x, w: max_pool(x, voxels) * w, dense, feats, random_tensor(3))


def test_spconv_kernel_means_the_same_convolution():
    """Its weight is a dense kernel with the output channel first and the input channel last."""
    voxels = random_voxels()
    feats, weight = random_tensor(len(voxels), 3), random_tensor(4, 3, 3, 3, 3, seed=2)
    half = SIDE // 2

    def dense(x, w):
        y = F.conv3d(to_dense(x, voxels.coords, half), w.permute(0, 4, 1, 2, 3), padding=1)
        return from_dense(y, voxels.coords, half)

    check_against(lambda x, w: subm_conv(x, kernel_from_spconv(w), voxels), dense, feats, weight)


def test_gradients_match_finite_differences():
    voxels = random_voxels(40)
    x = random_tensor(len(voxels), 2).requires_grad_()
    coarse = random_tensor(len(voxels.down()), 2).requires_grad_()
    w27 = random_tensor(27, 2, 3, seed=3).requires_grad_()
    w8 = random_tensor(8, 2, 3, seed=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: subm_conv(a, b, voxels), (x, w27))
    assert torch.autograd.gradcheck(lambda a, b: down_conv(a, b, voxels), (x, w8))
    assert torch.autograd.gradcheck(lambda a, b: up_conv(a, b, voxels), (coarse, w8))
    assert torch.autograd.gradcheck(lambda a: avg_pool(a, voxels), (x,))
    rows = torch.arange(len(voxels)) * 3 % 5
    table = x[:5].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda a: avg_pool(a, voxels, rows), (table,))
    assert torch.equal(avg_pool(table, voxels, rows), avg_pool(table[rows], voxels))
    assert torch.autograd.gradcheck(lambda a: max_pool(a, voxels), (x,))


@pytest.mark.parametrize('name', ['subm', 'down', 'up'])
@pytest.mark.parametrize('tile_rows', [7, 64])
def test_cpu_and_gpu_formulations_agree_for_any_tile_size(name, tile_rows, monkeypatch):
    monkeypatch.setattr(gather_conv, 'CHUNK_BYTES', 10_000)
    voxels = random_voxels()
    kmap = {'subm': voxels.subm_map, 'down': voxels.down_map, 'up': voxels.up_map}[name]()
    back = {'subm': voxels.subm_map, 'down': voxels.up_map, 'up': voxels.down_map}[name]()
    tiled = KernelMap(kmap.table, kmap.n_in, kmap.identity, tile_rows)
    tiled_back = KernelMap(back.table, back.n_in, back.identity, tile_rows)
    x = random_tensor(kmap.n_in, 3)
    weight = random_tensor(len(kmap.table), 3, 4, seed=2)
    y = gather_conv.convolve_by_tiles(x, weight, tiled)
    torch.testing.assert_close(y, gather_conv.convolve_by_chunks(x, weight, kmap))
    grad = random_tensor(*y.shape, seed=5)
    ours = gather_conv.gradients_by_tiles(grad, x, weight, tiled_back, name == 'subm', True)
    theirs = gather_conv.gradients_by_chunks(grad, x, weight, back, name == 'subm', True)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.skipif(
    not gather_conv._has_onednn(), reason='oneDNN multiplies with AVX-512 only, torch.mm elsewhere'
)
@pytest.mark.parametrize('rows', [gather_conv.ROW_STEP * 3, 321])
def test_products_by_onednn_equal_those_of_torch(rows, monkeypatch):
    """Large float32 products, with full and with padded numbers of rows, forward and back."""
    table = torch.arange(rows, dtype=torch.int32).repeat(3, 1)
    table[0, 1::7] = -1  # so that offsets have different numbers of rows
    kmap = KernelMap(table, rows, identity=1)
    x = random_tensor(rows, 96).float()
    weight = random_tensor(3, 96, 128, seed=2).float()
    grad = random_tensor(rows, 128, seed=3).float()

    def both():
        y = gather_conv.convolve_by_tiles(x, weight, kmap)
        return y, *gather_conv.gradients_by_tiles(grad, x, weight, kmap, True, True)

    fast = both()
    monkeypatch.setattr(gather_conv, '_has_onednn', lambda: False)
    for ours, theirs in zip(fast, both(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
        assert (ours - theirs).norm() < 1e-6 * theirs.norm()
    threads = torch.get_num_threads()
    monkeypatch.undo()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert all(map(torch.equal, both(), fast)), 'the bits depend on the number of threads'
    finally:
        torch.set_num_threads(threads)


def test_modules_are_deterministic_and_ignore_the_order_of_points():
    torch.manual_seed(0)
    voxels = random_voxels(400)
    layers = SubmConv3d(3, 8), DownConv3d(8, 16, bias=True), UpConv3d(16, 4, bias=True)
    given = torch.empty_like(voxels.coords)
    given[voxels.order] = voxels.coords
    feats = torch.randn(len(voxels), 3)

    def run(rows):
        v = Voxels.build(given[rows])
        x = layers[0](v.sort(feats[rows]), v)
        return v.unsort(layers[2](layers[1](x, v), v))

    straight = run(torch.arange(len(voxels)))
    shuffled = torch.randperm(len(voxels))
    assert torch.equal(run(torch.arange(len(voxels))), straight)
    assert torch.equal(run(shuffled), straight[shuffled])


def test_wrong_shapes_are_named():
    voxels = random_voxels(30)
    with pytest.raises(ValueError, match='expected features'):
        subm_conv(torch.zeros(len(voxels), 4), torch.zeros(27, 3, 2), voxels)


@pytest.mark.parametrize(
    'make',
    [
        lambda: SubmConv3d(2, 3, 1, bias=True),
        lambda: SubmConv3d(2, 3, 5),
        lambda: DownConv3d(2, 3, bias=True),
        lambda: UpConv3d(2, 3, bias=True),
    ],
    ids=['1^3', '5^3', 'down', 'up'],
)
def test_gradients_of_layers_match_finite_differences(make):
    """Of features, kernels of the other sizes, and biases."""
    voxels = random_voxels(25)
    layer = make().double()
    rows = voxels.down() if isinstance(layer, UpConv3d) else voxels
    x = random_tensor(len(rows), 2).requires_grad_()
    parameters = {
        name: random_tensor(*p.shape, seed=6).requires_grad_()
        for name, p in layer.named_parameters()
    }

    def run(feats, *values):
        own = dict(zip(parameters, values))
        return torch.func.functional_call(layer, own, (feats, voxels))

    assert torch.autograd.gradcheck(run, (x, *parameters.values()))


@pytest.mark.parametrize('name', ['subm', 'down', 'up'])
def test_gpu_formulation_matches_finite_differences(name):
    """Its gradients, like those of the CPU's, are written by hand."""
    voxels = random_voxels(25)
    kmap = {'subm': voxels.subm_map, 'down': voxels.down_map, 'up': voxels.up_map}[name]()
    back = {'subm': voxels.subm_map, 'down': voxels.up_map, 'up': voxels.down_map}[name]()
    x, weight = random_tensor(kmap.n_in, 2), random_tensor(len(kmap.table), 2, 3, seed=2)
    grad = random_tensor(kmap.n_out, 3, seed=5)
    for given, found in zip(
        (x, weight), gather_conv.gradients_by_chunks(grad, x, weight, back, name == 'subm', True)
    ):
        step = random_tensor(*given.shape, seed=7) * 1e-6
        given += step
        above = (gather_conv.convolve_by_chunks(x, weight, kmap) * grad).sum()
        given -= 2 * step
        below = (gather_conv.convolve_by_chunks(x, weight, kmap) * grad).sum()
        given += step
        torch.testing.assert_close(
            (above - below) / 2, (found * step).sum(), rtol=1e-6, atol=1e-13
        )
