"""Point Transformer V3 against its formulas in loops; visits alone and together; checkpoints."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError, WeightsError
from rescene4d_ros.losses import Criterion, LossConfig, Targets
from rescene4d_ros.models.backbones.point_transformer import PointTransformer, PRESETS, PTv3Preset
from rescene4d_ros.models.backbones.ptv3_layers import PatchAttention
from rescene4d_ros.models.backbones.serialization_order import Order
from rescene4d_ros.models.backbones.space_filling_curves import curve_code
from rescene4d_ros.models.checkpoints import load_pretrained, read_checkpoint
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input
from rescene4d_ros.models.outputs import DecoderState
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.sparse.voxels import Voxels
from rescene4d_ros.structures import Scan
from rescene4d_ros.training.samples.augmented_samples import instance_counts
from rescene4d_ros.training.validation import HeldOut, validate
import torch
from torch.nn import functional

torch.set_num_threads(1)
CONFIG = ModelConfig(
    backbone='ptv3-tiny',
    voxel_size=0.15,
    n_classes=3,
    hidden_dim=32,
    n_heads=4,
    ffn_dim=64,
    n_queries=12,
)
CHAIR, TABLE = ((0.4, 0.4, 0.5), (200, 40, 40)), ((0.9, 0.6, 0.7), (60, 60, 180))
SMALL = PTv3Preset(
    (6, 6, 12, 12, 12),
    (1, 1, 1, 1, 2),
    (2, 2, 3, 3, 3),
    (6, 12, 12, 12),
    (1, 1, 1, 1),
    (2, 2, 3, 3),
    patch_size=16,
)
CURVES = ('z', 'z-trans', 'hilbert', 'hilbert-trans')


def visit_of(scan, edge=0.3):
    """Return the visit with cubes as superpoints, aligned with the voxels."""
    cell = np.floor(scan.xyz.astype(np.float64) / edge + 1e-6).astype(np.int64)
    superpoint = np.unique(cell, axis=0, return_inverse=True)[1]
    return make_visit_input(scan, superpoint, CONFIG)


@pytest.fixture
def scans(boxes_room):
    """Return two visits, off the cells' borders; the chair moves between them."""
    rooms = [
        boxes_room([((x, 0.5, 0.0), *CHAIR), ((1.6, 1.7, 0.0), *TABLE)], seed=k, density=150)
        for k, x in enumerate((0.4, 2.1))
    ]
    lifted = [replace(s, xyz=s.xyz + np.float32([0, 0, 0.07])) for s, _ in rooms]
    return [s.take((np.abs(s.xyz / 0.15 - np.round(s.xyz / 0.15)) > 0.01).all(1)) for s in lifted]


@pytest.fixture
def visits(scans):
    """Return the two visits as the network takes them."""
    return [visit_of(s) for s in scans]


def make_model(serialization='mixed', **settings):
    """Return an untrained network in evaluation mode, with a gain that shows differences."""
    torch.manual_seed(0)
    model = ReScene4D(replace(CONFIG, temporal_serialization=serialization, **settings))
    strengthen(model.backbone)
    return model.eval()


def strengthen(backbone):
    """Draw all parameters anew, so that no path is next to nothing."""
    with torch.no_grad():
        for name, p in backbone.named_parameters():
            fan = p.shape[-2] * 10 if p.ndim == 3 else p.shape[-1]
            p.normal_(
                float(name.endswith('weight') and p.ndim == 1), 0.3 if p.ndim == 1 else fan**-0.5
            )


def assert_same_output(one, two, atol=1e-3):
    torch.testing.assert_close(one.mask_logits, two.mask_logits, rtol=1e-3, atol=atol)
    torch.testing.assert_close(one.class_logits, two.class_logits, rtol=1e-3, atol=atol)


