"""What the compared methods may see and how they are set."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param
from rescene4d_ros.errors import ConfigError


@dataclass(frozen=True)
class ComparisonConfig:
    """Settings of the methods that are compared."""

    visits: int = param(
        0,
        'Only the first so many visits of each sequence; sequences that have '
        'fewer are left out; 0 = all of all',
        ge=0,
        le=1000,
    )
    window: int = param(
        0,
        'Most visits that joint segments together; longer sequences are cut '
        'into windows that share a visit; 0 = all',
        ge=0,
        le=100,
    )
    cell: float = param(
        0.1, 'Edge of the cells that per_visit_geometric compares', unit='m', ge=0.01, le=1.0
    )
    sample_seed: int = param(
        0,
        'Leaves out a tenth of the points of each visit, drawn by this '
        'seed, and shuffles the rest: how much hangs on which points the '
        'scanner hit; 0 = the files as they are',
        ge=0,
        le=2**31 - 1,
    )
    colors: bool = param(
        True, 'False: without the colors of the points, as a plain laser scanner sees'
    )

    def __post_init__(self):
        """Refuse windows that nothing links."""
        if self.window == 1:
            raise ConfigError(
                'ComparisonConfig.window: expected 0 or at least 2 visits, got 1; '
                'windows of one visit share none by which they could be linked'
            )
