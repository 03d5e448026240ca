"""The fine level: without effect until it is trained, and then it tells what is small apart."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.inference.weights_file import load_weights, save_weights, WeightsInfo
from rescene4d_ros.losses import Criterion, LossConfig, Targets
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan
import torch

torch.set_num_threads(1)
PLAIN = ModelConfig(
    backbone='tiny',
    voxel_size=0.1,
    n_classes=3,
    hidden_dim=32,
    n_heads=4,
    ffn_dim=64,
    n_queries=10,
    n_rounds=1,
)
FINE = replace(PLAIN, fine_level_channels=6)
JOINTS = ('to_stem', 'to_masks', 'to_tokens')


def visit_of(scan):
    """Return the visit with cubes as superpoints."""
    cell = np.floor(scan.xyz.astype(np.float64) / 0.3 + 1e-6).astype(np.int64)
    superpoint = np.unique(cell, axis=0, return_inverse=True)[1] if len(scan) else cell[:, 0]
    return make_visit_input(scan, superpoint, FINE)


@pytest.fixture
def scans(boxes_room):
    """Return two visits; a box moves between them."""
    return [
        boxes_room([((x, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))], seed=k, density=250)[0]
        for k, x in enumerate((0.4, 2.1))
    ]


@pytest.fixture
def visits(scans):
    return [visit_of(s) for s in scans]


def make_model(config, is_joined=False):
    """Return a network whose normalization does something; joined as after training."""
    torch.manual_seed(0)
    model = ReScene4D(config)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    if is_joined:
        for name in JOINTS:
            torch.nn.init.normal_(getattr(model.fine_level, name).weight, std=0.5)
    return model.eval()


@pytest.mark.parametrize('n_visits', [1, 2])
def test_weights_without_the_level_give_the_same_bits_with_it(visits, n_visits):
    plain, fine = make_model(PLAIN), make_model(FINE)
    missing, _ = fine.load_state_dict(plain.state_dict(), strict=False)
    assert all(name.startswith('fine_level.') for name in missing)
    with torch.no_grad():
        one, two = plain(visits[:n_visits]), fine(visits[:n_visits])
    for name, tensor in vars(one).items():
        assert torch.equal(tensor, getattr(two, name)), name


def loss_of(model, visits):
    output = model(visits)
    masks = torch.zeros(1, len(output.visit), dtype=torch.bool)
    masks[0, ::5] = True
    return Criterion(LossConfig())(output, Targets(masks, torch.tensor([1])))['total']


def test_training_reaches_the_joints_first_and_then_all_of_it(visits):
    model = make_model(FINE).train()
    loss_of(model, visits).backward()
    for name in JOINTS:
        assert getattr(model.fine_level, name).weight.grad.any(), name
    model = make_model(FINE, is_joined=True).train()
    loss_of(model, visits).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_features_of_a_visit_do_not_depend_on_the_others(visits):
    model = make_model(FINE, is_joined=True)
    empty = visit_of(Scan(np.zeros((0, 3), np.float32), 0))
    with torch.no_grad():
        together = model.encode([visits[0], empty, visits[1]])
        for visit, features in zip(visits, together[::2]):
            (alone,) = model.encode([visit])
            torch.testing.assert_close(
                alone.superpoint_features, features.superpoint_features, rtol=1e-3, atol=1e-4
            )
            for a, b in zip(alone.levels, features.levels):
                torch.testing.assert_close(a.feats, b.feats, rtol=1e-3, atol=1e-4)
        assert model([empty, *visits]).visit.unique().tolist() == [1, 2]


def test_visit_of_one_voxel_is_trained():
    visit = make_visit_input(Scan(np.float32([[0.05, 0.05, 0.05]]), 0), np.zeros(1, int), FINE)
    model = make_model(FINE, is_joined=True).train()
    output = model([visit])
    targets = Targets(torch.ones(1, 1, dtype=torch.bool), torch.tensor([1]))
    Criterion(LossConfig())(output, targets)['total'].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_it_sees_what_the_means_of_a_large_voxel_hide():
    """Two colors change places within each large voxel: its mean color stays, fine ones do not."""
    cells = np.stack(np.meshgrid(*[np.arange(8)] * 2, [0]), axis=-1).reshape(-1, 3)
    xyz = ((cells + 0.5) * 0.05).astype(np.float32)
    is_odd = (cells.sum(axis=1) % 2).astype(bool)
    colors = np.uint8([[220, 30, 30], [30, 30, 220]])
    superpoint = cells[:, 0] // 4
    normals = np.tile(np.float32([0, 0, 1]), (len(xyz), 1))
    one, two = (
        make_visit_input(Scan(xyz, 0, colors[odd.astype(int)], normals), superpoint, FINE)
        for odd in (is_odd, ~is_odd)
    )
    torch.testing.assert_close(one.feats, two.feats)
    with torch.no_grad():
        for is_joined in (False, True):
            model = make_model(FINE, is_joined)
            a, b = (model.encode([v])[0].superpoint_features for v in (one, two))
            assert torch.allclose(a, b, atol=1e-5) != is_joined


def test_weights_file_keeps_the_level(visits, tmp_path):
    model = make_model(FINE, is_joined=True)
    save_weights(tmp_path / 'w.safetensors', model, WeightsInfo(('a', 'b', 'c')), half=False)
    read, _ = load_weights(tmp_path / 'w.safetensors')
    with torch.no_grad():
        assert torch.equal(model(visits).mask_logits, read(visits).mask_logits)


def test_it_needs_a_u_net_and_its_own_input(scans):
    with pytest.raises(ConfigError, match='fine_level_channels'):
        ReScene4D(replace(FINE, backbone='ptv3-tiny'))
    plain = make_visit_input(scans[0], np.zeros(len(scans[0]), int), PLAIN)
    with pytest.raises(ValueError, match='fine voxels'):
        make_model(FINE)([plain])
