"""How the segmenter runs and what it keeps; what it is travels inside the weights."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class InferenceConfig:
    """Settings of the segmenter on this machine."""

    weights: str = param(
        '',
        'Weights file, or the name of weights added with `rescene4d weights add`; empty = those '
        'shipped with the package',
    )
    classes: str = param(
        '',
        'Classes of the results: empty = those of the weights; scannet18, scannet20, scannet200, '
        's3dis, stpls3d, 3rscan, 3rscan160, rio27, rio7, nyu40, rescene4d (those of the shipped '
        'weights), agnostic, or a text file with one name per line',
    )
    device: str = param(
        'auto', 'Device of the network; auto = CUDA if available', one_of=('auto', 'cpu', 'cuda')
    )
    torch_threads: int = param(
        0, 'CPU threads of the network; 0 = all cores but one, at least one', ge=0, le=1024
    )
    sparse_backend: str = param(
        'native',
        'Implementation of sparse convolution; auto = torchsparse if installed and the '
        'network runs on CUDA',
        one_of=('native', 'torchsparse', 'auto'),
    )
    queries: int = param(
        300,
        'Number of queries, the largest number of objects per pass; 0 = as in training, which '
        'weights with compat: official or mask3d always use',
        ge=0,
        le=1000,
    )
    tile_size: float = param(
        6.0,
        'Edge of the tiles by which visits are segmented that cover more floor than 3.5 tiles, '
        'where walls do not part smaller rooms: each has its own queries, and a margin that '
        'neighbors share; 0 = always one pass',
        unit='m',
        ge=0.0,
        le=1000.0,
        live=True,
    )
    orientations: int = param(
        1,
        'Passes of the network, each with the map turned by another angle; more find more small '
        'objects, each costs the time of normals and network again',
        ge=1,
        le=4,
    )
    cache_visits: int = param(4, 'Number of latest visits with features in memory', ge=0, le=1000)
    cache_files: int = param(
        32,
        'Number of recently used visits with features on disk, beside their points',
        ge=0,
        le=1_000_000,
    )
    selection: str = param(
        'auto',
        'How instances are made of masks: queries = the best query has each superpoint; tree = '
        'the best set among queries and a merge tree of superpoints; published = the best-scored '
        'mask has each superpoint, nothing is merged, left out or split; auto = tree for weights '
        'with a model of mask quality, such as those of the package, else queries',
        one_of=('auto', 'queries', 'tree', 'published'),
    )
    choice: str = param(
        'exact',
        'With the selection tree, how a set without overlap is chosen: exact = most quality in '
        'sum on the tree; greedy = the best first',
        one_of=('exact', 'greedy'),
    )
    least_quality: float = param(
        0.25,
        'With the selection tree, least expected quality of an instance',
        ge=0.0,
        le=1.0,
        live=True,
    )
    score_threshold: float = param(
        0.2,
        'Minimum of class probability times mask quality of an instance',
        ge=0.0,
        le=1.0,
        live=True,
    )
    mask_threshold: float = param(
        0.5, 'Minimum mask probability of an instance on a superpoint', ge=0.0, le=1.0, live=True
    )
    duplicate_overlap: float = param(
        0.5,
        'Masks that overlap more (intersection over union) are one instance',
        ge=0.0,
        le=1.0,
        live=True,
    )
    part_overlap: float = param(
        0.8,
        'If more than this share of a mask lies in a larger one of the same class, only the '
        'better of both is kept; 1 = keep both',
        ge=0.0,
        le=1.0,
        live=True,
    )
    min_points: int = param(
        50, 'Minimum number of points of an instance in a visit', ge=1, le=1_000_000, live=True
    )
    split_gap: float = param(
        0.3,
        'Parts of an instance with a larger gap become separate instances; 0 = never',
        unit='m',
        ge=0.0,
        le=10.0,
        live=True,
    )
    source: str = param(
        'network',
        'Where instances come from: network = the segmenter; given = the field instance of each '
        'cloud, with class and score where it has them; none = objects are found by geometry '
        'alone where they come, leave or move',
        one_of=('network', 'given', 'none'),
    )
