"""Settings of depth images."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param
from rescene4d_ros.data.readers.images.camera import KINDS


@dataclass(frozen=True)
class DepthInputConfig:
    """Hold the settings of depth images, live or recorded."""

    transport: str = param(
        'raw',
        'Type of the depth images: sensor_msgs/Image, or CompressedImage as compressedDepth with '
        'PNG',
        one_of=('raw', 'compressedDepth'),
    )
    color: str = param(
        'none',
        'Type of the color images of the same pixels: sensor_msgs/Image, or CompressedImage as '
        'JPEG or PNG; none = points without color',
        one_of=('none', 'raw', 'compressed'),
    )
    image: str = param(
        'auto',
        'Which matrix of camera_info counts: P of rectified images, K and the distortion of raw '
        'ones; auto = K of a camera without distortion, others are refused',
        one_of=KINDS,
    )
    pixel_step: int = param(2, 'Every n-th pixel of every n-th row becomes a point', ge=1, le=32)
    edge: float = param(
        0.03,
        'Pixels are left out whose inverse depth differs by this share from that between their '
        'neighbors: at steps of the depth cameras measure what is not there; 0 = none',
        ge=0.0,
        le=1.0,
    )
    slop: float = param(
        0.02,
        'Most that the stamps of a depth and its color image may differ',
        unit='s',
        ge=0.0,
        le=1.0,
    )
