"""Settings of the over-segmentation."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class SuperpointConfig:
    """Settings of the over-segmentation."""

    voxel_size: float = param(
        0.02, 'Points of one cell are one node of the graph', unit='m', ge=0.001, le=0.5
    )
    neighbors: int = param(10, 'Edges from each node to its nearest nodes', ge=3, le=64)
    reach: float = param(
        4.0, 'Longest edge, in median distances to the nearest node', ge=1.0, le=100.0
    )
    threshold: float = param(
        0.2,
        'Scale of superpoints, the k of Felzenszwalb; larger values give larger superpoints',
        ge=0.0,
        le=100.0,
    )
    min_nodes: int = param(
        20, 'Smaller superpoints are merged into the most similar neighbor', ge=1, le=100_000
    )
    max_extent: float = param(
        1.0, 'Longest edge of the bounding box of a superpoint', unit='m', ge=0.05, le=100.0
    )
    color_weight: float = param(
        0.5,
        'Cost of the color step between black and white, against 1 for a right angle',
        ge=0.0,
        le=10.0,
    )
    step_weight: float = param(
        0.1,
        'Cost of an edge along the normals (a step between two '
        'surfaces), against 1 for a right angle',
        ge=0.0,
        le=10.0,
    )
