"""Published segmenters: their tensors under our names, against networks written as published."""

import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.class_lists import class_list
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import ConfigError, WeightsError
from rescene4d_ros.inference.weights_file import load_weights
from rescene4d_ros.models.backbones.point_transformer import PointTransformer
from rescene4d_ros.models.backbones.point_transformer import PRESETS as PTV3_PRESETS
from rescene4d_ros.models.backbones.unet import PRESETS, SparseUNet
from rescene4d_ros.models.checkpoints import convert, load_pretrained
from rescene4d_ros.models.checkpoints.point_transformer import published_preset
from rescene4d_ros.models.checkpoints.reading import Checkpoint
from rescene4d_ros.models.decoder_parts import published_seeds
from rescene4d_ros.models.inputs import make_visit_input
import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
DIM, INNER, HEADS, LEVELS = 32, 48, 4, 4
MEAN = torch.tensor([0.47793125906962, 0.4303257521323044, 0.3749598901421883])
STD = torch.tensor([0.2834475483823543, 0.27566157565723015, 0.27018971370874995])
UNET_SIZES, PTV3_SIZES = (16, 16, 16, 16, 16), (48, 32, 32, 16, 16)  # coarsest first
SMALL_SETTINGS = {'n_heads': HEADS, 'n_queries': 12, 'voxel_size': 0.15}


class PublishedAttention(nn.Module):
    """One attention layer; the attention is torch's own, under its published name."""

    def __init__(self, name, dim, heads):
        super().__init__()
        self.kind = name
        self.add_module(name, nn.MultiheadAttention(dim, heads, batch_first=True))
        self.norm = nn.LayerNorm(dim)

    def forward(self, queries, keys, values, masked=None):
        attention = self.get_submodule(self.kind)
        add = attention(queries[0][None], keys[None], values[None], attn_mask=masked)[0][0]
        return self.norm(queries[1] + add)


