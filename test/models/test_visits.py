"""T is free: any number of visits, of any length beside others, in any order, also empty ones."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.losses import Criterion, LossConfig, Targets
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan
import torch

torch.set_num_threads(1)
UNET = ModelConfig(
    backbone='tiny',
    voxel_size=0.15,
    n_classes=3,
    hidden_dim=32,
    n_heads=4,
    ffn_dim=64,
    n_queries=10,
    n_rounds=2,
)
BACKBONES = {
    'unet': UNET,
    'ptv3 off': replace(UNET, backbone='ptv3-tiny', temporal_serialization='off'),
    'ptv3 mixed': replace(UNET, backbone='ptv3-tiny', temporal_serialization='mixed'),
    'ptv3 late': replace(UNET, backbone='ptv3-tiny', temporal_serialization='late'),
}
every_backbone = pytest.mark.parametrize('config', BACKBONES.values(), ids=BACKBONES)


@pytest.fixture
def visits(boxes_room):
    """Return a function that gives T visits of different sizes; a box moves."""

    def make(n_visits):
        made = []
        for k in range(n_visits):
            scan, _ = boxes_room(
                [((0.3 + 0.35 * k, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))],
                seed=k,
                density=50,
                floor=2.4,
            )
            scan = scan.take(scan.xyz[:, 1] > 0.2 * k)
            cell = np.floor(scan.xyz / 0.3 + 1e-6).astype(int)
            made.append(
                make_visit_input(scan, np.unique(cell, axis=0, return_inverse=True)[1], UNET)
            )
        return made

    return make


def empty():
    return make_visit_input(Scan(np.zeros((0, 3), np.float32), 0), np.zeros(0, int), UNET)


def make_model(config):
    """Return an untrained network in evaluation mode whose layers all do something."""
    torch.manual_seed(0)
    model = ReScene4D(config)
    with torch.no_grad():
        for p in model.backbone.parameters():
            p.add_(torch.randn_like(p), alpha=0.05)
    return model.eval()


def assert_same(one, two):
    torch.testing.assert_close(one.class_logits, two.class_logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.mask_logits, two.mask_logits, rtol=1e-3, atol=1e-3)


@every_backbone
@pytest.mark.parametrize('n_visits', [1, 2, 3, 4, 5])
def test_any_number_of_visits_is_trained_and_decoded(visits, config, n_visits):
    """Also with empty ones at the ends and between; every visit's superpoints are told apart."""
    given = [empty(), *visits(n_visits), empty()]
    model = make_model(config)
    with torch.no_grad():
        output = model(given)
    assert torch.bincount(output.visit, minlength=len(given)).tolist() == [
        v.n_superpoints for v in given
    ]
    assert torch.isfinite(output.mask_logits).all()
    output = model.train()(given)
    masks = torch.zeros(1, len(output.visit), dtype=torch.bool)
    masks[0, ::5] = True
    Criterion(LossConfig())(output, Targets(masks, torch.tensor([1])))['total'].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@every_backbone
def test_visit_of_one_voxel_is_trained(config):
    scan = Scan(np.float32([[0.05, 0.05, 0.05]]), 0)
    model = make_model(config).train()
    output = model([make_visit_input(scan, np.zeros(1, int), config)])
    targets = Targets(torch.ones(1, 1, dtype=torch.bool), torch.tensor([1]))
    Criterion(LossConfig())(output, targets)['total'].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@every_backbone
def test_sequences_of_different_lengths_share_a_batch(visits, config):
    """Encoded in one pass, as in training, each is what it is alone."""
    model, five = make_model(config), visits(5)
    sequences = [five[:1], [*five[1:3], empty()], [five[3], empty(), five[4], five[0], five[2]]]
    with torch.no_grad():
        together = model.encode([v for sequence in sequences for v in sequence])
        for sequence in sequences:
            own, together = together[: len(sequence)], together[len(sequence) :]
            assert_same(model.decode(own), model(sequence))


