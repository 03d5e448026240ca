"""Settings of the compared methods."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.tracking.settings import TrackerConfig


@dataclass(frozen=True)
class ComparisonConfig:
    """Settings of the methods that are compared."""

    visits: int = param(
        0,
        'Number of visits per sequence, from the first; shorter sequences are left out; 0 = '
        'all visits of all sequences',
        ge=0,
        le=1000,
    )
    window: int = param(
        0,
        'Largest number of visits that joint segments together; longer sequences are cut into '
        'windows that share a visit; 0 = all',
        ge=0,
        le=100,
    )
    tracker_window: int = param(
        TrackerConfig().window,
        'tracker.window of the methods with a memory; 1 = each visit is segmented alone',
        ge=1,
        le=12,
    )
    cell: float = param(
        0.1, 'Edge of the cells that per_visit_geometric compares', unit='m', ge=0.01, le=1.0
    )
    sample_seed: int = param(
        0,
        'Seed for removing a tenth of the points of each visit and shuffling the rest, to '
        'measure the influence of sampling; 0 = use the files unchanged',
        ge=0,
        le=2**31 - 1,
    )
    colors: bool = param(
        True, 'Use the colors of the points; false = as a laser scanner without color'
    )
    sensor_path: bool = param(
        True,
        'Use the positions of the sensor; false = as clouds and messages that do not carry them',
    )
    use_regions: bool = param(
        TrackerConfig().use_regions, 'tracker.use_regions of the methods with a memory'
    )
    published_top: int = param(
        100,
        'Number of best pairs of query and class that published keeps (Mask3D: 500 on ScanNet, '
        '750 on ScanNet200); 0 = as many as there are masks',
        ge=0,
        le=100_000,
    )
    published_gap: float = param(
        0.0,
        'Parts of a mask of published farther apart than this are masks of their own (Mask3D: '
        '0.95 on ScanNet, 0.6 on S3DIS); 0 = never',
        unit='m',
        ge=0.0,
        le=100.0,
    )

    def __post_init__(self):
        """Refuse windows that share no visit."""
        if self.window == 1:
            raise ConfigError(
                'ComparisonConfig.window: expected 0 or at least 2 visits, got 1; '
                'windows of one visit share none by which they could be linked'
            )
