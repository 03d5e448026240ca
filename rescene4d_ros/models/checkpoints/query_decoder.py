"""Tensors of the published query decoder."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rescene4d_ros.models.checkpoints.entries import as_is, Entry
from rescene4d_ros.models.checkpoints.reading import Checkpoint
from rescene4d_ros.models.segmenter import ReScene4D
import torch
from torch import Tensor
from torch.nn import functional

# Ours -> published, for linear layers that correspond one to one.
_LINEAR = {
    'decoder.mask_head.0': 'mask_embed_head.0',
    'decoder.mask_head.2': 'mask_embed_head.2',
    'decoder.class_head': 'class_embed_head',
    'decoder.norm': 'decoder_norm',
}
_LAYER = {
    'squeeze': 'lin_squeeze.0.{}',
    'cross_attention.norm': 'cross_attention.0.{}.norm',
    'self_attention.norm': 'self_attention.0.{}.norm',
    'feed_forward.inner': 'ffn_attention.0.{}.linear1',
    'feed_forward.outer': 'ffn_attention.0.{}.linear2',
    'feed_forward.norm': 'ffn_attention.0.{}.norm',
}
_ATTENTION = {
    'cross_attention': 'cross_attention.0.{}.multihead_attn',
    'self_attention': 'self_attention.0.{}.self_attn',
}
# Loss weights, and the head of a loss that was never enabled.
UNUSED = ('criterion.*', 'model.change_embed_head.*')


def query_decoder_entries(model: ReScene4D, prefix: str, is_mask3d: bool) -> dict[str, Entry]:
    """
    Return the sources of the tensors outside the backbone.

    The class head of superpoints (`semantic_head`) is not published; networks with
    `seed_objectness: 0` do not use it.

    Parameters
    ----------
    model : ReScene4D
        With `query_content: zeros` and `mask_reach: 0`.
    prefix : str
        Before the published names.
    is_mask3d : bool
        Whether positions have three dimensions and mask features come from a MinkowskiEngine
        layer, as in Mask3D.

    """
    own = model.state_dict()
    entries: dict[str, Entry] = {}

    def add(ours: str, published: str, shape=None, bring=as_is) -> None:
        """Add one tensor; the published shape equals ours unless given."""
        entries[ours] = Entry(prefix + published, tuple(shape or own[ours].shape), bring)

    def add_linear(ours: str, published: str) -> None:
        """Add the weight and bias of a layer."""
        for part in ('weight', 'bias'):
            add(f'{ours}.{part}', f'{published}.{part}')

    dim = model.config.hidden_dim
    for ours, published in _LINEAR.items():
        add_linear(ours, published)
    for k in (0, 2):
        add(
            f'decoder.query_position.{k}.weight',
            f'query_projection.layers.{k}.weight',
            (dim, dim, 1),
            partial(torch.squeeze, dim=2),
        )
        add(f'decoder.query_position.{k}.bias', f'query_projection.layers.{k}.bias')
    if is_mask3d:
        co, ci = own['mask_features.weight'].shape
        add('mask_features.weight', 'mask_features_head.kernel', (ci, co), torch.t)
        add('mask_features.bias', 'mask_features_head.bias', (1, co), torch.ravel)
        add('decoder.encoding.frequencies', 'pos_enc.gauss_B', (3, dim // 2), _blind_to_time)
    else:
        add_linear('mask_features', 'mask_features_head')
        add('decoder.encoding.frequencies', 'pos_enc.gauss_B')
    if model.config.superpoint_pooling == 'gem':
        add('superpoint_pooling.exponent', 'scatter_fn.p')
    for level in range(len(model.decoder.layers)):
        here = f'decoder.layers.{level}'
        for ours, published in _LAYER.items():
            add_linear(f'{here}.{ours}', published.format(level))
        for ours, published in _ATTENTION.items():
            there = published.format(level)
            for part, name in enumerate(('query', 'key', 'value')):
                rows = slice(part * dim, (part + 1) * dim)
                add(
                    f'{here}.{ours}.{name}.weight',
                    f'{there}.in_proj_weight',
                    (3 * dim, dim),
                    partial(_rows, rows=rows),
                )
                add(
                    f'{here}.{ours}.{name}.bias',
                    f'{there}.in_proj_bias',
                    (3 * dim,),
                    partial(_rows, rows=rows),
                )
            add_linear(f'{here}.{ours}.out', f'{there}.out_proj')
    return entries


def fold_level_embedding(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    """
    Add the published embedding of each level to the bias of the level's layer.

    The embedding (`use_level_embed`) is added to what that layer returns, in every round, so the
    sum of both is the same network without it. A checkpoint without one is unchanged, and so is
    one whose shapes do not fit, which `fill` refuses.
    """
    state = dict(checkpoint.state)
    embedding = state.get(f'{prefix}level_embed.weight')
    if embedding is None or embedding.ndim != 2:
        return checkpoint
    for level, row in enumerate(embedding):
        name = f'{prefix}lin_squeeze.0.{level}.bias'
        if name not in state or state[name].shape != row.shape:
            return checkpoint
        state[name] = state[name] + row
    del state[f'{prefix}level_embed.weight']
    return replace(checkpoint, state=state)


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    """Return a slice of rows: queries, keys and values are one published matrix."""
    return tensor[rows]


def _blind_to_time(frequencies: Tensor) -> Tensor:
    """Return frequencies of x, y, z (3, C) with a row of zeros for time."""
    return functional.pad(frequencies, (0, 0, 0, 1))
