"""The torchsparse adapter: against the real one where it is, else against its documented rules."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from rescene4d_ros.sparse import convolutions, torchsparse_backend
from rescene4d_ros.sparse.convolutions import choose_backend
from rescene4d_ros.sparse.torchsparse_backend import ALIGNMENT, EVEN_KERNEL_ORDER, padded_range
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch.nn import functional

torch.set_num_threads(1)


def missing() -> str:
    """Return why the real one cannot run here, or ''."""
    if not torch.cuda.is_available():
        return 'torchsparse 2.1 needs a CUDA device, there is none'
    try:
        torchsparse_backend.torchsparse()
    except ImportError as error:
        return str(error)
    return ''


def random_voxels(low=-9, high=12, n=300, visits=3) -> Voxels:
    g = torch.Generator().manual_seed(0)
    coords = torch.randint(low, high, (n, 4), generator=g)
    coords[:, 0] = torch.randint(0, visits, (n,), generator=g)
    return Voxels.build(torch.unique(coords, dim=0))


def random_tensor(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class SparseTensor:
    """What torchsparse 2.1 documents: features first, batch index first, caches that travel."""

    def __init__(self, feats, coords, stride=1, spatial_range=None):
        assert coords.dtype == torch.int32
        self.feats, self.coords, self.spatial_range = feats, coords, spatial_range
        self.stride = (stride,) * 3 if isinstance(stride, int) else stride
        self._caches = SimpleNamespace(kmaps={}, cmaps={}, made=0)


def conv3d(x, weight, kernel_size, stride=1, padding=0, transposed=False, training=False):
    """
    Convolve by the rules of torchsparse 2.1, on volumes.

    Coordinates are divided by the stride; voxels that are negative or outside of the range get
    no parent; odd kernels run over their offsets with x fastest, even ones with z fastest; coarse
    voxels come in an order of its own; the transposed map must have been made before.
    """
    n = kernel_size
    w = weight.view(n, n, n, *weight.shape[1:])
    w = w.permute(4, 3, 2, 1, 0) if n % 2 else w.permute(4, 3, 0, 1, 2)
    volume = x.feats.new_zeros(*x.spatial_range, x.feats.shape[1])
    assert x.coords.amin() >= 0
    volume = volume.index_put(tuple(x.coords.long().T), x.feats).permute(0, 4, 1, 2, 3)
    key = (x.stride, n, stride)
    if transposed:
        fine = tuple(s // stride for s in x.stride)
        assert x._caches.kmaps[fine, n, stride] == training, 'a map without backward pass'
        coords, spatial_range = x._caches.cmaps[fine]
        y, new_stride = functional.conv_transpose3d(volume, w.transpose(0, 1), stride=2), fine
    else:
        x._caches.made += key not in x._caches.kmaps
        assert x._caches.kmaps.setdefault(key, training) == training, 'a map without backward pass'
        spatial_range = (
            x.spatial_range[0],
            *((s + 2 * padding - n) // stride + 1 for s in x.spatial_range[1:]),
        )
        coords, new_stride = x.coords, tuple(s * stride for s in x.stride)
        if stride == 2:
            scale = torch.tensor([1, 2, 2, 2])
            coords = torch.unique(x.coords // scale, dim=0)
            coords = coords[(coords < torch.tensor(spatial_range)).all(1)].int().flip(0)
        y = functional.conv3d(volume, w, stride=stride, padding=padding)
    made = SparseTensor(
        y.permute(0, 2, 3, 4, 1)[tuple(coords.long().T)], coords, new_stride, spatial_range
    )
    made._caches = x._caches
    made._caches.cmaps.setdefault(new_stride, (coords, spatial_range))
    return made


@pytest.fixture
def by_its_rules(monkeypatch):
    """Put a module that keeps torchsparse's documented rules in its place."""
    module, nn, rules = (
        ModuleType(name) for name in ('torchsparse', 'torchsparse.nn', 'torchsparse.nn.functional')
    )
    module.__version__, module.SparseTensor, module.nn = '2.1.0', SparseTensor, nn
    nn.functional, rules.conv3d = rules, conv3d
    for each in (module, nn, rules):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    torchsparse_backend.torchsparse.cache_clear()
    yield
    torchsparse_backend.torchsparse.cache_clear()


def outputs(implementation, voxels, feats, weights):
    """Return features of a small U-Net of all three convolutions, and all gradients."""
    x, w3, w_down, w_coarse, w_up = (t.clone().requires_grad_() for t in (feats, *weights))
    fine = implementation.subm_conv(x, w3, voxels)
    coarse = implementation.down_conv(fine, w_down, voxels)
    deep = implementation.subm_conv(coarse, w_coarse, voxels.down())
    deepest = implementation.down_conv(deep, w_down, voxels.down())
    back = implementation.up_conv(deepest, w_up, voxels.down()) + deep
    y = implementation.up_conv(back, w_up, voxels) + fine
    y.backward(random_tensor(*y.shape, seed=9).to(y))
    return [y.detach(), coarse.detach(), *(t.grad for t in (x, w3, w_down, w_coarse, w_up))]