@pytest.mark.parametrize(('n', 'size'), [(5, 8), (8, 8), (16, 8), (21, 8), (9, 8), (1, 8)])
def test_patches_attend_as_in_a_loop(n, size):
    """Patches of one run; the last is filled up with the voxels that precede it by one patch."""
    torch.manual_seed(0)
    attention = PatchAttention(12, 3, size).double()
    feats, rows = torch.randn(n + 4, 12, dtype=torch.float64), torch.randperm(n + 4)
    places = torch.empty_like(rows)
    places[rows] = torch.arange(n + 4)
    found = attention(feats, Order(rows, places, (n, 4)))
    expected = torch.empty_like(feats)
    for run in (rows[:n], rows[n:]):
        patches = (
            [run] if len(run) <= size else [run[k : k + size] for k in range(0, len(run), size)]
        )
        for k, patch in enumerate(patches):
            fill = patches[k - 1][len(patch) :] if k else patch[:0]
            mates = torch.cat([patch, fill])
            query, key, value = attention.qkv(feats[mates]).view(-1, 3, 3, 4).unbind(1)
            weight = torch.einsum('ihc,jhc->hij', query, key).div(4**0.5).softmax(-1)
            mixed = torch.einsum('hij,jhc->ihc', weight, value).flatten(1)
            expected[patch] = attention.proj(mixed)[: len(patch)]
    torch.testing.assert_close(found, expected)