def by_seed(output, order):
    """
    Return class logits (L, S, K + 1) by seed, and mask logits (L, S, S) by superpoint and seed.

    `order` names the superpoints of the usual order of visits.
    """
    query_of = torch.empty_like(output.seed)
    query_of[output.seed] = torch.arange(len(output.seed))
    queries = query_of[order]
    return output.class_logits[:, queries], output.mask_logits[:, order][:, :, queries]


@every_backbone
@pytest.mark.parametrize('pooling', ['or', 'mean', 'off'])
def test_order_of_visits_does_not_matter_beside_their_times(visits, config, pooling):
    """
    Visits in another order, each with its time, give the same queries.

    All superpoints are seeds, so the sample is the same whatever it starts with.
    """
    three = visits(3)
    sizes = [v.n_superpoints for v in three]
    model = make_model(
        replace(config, n_queries=sum(sizes), seed_objectness=0.0, temporal_mask_pooling=pooling)
    )
    starts = np.cumsum([0, *sizes])
    turn = [2, 0, 1]
    rows = torch.cat([torch.arange(starts[k], starts[k + 1]) for k in turn])
    usual = torch.empty_like(rows)
    usual[rows] = torch.arange(len(rows))
    with torch.no_grad():
        one = model(three, times=(0, 1, 2))
        two = model([three[k] for k in turn], times=turn)
    expected = by_seed(one, torch.arange(len(rows)))
    for found, wanted in zip(by_seed(two, usual), expected):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=2e-3)


def in_patches(model, size):
    """Make all patches of a network small."""
    for module in model.modules():
        if hasattr(module, 'patch_size'):
            module.patch_size = size
    return model


@pytest.fixture
def rescanned(boxes_room):
    """Return a function that gives T visits with most points at exactly the same places."""

    def make(n_visits):
        scan, _ = boxes_room(
            [((0.3, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))], density=50, floor=2.4
        )
        made = []
        for k in range(n_visits):
            part = scan.take((scan.xyz[:, 0] < 2.2 - 0.3 * k) & (scan.xyz[:, 1] > 0.2 * k))
            cell = np.floor(part.xyz / 0.3 + 1e-6).astype(int)
            made.append(
                make_visit_input(part, np.unique(cell, axis=0, return_inverse=True)[1], UNET)
            )
        return made

    return make


@pytest.mark.parametrize('turn', [(1, 0), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize('serialization', ['merged', 'mixed', 'late'])
@pytest.mark.parametrize('same_places', [False, True])
def test_time_is_shared_the_same_in_any_order_of_visits(request, serialization, turn, same_places):
    """Also where patches end within a cell, with voxels of one visit on either side."""
    make = request.getfixturevalue('rescanned' if same_places else 'visits')
    given = make(len(turn))
    config = replace(BACKBONES['ptv3 mixed'], temporal_serialization=serialization)
    model = in_patches(make_model(config), 24)
    with torch.no_grad():
        one = model.share_time(model.encode(given))
        two = model.share_time(model.encode([given[k] for k in turn]))
    for k, visit in zip(turn, two, strict=True):
        torch.testing.assert_close(
            visit.superpoint_features, one[k].superpoint_features, rtol=1e-3, atol=1e-4
        )
        for a, b in zip(visit.levels, one[k].levels, strict=True):
            torch.testing.assert_close(a.feats, b.feats, rtol=1e-3, atol=1e-4)


def test_published_orders_depend_on_the_order_of_visits(visits):
    """What the test above would miss if nothing could differ: the same without breaking ties."""
    config = replace(BACKBONES['ptv3 mixed'], compat='official')
    model, pair = in_patches(make_model(config), 24), visits(2)
    with torch.no_grad():
        one = model.share_time(model.encode(pair))
        two = model.share_time(model.encode(pair[::-1]))
    difference = one[0].superpoint_features - two[1].superpoint_features
    assert difference.abs().max() > 1e-3
