"""Sparse voxels and convolution on them, in PyTorch; knows nothing of scans or objects."""
from rescene4d_ros.sparse.backends import choose_backend
from rescene4d_ros.sparse.joined import JoinedVoxels
from rescene4d_ros.sparse.modules import (
    DownConv3d,
    kernel_from_spconv,
    kernel_to_spconv,
    SubmConv3d,
    UpConv3d,
)
from rescene4d_ros.sparse.ops import avg_pool, down_conv, max_pool, subm_conv, up_conv
from rescene4d_ros.sparse.voxels import Voxels

__all__ = [
    'avg_pool', 'choose_backend', 'down_conv', 'DownConv3d', 'JoinedVoxels',
    'kernel_from_spconv', 'kernel_to_spconv', 'max_pool', 'subm_conv', 'SubmConv3d', 'up_conv',
    'UpConv3d', 'Voxels']
