"""Over-segmentation of clouds into superpoints that do not cross object borders."""

from rescene4d_ros.superpoints.config import SuperpointConfig
from rescene4d_ros.superpoints.segment import superpoints

__all__ = ['SuperpointConfig', 'superpoints']