class PublishedFeedForward(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        return self.norm(x + self.linear2(self.linear1(x).relu()))


class PublishedDecoder(nn.Module):
    """
    The query decoder as its publishers describe it, for one sequence, under their names.

    Parameters
    ----------
    sizes : sequence of 5 int
        Channels of the levels, coarsest first.
    dim, inner, heads, classes : int

    """

    def __init__(self, sizes, dim, inner, heads, classes):
        super().__init__()
        self.mask_features_head = nn.Linear(sizes[-1], dim)
        self.query_projection = nn.ModuleDict(
            {
                'layers': nn.Sequential(
                    nn.Conv1d(dim, dim, 1), nn.ReLU(), nn.Conv1d(dim, dim, 1), nn.ReLU()
                )
            }
        )
        self.mask_embed_head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.class_embed_head = nn.Linear(dim, classes + 1)
        self.pos_enc = nn.Module()
        self.pos_enc.register_buffer('gauss_B', torch.randn(4, dim // 2))
        layers = sizes[:LEVELS]
        self.cross_attention = nn.ModuleList(
            [nn.ModuleList(PublishedAttention('multihead_attn', dim, heads) for _ in layers)]
        )
        self.self_attention = nn.ModuleList(
            [nn.ModuleList(PublishedAttention('self_attn', dim, heads) for _ in layers)]
        )
        self.ffn_attention = nn.ModuleList(
            [nn.ModuleList(PublishedFeedForward(dim, inner) for _ in layers)]
        )
        self.lin_squeeze = nn.ModuleList([nn.ModuleList(nn.Linear(c, dim) for c in layers)])
        self.level_embed = None
        self.decoder_norm = nn.LayerNorm(dim)

    def encode(self, points, of):
        low, high = of.amin(0), of.amax(0)
        phase = 2 * torch.pi * (points - low) / (high - low + 1e-6) @ self.pos_enc.gauss_B
        return torch.cat([phase.sin(), phase.cos()], 1)

    def forward(self, levels, segment_feats, segment_of, children, finest, seeds):
        """
        Return class logits (13, Q, K + 1) and mask logits (13, S, Q).

        `levels` are (features, points) coarsest first; `segment_of` names the segment of each
        finest voxel, `children` the parent of each voxel, finest level first.
        """
        position = self.encode(finest[seeds], finest).T[None]
        position = self.query_projection['layers'](position)[0].T
        queries = torch.zeros_like(position)
        classes, masks = [], []

        def predict():
            normed = self.decoder_norm(queries)
            classes.append(self.class_embed_head(normed))
            masks.append(segment_feats @ self.mask_embed_head(normed).T)
            return masks[-1]

        for _ in range(3):
            for h, (feats, points) in enumerate(levels):
                pooled = predict()[segment_of]
                for parent in children[: LEVELS - h]:
                    n = int(parent.max()) + 1
                    pooled = torch.stack([pooled[parent == k].mean(0) for k in range(n)])
                masked = (pooled.sigmoid() < 0.5).T
                masked[masked.all(1)] = False
                memory = self.lin_squeeze[0][h](feats)
                if self.level_embed is not None:
                    memory = memory + self.level_embed.weight[h]
                queries = self.cross_attention[0][h](
                    (queries + position, queries),
                    memory + self.encode(points, points),
                    memory,
                    masked,
                )
                queries = self.self_attention[0][h](
                    (queries + position, queries), queries + position, queries
                )
                queries = self.ffn_attention[0][h](queries)
        predict()
        return torch.stack(classes), torch.stack(masks)


def published_decoder(sizes, classes=18):
    torch.manual_seed(1)
    decoder = PublishedDecoder(sizes, DIM, INNER, HEADS, classes)
    with torch.no_grad():
        for p in decoder.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
    return decoder.eval()


def random_tensors(shapes, seed=2):
    """Return tensors that keep features of about unit size."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith('num_batches_tracked'):
            state[name] = torch.tensor(7)
        elif name.endswith('running_var') or (len(shape) == 1 and name.endswith('weight')):
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        else:
            fan = np.prod(shape[:2]) if name.endswith('.kernel') else np.prod(shape[1:])
            state[name] = torch.randn(shape, generator=generator) * max(2.5 * fan, 16) ** -0.5
    return state


@pytest.fixture
def save(tmp_path):
    """Return a function that writes a training checkpoint and returns its path."""

    def write(state, **more):
        torch.save({'state_dict': state, 'epoch': 3, **more}, tmp_path / 'published.ckpt')
        return tmp_path / 'published.ckpt'

    return write


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.fixture
def me_checkpoint(me_shapes):
    """Return a function that makes the tensors of a ReScene4D checkpoint with a U-Net."""

    def make():
        return {
            **under('model.backbone.', random_tensors(me_shapes(PRESETS['tiny']))),
            **under('model.', published_decoder(UNET_SIZES).state_dict()),
            'criterion.empty_weight': torch.ones(19),
            'criterion.change_weights': torch.ones(6),
        }

    return make


@pytest.fixture
def mask3d_checkpoint(me_checkpoint):
    """Return the same as Mask3D names and shapes it."""
    state = {k: v for k, v in me_checkpoint().items() if not k.startswith('criterion.change')}
    state['model.mask_features_head.kernel'] = state.pop('model.mask_features_head.weight').T
    state['model.mask_features_head.bias'] = state['model.mask_features_head.bias'][None]
    state['model.pos_enc.gauss_B'] = state['model.pos_enc.gauss_B'][:3]
    return state | {
        'model.backbone.final.kernel': torch.zeros(16, 20),
        'model.backbone.final.bias': torch.zeros(1, 20),
    }


def test_full_unet_has_the_published_tensors(me_shapes):
    """The names, shapes and number of weights of Mask3D's Res16UNet34C."""
    shapes = me_shapes(PRESETS['34c'])
    assert shapes['conv0p1s1.kernel'] == (125, 3, 32)
    assert shapes['block5.0.conv1.kernel'] == (27, 384, 256)
    assert shapes['block6.0.downsample.0.kernel'] == (192, 128)
    assert shapes['block8.0.conv1.kernel'] == (27, 128, 96)
    with torch.device('meta'):
        ours = SparseUNet(3, PRESETS['34c'])
    published = sum(int(np.prod(s)) for n, s in shapes.items() if not n.endswith('_tracked'))
    buffers = sum(b.numel() for n, b in ours.named_buffers() if not n.endswith('_tracked'))
    assert published == sum(p.numel() for p in ours.parameters()) + buffers


@pytest.mark.parametrize(
    ('sizes', 'heads_total'),
    [((512, 384, 192, 96, 96), 1817875), ((256, 256, 128, 96, 96), 1760531)],
)
def test_decoder_twin_has_the_published_size(sizes, heads_total):
    decoder = PublishedDecoder(sizes, 128, 1024, 8, 18)
    assert sum(p.numel() for p in decoder.parameters()) == heads_total
    shapes = {name: tuple(t.shape) for name, t in decoder.state_dict().items()}
    assert shapes['cross_attention.0.3.multihead_attn.in_proj_weight'] == (384, 128)
    assert shapes['self_attention.0.0.self_attn.out_proj.weight'] == (128, 128)
    assert shapes['query_projection.layers.2.weight'] == (128, 128, 1)
    assert shapes['lin_squeeze.0.0.weight'] == (128, sizes[0])
    assert shapes['pos_enc.gauss_B'] == (4, 64)


def dense_unet(state, preset, colors, cells):
    """
    Compute the U-Net's levels on volumes, empty cells held at zero; as published.

    Parameters
    ----------
    state : dict of str to Tensor
        Published names without prefix.
    colors : Tensor (V, 3)
        Normalized.
    cells : Tensor (V, 3), int64
        In 0..15.

    Returns
    -------
    list of 5 Tensor (1, C, n, n, n), coarsest first

    """
    here = torch.zeros(1, 1, 16, 16, 16)
    here[0, 0, cells[:, 0], cells[:, 1], cells[:, 2]] = 1
    occupied = [here]
    for _ in range(4):
        occupied.append(functional.max_pool3d(occupied[-1], 2))
    x = torch.zeros(1, 3, 16, 16, 16)
    x[0, :, cells[:, 0], cells[:, 1], cells[:, 2]] = colors.T

    def volume(name):
        kernel = state[f'{name}.kernel']
        n = round(len(kernel) ** (1 / 3))
        return kernel.view(n, n, n, *kernel.shape[1:]).permute(4, 3, 2, 1, 0)

    def normed(x, name, level):
        part = [state[f'{name}.bn.{p}'] for p in ('running_mean', 'running_var', 'weight', 'bias')]
        return functional.batch_norm(x, *part) * occupied[level]

    def conv(x, name):
        weight = volume(name)
        return functional.conv3d(x, weight, padding=weight.shape[-1] // 2)

    def stage(x, name, depth, level):
        for i in range(depth):
            block, short = f'{name}.{i}', x
            if f'{block}.downsample.0.kernel' in state:
                linear = state[f'{block}.downsample.0.kernel'].T[..., None, None, None]
                short = normed(functional.conv3d(x, linear), f'{block}.downsample.1', level)
            x = normed(conv(x, f'{block}.conv1'), f'{block}.norm1', level).relu()
            x = (normed(conv(x, f'{block}.conv2'), f'{block}.norm2', level) + short).relu()
        return x

    x = normed(conv(x, 'conv0p1s1'), 'bn0', 0).relu()
    skips = []
    for k, name in enumerate(('conv1p1s2', 'conv2p2s2', 'conv3p4s2', 'conv4p8s2')):
        skips.append(x)
        x = normed(functional.conv3d(x, volume(name), stride=2), f'bn{k + 1}', k + 1).relu()
        x = stage(x, f'block{k + 1}', preset.blocks[k], k + 1)
    levels = [x]
    for k, name in enumerate(('convtr4p16s2', 'convtr5p8s2', 'convtr6p4s2', 'convtr7p2s2')):
        x = functional.conv_transpose3d(x, volume(name).transpose(0, 1), stride=2)
        x = torch.cat([normed(x, f'bntr{k + 4}', 3 - k).relu(), skips.pop()], 1)
        x = stage(x, f'block{k + 5}', preset.blocks[4 + k], 3 - k)
        levels.append(x)
    return levels


@pytest.fixture
def visits(boxes_room):
    """Return a function that makes two visits for a model; the second sees a part."""
    scan, _ = boxes_room(
        [((0.4, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))], density=60, floor=2.2
    )

    def make(config):
        return [
            make_visit_input(
                s,
                np.unique(np.floor(s.xyz / 0.3).astype(int), axis=0, return_inverse=True)[1],
                config,
            )
            for s in (scan, scan.take(scan.xyz[:, 0] > 1.0))
        ]

    return make


def test_unet_of_a_checkpoint_computes_what_is_published(save, visits, me_checkpoint):
    """Features of all five levels, from colors in 0..255 on, equal dense convolutions."""
    state = me_checkpoint()
    converted = convert(save(state), {'backbone': 'tiny', **SMALL_SETTINGS})
    assert converted.family == 'rescene4d-unet'
    visit = visits(converted.model.config)[0]
    colors = ((visit.feats[:, :3] + 1) / 2 - MEAN) / STD
    own = {n.removeprefix('model.backbone.'): t for n, t in state.items()}
    dense = dense_unet(own, PRESETS['tiny'], colors, visit.coords)
    assert visit.coords.amin() >= 0
    assert visit.coords.amax() < 16
    with torch.no_grad():
        (features,) = converted.model.encode([visit])
        for level, volume in zip(features.levels, dense):
            x, y, z = level.coords.T
            torch.testing.assert_close(level.feats, volume[0, :, x, y, z].T, rtol=1e-4, atol=1e-4)
        x, y, z = visit.coords.T
        mask = converted.model.mask_features(dense[-1][0, :, x, y, z].T)
        superpoint = torch.stack(
            [mask[visit.superpoint == s].mean(0) for s in range(visit.n_superpoints)]
        )
    torch.testing.assert_close(features.superpoint_features, superpoint, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('family', 'level_embed'),
    [('rescene4d-unet', True), ('rescene4d-unet', False), ('rescene4d-ptv3', False)],
)
def test_query_decoder_of_a_checkpoint_computes_what_is_published(
    save, visits, ptv3_shapes, family, level_embed, me_checkpoint
):
    """All prediction sets of two visits equal those of the decoder written as published."""
    if family == 'rescene4d-unet':
        state, sizes = me_checkpoint(), UNET_SIZES
    else:
        shapes = ptv3_shapes(PTV3_PRESETS['ptv3-tiny'], decoder=True)
        sizes = PTV3_SIZES
        state = {
            **under('model.backbone.model.', random_tensors(shapes)),
            **under('model.', published_decoder(sizes).state_dict()),
        }
    twin = published_decoder(sizes)
    if level_embed:
        twin.level_embed = nn.Embedding(LEVELS, DIM)
        state['model.level_embed.weight'] = twin.level_embed.weight.detach().clone()
    converted = convert(
        save(state),
        {
            'backbone': 'tiny' if family == 'rescene4d-unet' else 'ptv3-tiny',
            **SMALL_SETTINGS,
            'temporal_serialization': 'off',
        },
    )
    assert converted.family == family
    model = converted.model
    inputs = visits(model.config)
    with torch.no_grad():
        features = model.encode(inputs)
        output = model.decode(features)

        def joined(of):
            return torch.cat(
                [functional.pad(of(v), (0, 1), value=float(t)) for t, v in enumerate(features)]
            )

        levels = [
            (
                torch.cat([v.levels[k].feats for v in features]),
                joined(lambda v, k=k: v.levels[k].xyz),
            )
            for k in range(LEVELS)
        ]
        cells = torch.cat(
            [functional.pad(v.coords, (1, 0), value=t) for t, v in enumerate(inputs)]
        )
        parents, order = [], cells
        for k in reversed(range(LEVELS)):
            coarse = torch.cat(
                [
                    functional.pad(v.levels[k].coords, (1, 0), value=t)
                    for t, v in enumerate(features)
                ]
            )
            up = torch.cat([order[:, :1], order[:, 1:] >> 1], 1)
            parents.append((up[:, None] == coarse).all(2).int().argmax(1))
            order = coarse
        starts = np.cumsum([0, inputs[0].n_superpoints])
        segment_of = torch.cat([v.superpoint + int(s) for v, s in zip(inputs, starts)])
        seeds, _ = published_seeds(features, (0, 1), model.config)
        classes, masks = twin(
            levels,
            torch.cat([v.superpoint_features for v in features]),
            segment_of,
            parents,
            joined(lambda v: v.finest.xyz),
            seeds,
        )
    torch.testing.assert_close(output.class_logits, classes, rtol=1e-3, atol=2e-4)
    torch.testing.assert_close(output.mask_logits, masks, rtol=1e-3, atol=2e-4)


def test_mask3d_gives_the_same_network_blind_to_time(save, me_checkpoint, mask3d_checkpoint):
    """Other names and shapes of the same tensors; frequencies of time are zero."""
    ours = convert(save(mask3d_checkpoint), {'backbone': 'tiny', **SMALL_SETTINGS})
    assert ours.family == 'mask3d'
    assert set(ours.coverage.left_out) == {
        'criterion.empty_weight',
        'model.backbone.final.bias',
        'model.backbone.final.kernel',
    }
    theirs = convert(save(me_checkpoint()), {'backbone': 'tiny', **SMALL_SETTINGS})
    one, two = ours.model.state_dict(), theirs.model.state_dict()
    different = {name for name in one if not torch.equal(one[name], two[name])}
    assert different == {'decoder.encoding.frequencies'}
    frequencies = one['decoder.encoding.frequencies']
    assert torch.equal(frequencies[:3], two['decoder.encoding.frequencies'][:3])
    assert not frequencies[3].any()


def test_every_tensor_is_accounted_for(save, ptv3_shapes):
    state = under(
        'model.backbone.model.',
        random_tensors(ptv3_shapes(PTV3_PRESETS['ptv3-tiny'], decoder=True)),
    )
    state |= under('model.', published_decoder(PTV3_SIZES).state_dict())
    converted = convert(save(state), {'backbone': 'ptv3-tiny', **SMALL_SETTINGS})
    coverage = converted.coverage
    assert set(coverage.loaded) | set(coverage.left_out) == set(state)
    assert coverage.left_out == ('model.backbone.model.embedding.mask_token',)
    assert coverage.as_initialized == (
        'decoder.semantic_head.weight',
        'decoder.semantic_head.bias',
    )
    kernel = state['model.backbone.model.dec.dec2.block1.cpe.0.weight']
    ours = converted.model.backbone.dec['dec2'].block1.cpe[0].kernel
    assert torch.equal(ours[1 + 3 * (0 + 3 * 2)], kernel[:, 1, 0, 2].T)


def test_encoder_alone_leaves_the_rest_to_training(save, ptv3_shapes):
    state = random_tensors(ptv3_shapes(PTV3_PRESETS['ptv3-tiny']))
    converted = convert(save(state), {'backbone': 'ptv3-tiny', 'hidden_dim': 32}, seed=5)
    assert converted.family == 'encoder'
    assert converted.model.config.query_content == 'seed'
    assert {name.split('.')[0] for name in converted.coverage.loaded} == {'embedding', 'enc'}
    assert 'decoder.class_head.weight' in converted.coverage.as_initialized
    again = convert(save(state), {'backbone': 'ptv3-tiny', 'hidden_dim': 32}, seed=5)
    for name, tensor in converted.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


@pytest.mark.parametrize(
    'preset', ['concerto-tiny', 'concerto-small', 'concerto', 'concerto-large']
)
def test_full_size_is_told_by_the_tensors(ptv3_shapes, preset):
    """Without weights: the network that is made has every tensor of the documented shapes."""
    with torch.device('meta'):
        state = {
            name: torch.empty(shape) for name, shape in ptv3_shapes(PTV3_PRESETS[preset]).items()
        }
        checkpoint = Checkpoint(Path('published.pth'), state, {})
        assert published_preset(checkpoint) == preset
        backbone = PointTransformer(9, PTV3_PRESETS[published_preset(checkpoint)])
        coverage = load_pretrained(backbone, checkpoint)
    assert set(coverage.loaded) == set(state) - {'embedding.mask_token'}
    whole = {f'model.backbone.model.{name}': tensor for name, tensor in state.items()}
    assert (
        published_preset(Checkpoint(Path('whole.ckpt'), whole, {}), 'model.backbone.model.')
        == preset
    )


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        (lambda s: s.pop('model.decoder_norm.bias'), 'missing model.decoder_norm.bias'),
        (
            lambda s: s.update({'model.level_embed.weight': torch.zeros(5, 32)}),
            'unexpected model.level_embed.weight',
        ),
        (
            lambda s: s.update({'model.query_feat.weight': torch.zeros(4, 32)}),
            'unexpected model.query_feat.weight',
        ),
        (
            lambda s: s.update({'model.lin_squeeze.0.1.bias': torch.zeros(9)}),
            r'lin_squeeze.0.1.bias \(9,\) instead of \(32,\)',
        ),
        (
            lambda s: s.pop('model.class_embed_head.weight'),
            'expected the matrix model.class_embed',
        ),
        (
            lambda s: [s.pop(n) for n in list(s) if 'backbone' in n],
            'expected tensors of ReScene4D',
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(save, change, told, me_checkpoint):
    state = me_checkpoint()
    change(state)
    with pytest.raises(WeightsError, match=told):
        convert(save(state), {'backbone': 'tiny', **SMALL_SETTINGS})


def test_named_tensors_may_differ(save, me_checkpoint):
    state = me_checkpoint()
    state['model.query_feat.weight'] = torch.zeros(4, 32)
    del state['model.decoder_norm.bias']
    converted = convert(
        save(state),
        {'backbone': 'tiny', **SMALL_SETTINGS},
        may_have=['model.query_feat*'],
        may_lack=['model.decoder_norm.*'],
    )
    assert 'model.query_feat.weight' in converted.coverage.left_out
    assert 'model.decoder_norm.bias' in converted.coverage.as_initialized


def test_backbone_of_the_other_kind_is_refused(save, me_checkpoint):
    with pytest.raises(ConfigError, match='expected one of tiny, small, 18b, 34c'):
        convert(save(me_checkpoint()), {'backbone': 'sonata'})


class Command:
    """Pickles as a call of os.system, or as an object with state, as training settings do."""

    def __init__(self, command=None):
        self.command = command

    def __reduce__(self):
        return (os.system, (self.command,)) if self.command else (Command, (), {'a': [1, 2]})


def test_settings_of_unknown_classes_do_not_hinder_and_do_not_run(save, tmp_path, me_checkpoint):
    path = save(me_checkpoint(), hyper_parameters={'config': Command(), 'kind': Command})
    assert convert(path, {'backbone': 'tiny', **SMALL_SETTINGS}).family == 'rescene4d-unet'
    trap = tmp_path / 'ran'
    path = save(me_checkpoint(), hyper_parameters=Command(f'touch {trap}'))
    with pytest.raises(WeightsError, match='run code'):
        convert(path, {'backbone': 'tiny', **SMALL_SETTINGS})
    state = me_checkpoint() | {'model.decoder_norm.bias': Command()}
    with pytest.raises(WeightsError, match='run code'):
        convert(save(state), {'backbone': 'tiny', **SMALL_SETTINGS})
    assert not trap.exists()


def test_command_writes_weights_that_load(save, tmp_path, me_checkpoint):
    """A real process: the file it writes gives the same network, and it tells the coverage."""
    path, out = save(me_checkpoint()), tmp_path / 'new' / 'converted.safetensors'
    settings = {'backbone': 'tiny', **SMALL_SETTINGS}
    command = [
        sys.executable,
        '-m',
        'rescene4d_ros.cli.main',
        'convert',
        str(path),
        '--out',
        str(out),
        *[f'--set={k}={v}' for k, v in settings.items()],
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 'left out: 2 (criterion.empty_weight, criterion.change_weights)' in told
    model, info = load_weights(out)
    assert info.class_names == class_list('scannet18').names
    assert info.training['family'] == 'rescene4d-unet'
    expected = convert(path, settings).model
    assert model.config == expected.config
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_command_refuses_with_a_reason(save, tmp_path, capsys, me_checkpoint):
    path, out = str(save(me_checkpoint())), tmp_path / 'none.safetensors'
    for settings, told in (
        ('backbone=sonata', 'expected one of tiny, small, 18b, 34c'),
        ('backbone', 'expected NAME=VALUE'),
    ):
        assert main(['convert', path, '--out', str(out), '--set', settings]) == 2
        assert told in capsys.readouterr().err
    assert not out.exists()
