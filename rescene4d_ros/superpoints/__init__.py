"""Over-segmentation of clouds into pieces that do not cross object borders; knows no classes."""

from rescene4d_ros.superpoints.config import SuperpointConfig
from rescene4d_ros.superpoints.segment import superpoints

__all__ = ['SuperpointConfig', 'superpoints']
