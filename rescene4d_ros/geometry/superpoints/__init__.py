"""Over-segmentation of clouds and meshes into superpoints that do not cross object borders."""

from rescene4d_ros.geometry.superpoints.cut import superpoints
from rescene4d_ros.geometry.superpoints.graph import SuperpointConfig

__all__ = ['SuperpointConfig', 'superpoints']
