"""What the tests of published checkpoints share: names and shapes as publishers document them."""

import pytest
from rescene4d_ros.models.backbones.unet import PRESETS


def make_ptv3_shapes(preset, in_channels=9, decoder=False):
    """Return the tensors of a checkpoint as its publishers document them, name to shape."""
    shapes = {'embedding.mask_token': (1, preset.encoder_channels[0])}

    def add(name, co, *others):
        shapes.update({f'{name}.weight': (co, *others), f'{name}.bias': (co,)})

    def add_blocks(name, c, depth):
        for i in range(depth):
            block = f'{name}.block{i}'
            add(f'{block}.cpe.0', c, 3, 3, 3, c)
            add(f'{block}.cpe.1', c, c)
            add(f'{block}.attn.qkv', 3 * c, c)
            add(f'{block}.attn.proj', c, c)
            add(f'{block}.mlp.0.fc1', 4 * c, c)
            add(f'{block}.mlp.0.fc2', c, 4 * c)
            for norm in ('cpe.2', 'norm1.0', 'norm2.0'):
                add(f'{block}.{norm}', c)

    channels = preset.encoder_channels
    add('embedding.stem.linear', channels[0], in_channels)
    add('embedding.stem.norm', channels[0])
    for s, (c, depth) in enumerate(zip(channels, preset.encoder_depths)):
        if s:
            add(f'enc.enc{s}.down.proj', c, channels[s - 1])
            add(f'enc.enc{s}.down.norm.0', c)
        add_blocks(f'enc.enc{s}', c, depth)
    if decoder:
        below = (*preset.decoder_channels[1:], channels[-1])
        for s, (c, depth) in enumerate(zip(preset.decoder_channels, preset.decoder_depths)):
            add(f'dec.dec{s}.up.proj.0', c, below[s])
            add(f'dec.dec{s}.up.proj.1', c)
            add(f'dec.dec{s}.up.proj_skip.0', c, channels[s])
            add(f'dec.dec{s}.up.proj_skip.1', c)
            add_blocks(f'dec.dec{s}', c, depth)
    return shapes


@pytest.fixture
def ptv3_shapes():
    """Return the function that lists a Point Transformer's tensors; see `make_ptv3_shapes`."""
    return make_ptv3_shapes


def make_me_shapes(preset):
    """Return the tensors of a Res16UNet of MinkowskiEngine, name to shape, as documented."""
    shapes = {}

    def conv(name, *shape):
        shapes[f'{name}.kernel'] = shape

    def norm(name, c):
        shapes.update(
            {
                f'{name}.bn.{part}': (c,)
                for part in ('weight', 'bias', 'running_mean', 'running_var')
            }
        )
        shapes[f'{name}.bn.num_batches_tracked'] = ()

    def block(name, ci, co, depth):
        for i in range(depth):
            c = ci if i == 0 else co
            conv(f'{name}.{i}.conv1', 27, c, co)
            norm(f'{name}.{i}.norm1', co)
            conv(f'{name}.{i}.conv2', 27, co, co)
            norm(f'{name}.{i}.norm2', co)
            if c != co:
                conv(f'{name}.{i}.downsample.0', c, co)
                norm(f'{name}.{i}.downsample.1', co)

    planes, depths = preset.planes, preset.blocks
    conv('conv0p1s1', preset.stem_kernel**3, 3, preset.stem)
    norm('bn0', preset.stem)
    inside = (preset.stem, *planes[:3])
    for k, (name, ci) in enumerate(
        zip(('conv1p1s2', 'conv2p2s2', 'conv3p4s2', 'conv4p8s2'), inside)
    ):
        conv(name, 8, ci, ci)
        norm(f'bn{k + 1}', ci)
        block(f'block{k + 1}', ci, planes[k], depths[k])
    below = planes[3]
    for k, (name, skip) in enumerate(
        zip(('convtr4p16s2', 'convtr5p8s2', 'convtr6p4s2', 'convtr7p2s2'), reversed(inside))
    ):
        co = planes[4 + k]
        conv(name, 8, below, co)
        norm(f'bntr{k + 4}', co)
        block(f'block{k + 5}', co + skip, co, depths[4 + k])
        below = co
    return shapes


@pytest.fixture(scope='session')
def me_shapes():
    """Return the function that lists a U-Net's tensors; see `make_me_shapes`."""
    return make_me_shapes


def make_mask3d_shapes():
    """Return the tensors of a small Mask3D, name to shape, as its code creates them."""
    dim, inner, outputs = 32, 48, 19
    shapes = {f'backbone.{n}': s for n, s in make_me_shapes(PRESETS['tiny']).items()}
    shapes |= {'backbone.final.kernel': (16, 20), 'backbone.final.bias': (1, 20)}
    shapes |= {'mask_features_head.kernel': (16, dim), 'mask_features_head.bias': (1, dim)}
    shapes['pos_enc.gauss_B'] = (3, dim // 2)

    def add(name, co, *others):
        shapes.update({f'{name}.weight': (co, *others), f'{name}.bias': (co,)})

    for k in (0, 2):
        add(f'query_projection.layers.{k}', dim, dim, 1)
        add(f'mask_embed_head.{k}', dim, dim)
    add('class_embed_head', outputs, dim)
    add('decoder_norm', dim)
    for level, size in enumerate((16, 16, 16, 16)):
        for attention in (
            f'cross_attention.0.{level}.multihead_attn',
            f'self_attention.0.{level}.self_attn',
        ):
            shapes[f'{attention}.in_proj_weight'] = (3 * dim, dim)
            shapes[f'{attention}.in_proj_bias'] = (3 * dim,)
            add(f'{attention}.out_proj', dim, dim)
            add(f'{attention.rpartition(".")[0]}.norm', dim)
        add(f'ffn_attention.0.{level}.linear1', inner, dim)
        add(f'ffn_attention.0.{level}.linear2', dim, inner)
        add(f'ffn_attention.0.{level}.norm', dim)
        add(f'lin_squeeze.0.{level}', dim, size)
    return shapes


@pytest.fixture(scope='session')
def mask3d_shapes():
    """Return the tensors of a small Mask3D; see `make_mask3d_shapes`."""
    return make_mask3d_shapes()


def make_rescene4d_shapes(ptv3_preset, decoder=True):
    """Return the tensors of a small ReScene4D with a Point Transformer, name to shape."""
    shapes = {n: s for n, s in make_mask3d_shapes().items() if not n.startswith('backbone.')}
    del shapes['mask_features_head.kernel']
    channels, own = ptv3_preset.encoder_channels, ptv3_preset.decoder_channels
    shapes |= {'mask_features_head.weight': (32, own[0]), 'mask_features_head.bias': (32,)}
    shapes['pos_enc.gauss_B'] = (4, 16)
    for k, size in enumerate((channels[-1], *reversed(own[1:]))):
        shapes[f'lin_squeeze.0.{k}.weight'] = (32, size)
    backbone = make_ptv3_shapes(ptv3_preset, decoder=decoder)
    shapes |= {f'backbone.model.{name}': shape for name, shape in backbone.items()}
    if not decoder:
        joined = channels[4] + channels[3]
        inputs = (joined, joined + channels[2], joined + channels[2], joined + channels[2])
        for k, (ci, co) in enumerate(zip(inputs, reversed(own))):
            shapes[f'backbone.adapters.{k}.weight'] = (co, ci)
            shapes[f'backbone.adapters.{k}.bias'] = (co,)
    return shapes


@pytest.fixture(scope='session')
def rescene4d_shapes():
    """Return the function that lists ReScene4D's tensors; see `make_rescene4d_shapes`."""
    return make_rescene4d_shapes
