"""What the tests of published checkpoints share: names and shapes as publishers document them."""

import pytest


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