def encoder_twin(state, preset, feats, cells):
    """
    Compute the encoder's levels for one visit by the published description, cell by cell.

    Parameters
    ----------
    state : dict of str to Tensor, float64
        Under the published names.
    preset : PTv3Preset
    feats : Tensor (V, Cin), float64
    cells : Tensor (V, 3), int64
        Relative to the corner of a coarsest cell.

    """

    def linear(x, name):
        return x @ state[f'{name}.weight'].T + state[f'{name}.bias']

    def norm(x, name):
        return functional.layer_norm(
            x, x.shape[-1:], state[f'{name}.weight'], state[f'{name}.bias']
        )

    def conv(x, name):
        row = {tuple(c): k for k, c in enumerate(cells.tolist())}
        out = state[f'{name}.bias'].repeat(len(x), 1)
        for cell, k in row.items():
            for dx, dy, dz in product((-1, 0, 1), repeat=3):
                other = row.get((cell[0] + dx, cell[1] + dy, cell[2] + dz))
                if other is not None:
                    out[k] += state[f'{name}.weight'][:, dx + 1, dy + 1, dz + 1] @ x[other]
        return out

    def attend(x, name, heads, order):
        size = min(preset.patch_size, len(x))
        padded = order.tolist()
        while len(padded) % size:
            padded.append(padded[-size])
        out = torch.empty_like(x)
        for start in reversed(range(0, len(padded), size)):
            patch = padded[start : start + size]
            query, key, value = linear(x[patch], f'{name}.qkv').view(size, 3, heads, -1).unbind(1)
            scale = query.shape[-1] ** -0.5
            weight = (torch.einsum('ihc,jhc->hij', query, key) * scale).softmax(-1)
            out[patch] = torch.einsum('hij,jhc->ihc', weight, value).flatten(1)
        return linear(out, f'{name}.proj')

    levels = []
    x = functional.gelu(norm(linear(feats, 'embedding.stem.linear'), 'embedding.stem.norm'))
    for s, (depth, heads) in enumerate(zip(preset.encoder_depths, preset.encoder_heads)):
        if s:
            x = linear(x, f'enc.enc{s}.down.proj')
            cells, parent = torch.unique(cells // 2, dim=0, return_inverse=True)
            x = torch.stack([x[parent == k].amax(0) for k in range(len(cells))])
            x = functional.gelu(norm(x, f'enc.enc{s}.down.norm.0'))
        orders = [
            curve_code(cells, int(cells.max() + 1).bit_length(), curve).argsort()
            for curve in CURVES
        ]
        for i in range(depth):
            name = f'enc.enc{s}.block{i}'
            x = x + norm(linear(conv(x, f'{name}.cpe.0'), f'{name}.cpe.1'), f'{name}.cpe.2')
            x = x + attend(norm(x, f'{name}.norm1.0'), f'{name}.attn', heads, orders[i % 4])
            inner = functional.gelu(linear(norm(x, f'{name}.norm2.0'), f'{name}.mlp.0.fc1'))
            x = x + linear(inner, f'{name}.mlp.0.fc2')
        levels.append(x)
    return levels


def published_config(preset):
    """Return the settings that a checkpoint carries."""
    return {
        'in_channels': 9,
        'order': CURVES,
        'stride': (2, 2, 2, 2),
        'enc_depths': preset.encoder_depths,
        'enc_channels': preset.encoder_channels,
        'enc_num_head': preset.encoder_heads,
        'enc_patch_size': [preset.patch_size] * 5,
        'mlp_ratio': 4,
        'qkv_bias': True,
        'drop_path': 0.3,
        'shuffle_orders': True,
        'pre_norm': True,
        'enable_rpe': False,
        'enc_mode': True,
        'mask_token': True,
    }


@pytest.fixture
def state(ptv3_shapes):
    """Return random tensors with the names and shapes of a published checkpoint."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: (1.0 if name.endswith('norm') else 0.0)
        + torch.randn(shape, generator=generator) / max(np.prod(shape[1:]), 4) ** 0.5
        for name, shape in ptv3_shapes(SMALL).items()
    }


@pytest.fixture
def save(tmp_path):
    """Return a function that writes a checkpoint and returns its path."""

    def write(content):
        torch.save(content, tmp_path / 'published.pth')
        return tmp_path / 'published.pth'

    return write


@pytest.mark.parametrize(
    ('name', 'millions'),
    [
        ('concerto-tiny', 5),
        ('concerto-small', 39),
        ('sonata', 108),
        ('concerto', 108),
        ('concerto-large', 208),
    ],
)
def test_full_presets_have_the_published_tensors(name, millions, ptv3_shapes):
    """And as many numbers in the encoder as their publishers say."""
    with torch.device('meta'):
        backbone = PointTransformer(9, PRESETS[name])
    n = sum(p.numel() for part in (backbone.embedding, backbone.enc) for p in part.parameters())
    assert round(n / 1e6) == millions
    ours = {name.replace('.kernel', '.weight'): p for name, p in backbone.named_parameters()}
    shapes = ptv3_shapes(PRESETS[name], decoder=True)
    del shapes['embedding.mask_token']
    assert set(ours) == set(shapes)
    for tensor, shape in shapes.items():
        assert ours[tensor].numel() == np.prod(shape), tensor


def test_published_encoder_gives_what_its_description_says(save, state):
    backbone = PointTransformer(9, SMALL).double().eval()
    coverage = load_pretrained(
        backbone, read_checkpoint(save({'config': published_config(SMALL), 'state_dict': state}))
    )
    assert set(coverage.loaded) == set(state) - {'embedding.mask_token'}
    assert coverage.left_out == ('embedding.mask_token',)
    assert {name.split('.')[0] for name in coverage.as_initialized} == {'dec'}

    generator = torch.Generator().manual_seed(1)
    cells = torch.unique(torch.randint(0, 13, (90, 3), generator=generator), dim=0)
    cells[0] = 0
    feats = torch.randn(len(cells), 9, generator=generator, dtype=torch.float64)
    voxels = Voxels.build(functional.pad(cells + 32, (1, 0)))
    with torch.no_grad():
        levels = backbone.encode(voxels.sort(feats), voxels)
    twin = encoder_twin(
        {name: t.double() for name, t in state.items()},
        SMALL,
        voxels.sort(feats),
        voxels.coords[:, 1:] - 32,
    )
    for ours, theirs in zip(levels, twin, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        (
            lambda c: c['state_dict'].pop('enc.enc2.block0.attn.qkv.bias'),
            'missing enc.enc2.block0',
        ),
        (
            lambda c: c['state_dict'].update({'enc.enc9.x': torch.zeros(1)}),
            'unexpected enc.enc9.x',
        ),
        (
            lambda c: c['state_dict'].update({'embedding.stem.norm.bias': torch.zeros(7)}),
            r'\(7,\) instead of \(6,\)',
        ),
        (lambda c: c['config'].update(enc_num_head=(1, 2, 3, 3, 3)), 'enc_num_head'),
        (lambda c: c['config'].update(order=('z', 'hilbert')), 'order'),
        (lambda c: c.pop('state_dict'), "expected a 'state_dict', got"),
        (lambda c: c.update(config=Scan), 'run code'),
    ],
)
def test_checkpoint_that_does_not_fit_is_refused(save, state, change, told):
    content = {'config': published_config(SMALL), 'state_dict': state}
    change(content)
    backbone = PointTransformer(9, SMALL)
    before = {name: t.clone() for name, t in backbone.state_dict().items()}
    with pytest.raises(WeightsError, match=told):
        load_pretrained(backbone, read_checkpoint(save(content)))
    assert all(torch.equal(before[name], t) for name, t in backbone.state_dict().items())


def test_damaged_or_missing_checkpoint_is_refused(save, state, tmp_path):
    path = save({'state_dict': state})
    path.write_bytes(path.read_bytes()[:1000])
    for wrong, told in ((path, 'complete file'), (tmp_path / 'none.pth', 'found none')):
        with pytest.raises(WeightsError, match=told):
            read_checkpoint(wrong)


@pytest.mark.parametrize('serialization', ['merged', 'mixed', 'late'])
def test_what_is_kept_does_not_depend_on_other_visits(visits, serialization):
    """And what is decoded of it is what a pass in one go gives."""
    model = make_model(serialization)
    with torch.no_grad():
        together = model.encode([*visits, visits[0]])
        for k, visit in enumerate(visits):
            (alone,) = model.encode([visit])
            one, two = (
                (*p.begun.skips, *p.begun.levels, p.begun.feats) for p in (alone, together[k])
            )
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
        cached = [model.encode([v])[0] for v in visits]
        assert_same_output(model.decode(cached), model(visits))


@pytest.mark.parametrize(
    ('serialization', 'shares'),
    [('off', False), ('merged', True), ('mixed', True), ('late', True)],
)
def test_decoder_sees_the_other_visit_where_it_shares_time(visits, serialization, shares):
    """Superpoint features of a visit change with the other visit, or not at all."""
    model = make_model(serialization)
    with torch.no_grad():
        pair = model(visits).superpoint_features
        alone = model(visits[:1]).superpoint_features
    difference = (pair[: len(alone)] - alone).abs().max()
    assert (difference > 1e-2) if shares else (difference < 1e-4)


@pytest.mark.parametrize(
    ('serialization', 'finished', 'to_come'), [('merged', 1, 3), ('mixed', 1, 3), ('late', 4, 0)]
)
def test_as_much_is_kept_as_does_not_need_other_visits(visits, serialization, finished, to_come):
    """Late: all but what follows the last block's look; else the encoder and a convolution."""
    model = make_model(serialization)
    begun = model.encode(visits[:1])[0].begun
    assert (len(begun.levels), len(begun.skips)) == (finished, to_come)
    training = model.train().encode(visits[:1])[0].begun
    assert (len(training.levels), len(training.skips), training.feats) == (1, 4, None)


@pytest.mark.parametrize('serialization', ['off', 'merged', 'mixed', 'late'])
def test_stopping_before_the_first_look_changes_nothing(visits, serialization):
    """The decoder in one go, from the encoder's features, gives the same levels."""
    backbone = make_model(serialization).backbone
    voxels = Voxels.build(
        torch.cat([functional.pad(v.coords, (1, 0), value=k) for k, v in enumerate(visits)])
    )
    with torch.no_grad():
        pyramid = backbone.encode(voxels.sort(torch.cat([v.feats for v in visits])), voxels)
        begun = backbone.begin(pyramid, voxels)
        in_one_go = backbone.decode(DecoderState(tuple(pyramid[:-1]), (pyramid[-1],)), voxels)
        for one, two in zip(backbone.decode(begun, voxels), in_one_go, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_off_hands_out_features_of_single_visits(visits):
    features = make_model('off').encode(visits)
    assert [len(f.superpoint_features) for f in features] == [v.n_superpoints for v in visits]


def test_translation_by_the_coarsest_grid_changes_nothing(scans):
    model = make_model()
    cell = 16 * CONFIG.voxel_size
    step = np.float32([2 * cell, -3 * cell, cell])
    moved = [replace(s, xyz=s.xyz + step) for s in scans]
    with torch.no_grad():
        assert_same_output(
            model([visit_of(s) for s in scans]), model([visit_of(s) for s in moved]), atol=3e-3
        )


def test_order_of_points_does_not_change_the_queries(scans, visits):
    model = make_model()
    order = np.random.default_rng(0).permutation(len(scans[0]))
    with torch.no_grad():
        assert_same_output(model(visits), model([visit_of(scans[0].take(order)), visits[1]]))


def test_evaluation_gives_the_same_bits_whatever_the_seed(visits):
    model = make_model()
    with torch.no_grad():
        one = model(visits)
        torch.manual_seed(99)
        two = model(visits)
    assert torch.equal(one.mask_logits, two.mask_logits)
    assert torch.equal(one.class_logits, two.class_logits)


def test_empty_visit_among_others_adds_nothing(visits):
    model = make_model()
    empty = visit_of(Scan(np.zeros((0, 3), np.float32), 0))
    with torch.no_grad():
        two = model(visits, times=(0, 2))
        three = model([visits[0], empty, visits[1]], times=(0, 1, 2))
        cached = model.decode([*model.encode(visits), *model.encode([empty])], times=(0, 2, 3))
        assert_same_output(two, three)
        assert_same_output(two, cached)
    with pytest.raises(ValueError, match='at least one voxel'):
        model([empty, empty])


def test_gradients_reach_every_parameter(visits):
    torch.manual_seed(0)
    model = ReScene4D(CONFIG)
    output = model(visits)
    masks = torch.zeros(1, len(output.visit), dtype=torch.bool)
    masks[0, ::7] = True
    Criterion(LossConfig())(output, Targets(masks, torch.tensor([1])))['total'].backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


ONE_ROUND = replace(CONFIG, n_rounds=1)
ALL_STRATEGIES = LossConfig(), ONE_ROUND
SERIALIZATION_ALONE = (
    LossConfig(contrastive_weight=0.0),
    replace(ONE_ROUND, temporal_serialization='merged', temporal_mask_pooling='off'),
)


LATE_SERIALIZATION = LossConfig(), replace(ONE_ROUND, temporal_serialization='late')


@pytest.mark.parametrize(
    ('losses', 'config'),
    [
        pytest.param(*ALL_STRATEGIES, id='all strategies'),
        pytest.param(*LATE_SERIALIZATION, id='late serialization', marks=pytest.mark.slow),
        pytest.param(*SERIALIZATION_ALONE, id='serialization alone', marks=pytest.mark.slow),
    ],
)
def test_learns_a_scene_by_heart(boxes_room, losses, config):
    """
    Every box, also the one that moves, ends as one mask with its class in both visits.

    When depends on the last bits of a processor: about 35 steps do, 200 are waited for.
    """
    rooms = [
        boxes_room(
            [
                ((x, 0.4, 0.0), *CHAIR),
                ((1.7, 1.7, 0.0), *TABLE),
                ((0.3, 2.2, 0.0), (0.5, 0.5, 1.2), (40, 160, 40)),
            ],
            seed=k,
            density=150,
        )
        for k, x in enumerate((0.4, 1.9))
    ]
    ids = np.arange(1, 4)
    visits, counts = [], []
    for scan, instance in rooms:
        cell = np.floor(scan.xyz.astype(np.float64) / 0.3).astype(np.int64)
        # Superpoints that never cross a box, as a good over-segmentation gives them.
        piece = np.unique(np.column_stack([cell, instance]), axis=0, return_inverse=True)[1]
        visits.append(make_visit_input(scan, piece, config))
        counts.append(instance_counts(visits[-1], instance, ids))
    owner = torch.from_numpy(np.concatenate(counts).argmax(1))
    targets = Targets(owner[None] == torch.from_numpy(ids)[:, None], torch.tensor([0, 1, 2]))

    torch.manual_seed(0)
    model = ReScene4D(config)
    criterion = Criterion(losses)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    truth = HeldOut(tuple(visits), tuple(counts), np.array([0, 1, 2]))
    for step in range(1, 201):
        model.train()
        optimizer.zero_grad()
        criterion(model(visits), targets)['total'].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 5 == 0 and validate(model, [truth], torch.device('cpu'))['t_ap50'] == 1.0:
            return
    pytest.fail('expected three masks with their classes after 200 steps')


def test_dropped_paths_keep_the_mean():
    torch.manual_seed(0)
    backbone = PointTransformer(9, replace(SMALL, drop_path=0.5))
    block = backbone.enc['enc4'].block1
    assert block.drop_path == 0.5
    rows = torch.ones(20_000, 1)
    kept = block.train()._kept(rows)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert abs(kept.mean() - 1) < 0.05
    assert torch.equal(block.eval()._kept(rows), rows)


def test_features_of_sonata_are_fed_where_asked_for(boxes_room):
    scan, _ = boxes_room([((0.4, 0.5, 0.0), *CHAIR)], density=100)
    config = replace(CONFIG, features='sonata', in_channels=9)
    visit = make_visit_input(scan, np.zeros(len(scan), int), config)
    low, high = scan.xyz.min(0), scan.xyz.max(0)
    middle = np.array([*(low + high)[:2] / 2, low[2]])
    np.testing.assert_allclose(visit.feats[:, :3].numpy(), visit.xyz.numpy() - middle, atol=1e-5)
    assert 0 <= visit.feats[:, 3:6].min() < visit.feats[:, 3:6].max() <= 1
    assert visit.feats[:, 6:].abs().max() <= 1
    with torch.no_grad():
        assert torch.isfinite(ReScene4D(config).eval()([visit]).mask_logits).all()


def test_features_that_do_not_fit_the_stem_are_refused():
    with pytest.raises(ConfigError, match='expected 9 for features'):
        ReScene4D(replace(CONFIG, features='sonata'))
