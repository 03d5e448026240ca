"""Over-segmentation of clouds into superpoints that do not cross object borders."""

from rescene4d_ros.superpoints.segment import SuperpointConfig, superpoints

__all__ = ['SuperpointConfig', 'superpoints']
