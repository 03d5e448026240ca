"""Steps of the Point Transformer V3 between a level and the next coarser one."""

from __future__ import annotations

from rescene4d_ros.sparse.ops import max_pool
from rescene4d_ros.sparse.voxels import Voxels
from torch import nn, Tensor
from torch.nn import functional


class GridPooling(nn.Module):
    """Halve the resolution: project, take each parent's largest values, normalize."""

    def __init__(self, ci: int, co: int):
        super().__init__()
        self.proj = nn.Linear(ci, co)
        self.norm = nn.Sequential(nn.LayerNorm(co))

    def forward(self, feats: Tensor, voxels: Voxels) -> Tensor:
        """Return the features on `voxels.down()`."""
        return functional.gelu(self.norm(max_pool(self.proj(feats), voxels)))


class GridUnpooling(nn.Module):
    """Double the resolution: the encoder's features plus those of each voxel's parent."""

    def __init__(self, ci: int, skip: int, co: int):
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(ci, co), nn.LayerNorm(co), nn.GELU())
        self.proj_skip = nn.Sequential(nn.Linear(skip, co), nn.LayerNorm(co), nn.GELU())

    def forward(self, coarse: Tensor, skip: Tensor, voxels: Voxels) -> Tensor:
        """Return the features on the fine `voxels`."""
        return self.proj_skip(skip) + self.proj(coarse).index_select(0, voxels.parent)
