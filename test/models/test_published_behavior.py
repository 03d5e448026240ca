"""The published behavior on request: what it computes, against loops, and that it runs."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.losses import Criterion, LossConfig, Targets
from rescene4d_ros.models.backbones.serialization_order import merged_order, TieBreak
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.decoder_parts import published_seeds
from rescene4d_ros.models.inputs import make_visit_input, sequence_origin
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.sparse.voxels import Voxels
import torch

torch.set_num_threads(1)
CONFIG = ModelConfig(
    backbone='ptv3-tiny',
    voxel_size=0.15,
    n_classes=3,
    hidden_dim=32,
    n_heads=4,
    ffn_dim=64,
    n_queries=12,
    compat='official',
)


@pytest.fixture
def scans(boxes_room):
    """Return two visits; the second sees only a part of the room."""
    scan, _ = boxes_room([((0.4, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))], density=100)
    return [scan, scan.take(scan.xyz[:, 0] > 1.0)]


def inputs(scans, config):
    """Return the visits with cubes as superpoints."""
    return [
        make_visit_input(
            s, np.unique(np.floor(s.xyz / 0.3).astype(int), axis=0, return_inverse=True)[1], config
        )
        for s in scans
    ]


def sampler_twin(buffer, n_points, n):
    """Farthest points as the sampler's kernel finds them, reading x, y, z at 3 k of a buffer."""

    def read(k):
        return buffer[3 * k : 3 * k + 3]

    taken, distance = [0], [1e10] * n_points
    for _ in range(1, n):
        best, best_distance = 0, -1.0
        for k in range(n_points):
            if (read(k) ** 2).sum() <= 1e-3:
                continue
            distance[k] = min(distance[k], ((read(k) - read(taken[-1])) ** 2).sum())
            if distance[k] > best_distance:
                best, best_distance = k, distance[k]
        taken.append(best)
    return taken


def test_seeds_are_what_the_misread_sampler_finds(scans):
    model = ReScene4D(replace(CONFIG, temporal_serialization='off')).eval()
    visits = inputs(scans, CONFIG)
    with torch.no_grad():
        features = model.encode(visits)
    voxels, superpoints = published_seeds(features, (0, 1), replace(CONFIG, n_queries=20))
    buffer = np.concatenate(
        [
            np.column_stack([v.coords, np.full(len(v.coords), t)]).ravel()
            for t, v in enumerate(visits)
        ]
    ).astype(np.float32)
    assert voxels.tolist() == sampler_twin(buffer, len(buffer) // 4, 20)
    owner = torch.cat([visits[0].superpoint, visits[1].superpoint + visits[0].n_superpoints])
    assert torch.equal(superpoints, owner[voxels])


def published_grid(scans, voxel_size):
    """Return what the published preparation gives of each point: its cell and position."""
    xyz = np.concatenate([s.xyz for s in scans]).astype(np.float64)
    low, high = xyz.min(0), xyz.max(0)
    shift = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    cells = [np.floor((s.xyz - shift) / voxel_size).astype(int) for s in scans]
    return [(c - c.min(0), s.xyz - shift) for c, s in zip(cells, scans)]


def test_voxels_of_visits_are_cut_as_published(scans):
    """From the center of the sequence, each visit on a grid of its own; positions alike."""
    config = replace(CONFIG, features='sonata', in_channels=9)
    origin = sequence_origin(scans, config)
    for scan, (cells, places) in zip(scans, published_grid(scans, config.voxel_size)):
        visit = make_visit_input(scan, np.zeros(len(scan), int), config, origin)
        expected, voxel = np.unique(cells, axis=0, return_inverse=True)
        assert visit.coords.tolist() == expected.tolist()
        one = places[voxel.ravel() == 7].mean(0)
        np.testing.assert_allclose(visit.feats[7, :3], one, atol=1e-5)
    assert sequence_origin(scans, replace(config, compat='corrected')) is None


def test_a_visit_alone_is_a_sequence(scans):
    one = make_visit_input(scans[1], np.zeros(len(scans[1]), int), CONFIG)
    origin = sequence_origin(scans[1:], CONFIG)
    two = make_visit_input(scans[1], np.zeros(len(scans[1]), int), CONFIG, origin)
    assert torch.equal(one.coords, two.coords)
    unet = replace(CONFIG, backbone='tiny')
    common = make_visit_input(scans[1], np.zeros(len(scans[1]), int), unet)
    assert (
        common.coords.tolist()
        == np.unique(np.floor(scans[1].xyz.astype(float) / 0.15), axis=0).tolist()
    )


def test_merged_orders_are_cut_at_the_sizes_of_the_visits():
    cells = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]])
    voxels = Voxels.build(cells)
    ties = TieBreak(voxels.coords[:, 1:].float(), torch.tensor([0, 1]))
    whole, cut = merged_order(voxels, 4, 'z', ties), merged_order(voxels, 4, 'z')
    assert (whole.counts, cut.counts) == ((5,), (3, 2))
    assert torch.equal(whole.rows, cut.rows)


@pytest.mark.parametrize('backbone', ['ptv3-tiny', 'tiny'])
def test_published_behavior_trains_and_sets_its_switches(scans, backbone):
    torch.manual_seed(0)
    model = ReScene4D(replace(CONFIG, backbone=backbone))
    assert model.config.query_content == 'zeros'
    assert model.config.temporal_mask_pooling == 'mean'
    assert not hasattr(model.decoder, 'place')
    output = model(inputs(scans, model.config))
    masks = torch.zeros(1, len(output.visit), dtype=torch.bool)
    masks[0, ::7] = True
    losses = Criterion(LossConfig(compat='official'))(output, Targets(masks, torch.tensor([1])))
    losses['total'].backward()
    told = {
        name: p.grad is not None and bool(p.grad.any()) for name, p in model.named_parameters()
    }
    assert [n for n, reached in told.items() if not reached] == [
        'decoder.semantic_head.weight',
        'decoder.semantic_head.bias',
    ]


def test_published_objective_counts_the_contrastive_term_twice(scans):
    model = ReScene4D(CONFIG).eval()
    with torch.no_grad():
        output = model(inputs(scans, CONFIG))
    masks = torch.zeros(1, len(output.visit), dtype=torch.bool)
    masks[0, ::7] = True
    losses = Criterion(LossConfig(compat='official'))(output, Targets(masks, torch.tensor([1])))
    expected = losses['class'] + losses['mask'] + losses['dice'] + 2 * losses['contrastive']
    assert set(losses) == {'class', 'mask', 'dice', 'contrastive', 'total'}
    torch.testing.assert_close(losses['total'], expected)
