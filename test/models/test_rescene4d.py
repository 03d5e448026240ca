"""The whole network: what must not change its result, and that it can learn a scene."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.postprocess import duplicates
from rescene4d_ros.losses import Criterion, LossConfig, Targets
from rescene4d_ros.losses.matching import class_cost, match
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.decoder import QueryDecoder
from rescene4d_ros.models.inputs import make_visit_input
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan, STRUCTURE_CLASSES
import torch

torch.set_num_threads(1)
CONFIG = ModelConfig(
    backbone='tiny',
    voxel_size=0.1,
    n_classes=3,
    hidden_dim=32,
    n_heads=4,
    ffn_dim=64,
    n_queries=12,
)
CHAIR, TABLE = ((0.4, 0.4, 0.5), (200, 40, 40)), ((0.9, 0.6, 0.7), (60, 60, 180))
COARSEST_CELL = 16 * CONFIG.voxel_size  # translations by it keep all levels aligned


def visit_of(scan, edge=0.2):
    """Return the visit with cubes as superpoints, aligned with the voxels."""
    cell = np.floor(scan.xyz.astype(np.float64) / edge + 1e-6).astype(np.int64)
    superpoint = np.unique(cell, axis=0, return_inverse=True)[1]
    return make_visit_input(scan, superpoint, CONFIG)


@pytest.fixture
def scans(boxes_room):
    """Return two visits; the chair moves between them."""
    rooms = [
        boxes_room([((x, 0.5, 0.0), *CHAIR), ((1.6, 1.7, 0.0), *TABLE)], seed=k, density=250)
        for k, x in enumerate((0.4, 2.1))
    ]
    return [scan for scan, _ in rooms]


@pytest.fixture
def model():
    """Return an untrained network whose normalization layers are not the identity."""
    torch.manual_seed(0)
    model = ReScene4D(CONFIG)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def assert_same_features(one, two, atol=1e-4):
    """Compare all tensors of two `VisitFeatures`."""
    torch.testing.assert_close(
        one.superpoint_features, two.superpoint_features, rtol=1e-3, atol=atol
    )
    for a, b in zip(one.levels, two.levels):
        torch.testing.assert_close(a.feats, b.feats, rtol=1e-3, atol=atol)
        torch.testing.assert_close(a.mask_feats, b.mask_feats, rtol=1e-3, atol=atol)


def test_shapes(model, scans):
    visits = [visit_of(s) for s in scans]
    n_superpoints = sum(v.n_superpoints for v in visits)
    with torch.no_grad():
        output = model(visits)
        final = model.decode(model.encode(visits), only_final=True)
    assert torch.equal(final.class_logits, output.class_logits[-1:])
    torch.testing.assert_close(final.mask_logits, output.mask_logits[-1:])
    n_sets = CONFIG.n_rounds * CONFIG.n_levels + 1
    assert output.class_logits.shape == (n_sets, 12, 4)
    assert output.mask_logits.shape == (n_sets, n_superpoints, 12)
    assert output.features.shape == (12, 32)
    assert torch.bincount(output.visit).tolist() == [v.n_superpoints for v in visits]


def test_queries_for_structure_change_no_object(model, scans):
    visits = [visit_of(s) for s in scans]
    other = ReScene4D(replace(CONFIG, structure_queries=True)).eval()
    missing, unexpected = other.load_state_dict(model.state_dict(), strict=False)
    assert missing == ['decoder.structure.content', 'decoder.structure.position']
    assert not unexpected
    with torch.no_grad():
        before, after = model(visits), other(visits)
    assert torch.equal(before.mask_logits, after.mask_logits)
    assert torch.equal(before.class_logits, after.class_logits)
    assert before.structure_logits.shape[-1] == 0
    n_sets, n_superpoints, _ = after.mask_logits.shape
    assert after.structure_logits.shape == (n_sets, n_superpoints, len(STRUCTURE_CLASSES))


def test_features_of_a_visit_do_not_depend_on_the_others(model, scans):
    visits = [visit_of(s) for s in scans]
    with torch.no_grad():
        together = model.encode([*visits, visits[0]])
        for k, visit in enumerate(visits):
            (alone,) = model.encode([visit])
            assert_same_features(alone, together[k])
            assert torch.equal(alone.levels[0].coords, together[k].levels[0].coords)


def test_normalized_by_visit_a_visit_in_use_is_what_it_was_in_training(model, scans):
    """Running means, which other visits make, have no part in it."""
    by_visit = ReScene4D(replace(CONFIG, normalization='visit'))
    by_visit.load_state_dict(model.state_dict())
    visits = [visit_of(s) for s in scans]
    with torch.no_grad():
        trained = by_visit.train().encode(visits)
        used = by_visit.eval().encode(visits)
        (alone,) = by_visit.encode(visits[1:])
        usual = model.encode(visits)
    for one, two in zip(trained, used, strict=True):
        assert_same_features(one, two)
    assert_same_features(alone, used[1])
    assert not torch.allclose(usual[1].superpoint_features, used[1].superpoint_features, rtol=0.1)
    with pytest.raises(ConfigError, match='normalization'):
        ReScene4D(replace(CONFIG, normalization='visit', backbone='ptv3-tiny'))


def test_superpoint_features_are_means_and_level_masks_are_pooled_masks(model, scans):
    """The dot product with pooled features equals the pooled mask logits, query by query."""
    visit = visit_of(scans[0])
    with torch.no_grad():
        (features,) = model.encode([visit])
        embedding = torch.randn(5, CONFIG.hidden_dim)
        logits = (features.superpoint_features @ embedding.T)[visit.superpoint]
        coords, values = visit.coords, logits
        for level in reversed(features.levels):
            coords, inverse = torch.unique(coords >> 1, dim=0, return_inverse=True)
            sums = torch.zeros(len(coords), 5).index_add_(0, inverse, values)
            values = sums / torch.bincount(inverse)[:, None]
            assert torch.equal(level.coords, coords)
            torch.testing.assert_close(
                level.mask_feats @ embedding.T, values, rtol=1e-3, atol=1e-4
            )


def test_translation_by_the_coarsest_grid_changes_nothing(model, scans):
    step = np.float32([2 * COARSEST_CELL, -3 * COARSEST_CELL, COARSEST_CELL])
    # Points on cell borders round either way; keep away from them.
    lifted = [replace(s, xyz=s.xyz + np.float32([0, 0, 0.05])) for s in scans]
    inner = [s.take((np.abs(s.xyz / 0.1 - np.round(s.xyz / 0.1)) > 0.01).all(1)) for s in lifted]
    moved = [replace(s, xyz=s.xyz + step) for s in inner]
    with torch.no_grad():
        here = model([visit_of(s) for s in inner])
        there = model([visit_of(s) for s in moved])
    torch.testing.assert_close(here.class_logits, there.class_logits, rtol=1e-3, atol=2e-3)
    torch.testing.assert_close(here.mask_logits, there.mask_logits, rtol=1e-3, atol=2e-3)


def test_order_of_points_does_not_change_the_queries(model, scans):
    order = np.random.default_rng(0).permutation(len(scans[0]))
    with torch.no_grad():
        one = model([visit_of(s) for s in scans])
        two = model([visit_of(scans[0].take(order)), visit_of(scans[1])])
    torch.testing.assert_close(one.mask_logits, two.mask_logits, rtol=1e-3, atol=1e-3)


def test_same_input_gives_the_same_bits(model, scans):
    visits = [visit_of(s) for s in scans]
    with torch.no_grad():
        one, two = model(visits), model(visits)
    assert torch.equal(one.mask_logits, two.mask_logits)
    assert torch.equal(one.class_logits, two.class_logits)


@pytest.mark.parametrize('pooling', ['or', 'mean', 'off'])
def test_empty_visit_among_others_adds_nothing(model, scans, pooling):
    model.decoder.config = replace(CONFIG, temporal_mask_pooling=pooling)
    empty = visit_of(Scan(np.zeros((0, 3), np.float32), 0))
    visits = [visit_of(s) for s in scans]
    with torch.no_grad():
        two = model(visits, times=(0, 2))
        three = model([visits[0], empty, visits[1]], times=(0, 1, 2))
    torch.testing.assert_close(two.mask_logits, three.mask_logits, rtol=1e-3, atol=1e-4)
    assert three.visit.unique().tolist() == [0, 2]


@pytest.mark.parametrize('n_visits', [1, 5])
def test_any_number_of_visits(model, scans, n_visits):
    visits = [visit_of(scans[k % 2]) for k in range(n_visits)]
    with torch.no_grad():
        output = model(visits)
    assert output.visit.unique().tolist() == list(range(n_visits))
    assert torch.isfinite(output.mask_logits).all()


def test_only_empty_visits_are_refused(model):
    empty = visit_of(Scan(np.zeros((0, 3), np.float32), 0))
    with pytest.raises(ValueError, match='at least one voxel'):
        model([empty, empty])


def test_mask_sharing_matters_where_a_chair_moved(model, scans):
    """The switch reaches the attention: the same weights give other queries."""
    visits = model.encode([visit_of(s) for s in scans])
    results = {}
    for pooling in ('or', 'mean', 'off'):
        decoder = QueryDecoder(replace(CONFIG, temporal_mask_pooling=pooling), (16,) * 4)
        decoder.load_state_dict(model.decoder.state_dict())
        with torch.no_grad():
            results[pooling] = decoder.eval()(visits).mask_logits
    assert not torch.allclose(results['or'], results['off'], atol=1e-3)
    assert not torch.allclose(results['mean'], results['off'], atol=1e-3)


def test_gradients_reach_every_parameter(scans):
    torch.manual_seed(0)
    model = ReScene4D(replace(CONFIG, train_tokens=300))
    visits = [visit_of(s) for s in scans]
    output = model(visits)
    masks = torch.zeros(1, len(output.visit), dtype=torch.bool)
    masks[0, ::7] = True
    losses = Criterion(LossConfig())(output, Targets(masks, torch.tensor([1])))
    losses['total'].backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


PUBLISHED = LossConfig(assignment='hungarian', no_object_weight=0.1, semantic_weight=0.0)


@pytest.mark.parametrize(
    ('query_content', 'losses'),
    [
        pytest.param('zeros', PUBLISHED, marks=pytest.mark.slow),
        pytest.param('seed', PUBLISHED, marks=pytest.mark.slow),
        ('seed', LossConfig()),
    ],
)
def test_learns_a_scene_by_heart(boxes_room, query_content, losses):
    """
    Every box, also the one that moves, ends as one mask with its class in both visits.

    When depends on the last bits of a processor: 60 to 100 steps do, 400 are waited for.
    """
    rooms = [
        boxes_room(
            [
                ((x, 0.4, 0.0), *CHAIR),
                ((1.7, 1.7, 0.0), *TABLE),
                ((0.3, 2.2, 0.0), (0.5, 0.5, 1.2), (40, 160, 40)),
            ],
            seed=k,
            density=250,
        )
        for k, x in enumerate((0.4, 1.9))
    ]
    visits, owner = [], []
    for scan, instance in rooms:
        cell = np.floor(scan.xyz.astype(np.float64) / 0.2).astype(np.int64)
        # Superpoints that never cross a box, as a good over-segmentation gives them.
        piece = np.unique(np.column_stack([cell, instance]), axis=0, return_inverse=True)[1]
        visit = make_visit_input(scan, piece, CONFIG)
        votes = np.zeros((visit.n_superpoints, 4))
        np.add.at(votes, (visit.point_superpoint, instance), 1)
        visits.append(visit)
        owner.append(votes.argmax(1))
    owner = torch.from_numpy(np.concatenate(owner))
    targets = Targets(owner[None] == torch.arange(1, 4)[:, None], torch.tensor([0, 1, 2]))

    torch.manual_seed(0)
    model = ReScene4D(replace(CONFIG, query_content=query_content))
    criterion = Criterion(losses)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(1, 401):
        optimizer.zero_grad()
        criterion(model(visits), targets)['total'].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 20 == 0 and knows_by_heart(model, visits, targets):
            return
    pytest.fail('expected three masks with their classes after 400 steps')


def knows_by_heart(model, visits, targets):
    """Return whether each instance has one mask that fits it, with its class, and no other is."""
    model.eval()
    with torch.no_grad():
        output = model(visits)
    model.train()
    inside = output.mask_logits[-1].T > 0  # (Q, S)
    _, queries, instances = match(
        -iou(inside, targets.masks)[None] + class_cost(output.class_logits[-1:], targets.classes)
    )
    matched = iou(inside, targets.masks)[queries, instances]
    classes = output.class_logits[-1].argmax(-1)
    if matched.min() <= 0.8 or not torch.equal(classes[queries], targets.classes[instances]):
        return False
    confident = output.class_logits[-1].softmax(-1)[:, :-1].amax(1)
    found = confident.argsort(descending=True)
    found = found[classes[found] < CONFIG.n_classes].numpy()
    masks = inside.numpy()[found].T
    leader, _ = duplicates(masks, np.ones(len(masks)), classes[found].numpy(), InferenceConfig())
    return len(set(leader)) == len(targets.classes)


def iou(one, two):
    """Return the intersection over union of all pairs of masks (A, S) and (B, S)."""
    shared = one.float() @ two.float().T
    return shared / (one.sum(1)[:, None] + two.sum(1) - shared).clamp(min=1)
