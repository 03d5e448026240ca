"""Which sequences are made of 3RScan, and how its flaws are treated."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param

WINDOWS = ('sliding', 'exhaustive', 'single')
COMPAT = ('corrected', 'official')


@dataclass(frozen=True)
class RioConfig:
    """Settings of the 3RScan reader."""

    visits: int = param(2, 'Scans per sequence; 0 = all scans of a scene', ge=0, le=64)
    windows: str = param(
        'sliding',
        'Which sequences of a scene: cyclic windows of its shuffled '
        'scans, all ordered choices, or one in the order of the metadata',
        one_of=WINDOWS,
    )
    seed: int = param(45, 'Shuffles the scans of each scene (sliding)', ge=0)
    compat: str = param(
        'corrected', 'official: as published with ReScene4D, with its flaws', one_of=COMPAT
    )

    @property
    def official(self) -> bool:
        """Return whether the published behavior is asked for."""
        return self.compat == 'official'
