"""Settings of the visit builder."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class VisitBuildingConfig:
    """Hold the settings of keyframes, fusion, free space and the checks of the input."""

    voxel_size: float = param(
        0.025, 'Edge of a voxel; one point of the visit per voxel', unit='m', ge=0.005, le=0.2
    )
    max_voxels: int = param(
        3_000_000,
        'Most voxels of one visit, of about 70 bytes each; what would need more is left out, '
        'with a warning',
        ge=1000,
        le=50_000_000,
    )
    keyframe_distance: float = param(
        0.15, 'Motion of the sensor after which a cloud is fused', unit='m', ge=0.0, le=5.0
    )
    keyframe_angle: float = param(
        10.0, 'Rotation of the sensor after which a cloud is fused', unit='deg', ge=0.0, le=180.0
    )
    min_range: float = param(
        0.3, 'Nearer points are of the robot itself and left out', unit='m', ge=0.0, le=10.0
    )
    max_range: float = param(8.0, 'Farther points are left out', unit='m', ge=0.5, le=200.0)
    min_keyframes: int = param(
        2,
        'Over how many keyframes a surface must be measured; what was observed more briefly '
        'is dropped',
        ge=1,
        le=100,
    )
    carve_range: float = param(
        5.0, 'Up to which distance rays tell that a voxel is empty', unit='m', ge=0.0, le=50.0
    )
    carve_margin: float = param(
        0.10,
        'How far behind a voxel a ray must end to tell that the voxel is empty',
        unit='m',
        ge=0.01,
        le=1.0,
    )
    left_after: int = param(
        4,
        'After how many keyframes that look through a voxel, with none since that hits it, its '
        'object has left',
        ge=1,
        le=1000,
    )
    max_speed: float = param(
        3.0,
        'Faster motion of the sensor is a jump of its pose, and the cloud is refused',
        unit='m/s',
        ge=0.1,
        le=100.0,
    )
