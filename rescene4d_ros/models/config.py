"""Shape and behavior of the network; stored in the weights file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rescene4d_ros.config import param

UNETS = ('tiny', 'small', '18b', '34c')
POINT_TRANSFORMERS = (
    'ptv3-tiny',
    'sonata',
    'concerto-tiny',
    'concerto-small',
    'concerto',
    'concerto-large',
)
PUBLISHED = ('official', 'mask3d')  # values of `compat` that follow published code


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of the network; equal configs have equal tensor names and shapes."""

    backbone: str = param(
        'small',
        'Preset of the sparse U-Net (tiny, small, 18b, 34c) or of the Point '
        'Transformer V3 (the others)',
        one_of=(*UNETS, *POINT_TRANSFORMERS),
    )
    backbone_decoder: str = param(
        'own',
        'Way from the coarsest level of a Point Transformer to the finer ones: a decoder (own), '
        'or the features of the encoder, copied to the finer voxels (upcast)',
        one_of=('own', 'upcast'),
    )
    normalization: str = param(
        'running',
        'Statistics by which a U-Net normalizes in use: means over the training, as published '
        '(running), or those of each visit, in training too (visit)',
        one_of=('running', 'visit'),
    )
    in_channels: int = param(11, 'Input features per voxel', ge=1, le=64)
    features: str = param(
        'local',
        'Kind of the input features: color, normal, height, position in the voxel (local, '
        '11), or position in the visit, color, normal (sonata, 9; for Sonata and Concerto)',
        one_of=('local', 'sonata'),
    )
    voxel_size: float = param(
        0.08, 'Edge of a voxel of the common grid', unit='m', ge=0.005, le=0.5
    )
    fine_level_channels: int = param(
        0,
        'Channels of an additional level of half the voxel size, for small objects; 0 = none; '
        'needs a U-Net',
        ge=0,
        le=256,
    )
    n_classes: int = param(18, 'Object classes K, without "no object"', ge=1, le=1000)
    hidden_dim: int = param(128, 'Channels C of queries and mask features', ge=8, le=1024)
    n_heads: int = param(8, 'Attention heads; divides hidden_dim', ge=1, le=64)
    ffn_dim: int = param(512, 'Inner channels of the feed-forward layers', ge=8, le=8192)
    n_queries: int = param(100, 'Queries Q: the most objects one pass can find', ge=1, le=1000)
    structure_queries: bool = param(
        False,
        'Queries of their own for wall, floor and ceiling, which are no objects: what they claim '
        'is taken from the objects',
    )
    n_rounds: int = param(3, 'Passes over the levels with shared weights', ge=1, le=12)
    n_levels: int = param(4, 'Levels attended to, coarsest first', ge=1, le=4)
    fourier_scale: float = param(
        1.0, 'Standard deviation of the Fourier frequencies', ge=0.01, le=100.0
    )
    query_content: str = param(
        'seed',
        'Initial content of queries: features of the seed (seed) or zeros (zeros, as published)',
        one_of=('seed', 'zeros'),
    )
    mask_reach: float = param(
        0.8,
        'Length scale of positions encoded in mask features; 0 = no position, as published',
        unit='m',
        ge=0.0,
        le=100.0,
    )
    superpoint_pooling: str = param(
        'mean',
        'Mask features of a superpoint: mean of those of its voxels (mean), maximum (max), or '
        'generalized mean with a learned exponent (gem)',
        one_of=('mean', 'max', 'gem'),
    )
    seed_objectness: float = param(
        0.1,
        'Minimum object probability of a superpoint that seeds a query; 0 = all, as published',
        ge=0.0,
        le=1.0,
    )
    seed_time_scale: float = param(
        0.25,
        'Distance that corresponds to one unit of time in the farthest point sampling of seeds',
        unit='m',
        ge=0.0,
        le=100.0,
    )
    temporal_mask_pooling: str = param(
        'or',
        'Pooling of attention masks over the voxels of one place in all visits: logical or '
        '(or), mean logit (mean, as published), none (off)',
        one_of=('or', 'mean', 'off'),
    )
    temporal_serialization: str = param(
        'mixed',
        'Serialization in the decoder of a Point Transformer: each visit alone (off), all '
        'visits merged on the common grid (merged), alternating (mixed), merged in the last '
        'block only, so that the rest can be cached (late); unused by U-Nets',
        one_of=('off', 'merged', 'mixed', 'late'),
    )
    compat: str = param(
        'corrected',
        'official: as in the published code of ReScene4D, defects included; mask3d: as in that of '
        'Mask3D; see docs/design/segmenter.md',
        one_of=('corrected', *PUBLISHED),
    )
    train_tokens: int = param(
        3200,
        'Maximum of voxels attended to per level in training, a random subset beyond; 0 = all',
        ge=0,
        le=10_000_000,
    )


def effective(config: ModelConfig) -> ModelConfig:
    """
    Return the configuration with all switches as `compat` requires.

    `official` and `mask3d` set those that have a published value, and also select seeds at voxels
    and bounds of the Fourier encoding per level. `official` also selects visits on their own
    grids, the misread seeds of `published_seeds`, and patches of merged orders cut at the sizes
    of visits. Mask3D knows one visit, so the pooling of masks over visits is as given.
    """
    if config.compat not in PUBLISHED:
        return config
    pooling = config.temporal_mask_pooling
    if config.compat == 'official' and pooling != 'off':
        pooling = 'mean'
    return replace(
        config,
        fine_level_channels=0,
        normalization='running',
        query_content='zeros',
        structure_queries=False,
        mask_reach=0.0,
        seed_objectness=0.0,
        temporal_mask_pooling=pooling,
    )
