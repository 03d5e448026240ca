"""Settings of sequences of 3RScan and of corrections."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param
from rescene4d_ros.data.datasets.annotated_truth import AnnotationConfig

WINDOWS = ('sliding', 'exhaustive', 'single')


@dataclass(frozen=True)
class RioConfig(AnnotationConfig):
    """Settings of the 3RScan reader."""

    visits: int = param(2, 'Scans per sequence; 0 = all scans of a scene', ge=0, le=64)
    windows: str = param(
        'sliding',
        'Sequences of a scene: cyclic windows of its shuffled scans, all ordered choices, or '
        'one in the order of the metadata',
        one_of=WINDOWS,
    )
    seed: int = param(45, 'Seed of the order of scans of each scene (sliding)', ge=0)