def make_weights(c):
    return [random_tensor(k, c, c, seed=k + s) * 0.2 for s, k in enumerate((27, 8, 27, 8))]


@pytest.mark.parametrize('low', [-9, -32, 5])
def test_adapter_and_native_agree_by_the_documented_rules(by_its_rules, low):
    """Order of coordinates and kernels, shift, padding and shared maps, with gradients."""
    voxels, weights = random_voxels(low, low + 21), make_weights(4)
    feats = random_tensor(len(voxels), 4)
    for ours, theirs in zip(
        outputs(convolutions, voxels, feats, weights),
        outputs(torchsparse_backend, voxels, feats, weights),
    ):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)


def test_maps_are_made_once_per_level(by_its_rules):
    """Layers share them; passes with and without gradients do not, as their maps differ."""
    voxels, weights = random_voxels(), make_weights(4)
    feats = random_tensor(len(voxels), 4)
    outputs(torchsparse_backend, voxels, feats, weights)
    made = torchsparse_backend._level(voxels).caches.made
    assert made == 4  # two levels of 3^3, two steps down
    outputs(torchsparse_backend, voxels, feats, weights)
    assert torchsparse_backend._level(voxels).caches.made == made
    with torch.no_grad():
        torchsparse_backend.subm_conv(feats, weights[0], voxels)
        assert torchsparse_backend._level(voxels).caches.made == 1


def test_dropped_voxels_are_noticed(by_its_rules, monkeypatch):
    monkeypatch.setattr(
        torchsparse_backend,
        'padded_range',
        lambda coords: (
            (coords - coords.amin(0)).int(),
            tuple((coords.amax(0) - coords.amin(0) + 1).tolist()),
        ),
    )
    voxels = Voxels.build(torch.tensor([[0, 0, 0, 0], [0, 2, 2, 2]]))
    with pytest.raises(RuntimeError, match='expected the 2 parents'):
        torchsparse_backend.down_conv(torch.ones(2, 4), torch.ones(8, 4, 4), voxels)


@pytest.mark.skipif(bool(missing()), reason=missing() or 'it is there')
def test_torchsparse_equals_native():
    """Values and gradients of the real one, TF32 off."""
    torchsparse_backend.torchsparse().backends.allow_tf32 = False
    voxels = random_voxels(n=3000, high=40).to('cuda')
    weights = [w.cuda() for w in make_weights(16)]
    feats = random_tensor(len(voxels), 16).cuda()
    for ours, theirs in zip(
        outputs(convolutions, voxels, feats, weights),
        outputs(torchsparse_backend, voxels, feats, weights),
    ):
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-3)


def test_shift_keeps_parents_and_leaves_room():
    voxels = random_voxels(-37, 23)
    shifted, (n_visits, *size) = padded_range(voxels.coords)
    step = shifted - voxels.coords
    assert (step == step[0]).all()
    assert (step[0] % ALIGNMENT == 0).all()
    assert shifted.amin() >= 0
    assert (shifted.amax(0) < torch.tensor([n_visits, *size])).all()
    assert all(n % ALIGNMENT == 0 for n in size)


def test_kernels_of_even_size_are_read_with_z_fastest():
    order = [x + 2 * y + 4 * z for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    assert list(EVEN_KERNEL_ORDER) == order
    assert [order[k] for k in order] == list(range(8))


def test_where_it_cannot_run_the_native_one_goes_on_and_says_why(monkeypatch):
    assert choose_backend('native', 'cpu') == ('native', '')
    assert choose_backend('auto', 'cpu') == ('native', '')
    backend, reason = choose_backend('torchsparse', 'cpu')
    assert backend == 'native'
    assert 'expected a CUDA device' in reason
    monkeypatch.setitem(sys.modules, 'torchsparse', None)  # as if not installed
    torchsparse_backend.torchsparse.cache_clear()
    backend, reason = choose_backend('torchsparse', 'cuda')
    torchsparse_backend.torchsparse.cache_clear()
    assert backend == 'native'
    assert 'install it from its repository' in reason


def test_chosen_backend_reaches_all_levels_and_falls_back_on_the_cpu():
    voxels = random_voxels()
    chosen = Voxels.build(voxels.coords, 'torchsparse')
    assert chosen.down().down().backend == 'torchsparse'
    assert chosen.to('cpu').backend == 'torchsparse'
    feats, weight = random_tensor(len(voxels), 4), make_weights(4)[0]
    assert torch.equal(
        convolutions.subm_conv(feats, weight, chosen),
        convolutions.subm_conv(feats, weight, voxels),
    )
