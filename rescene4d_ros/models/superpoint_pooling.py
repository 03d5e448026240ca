"""Mask features of superpoints that are no means of their voxels, as published options."""

from __future__ import annotations

from rescene4d_ros.models.fine_level import mean_over
import torch
from torch import nn, Tensor

SMALLEST = 1e-6  # features below it count as this much in the generalized mean, as published


class SuperpointPooling(nn.Module):
    """
    Pool the mask features of voxels over superpoints by their maximum or a generalized mean.

    Parameters
    ----------
    kind : str
        'max' or 'gem'.

    Attributes
    ----------
    exponent : Parameter (1,)
        Of the generalized mean, learned; only for 'gem'. 1 is the mean, larger values approach
        the maximum.

    Notes
    -----
    Source: Radenovic et al., "Fine-tuning CNN image retrieval", 2018, as used in ReScene4D.

    """

    def __init__(self, kind: str):
        super().__init__()
        if kind == 'gem':
            self.exponent = nn.Parameter(torch.tensor([3.0]))
        self.kind = kind

    def forward(self, superpoint: Tensor, rows: Tensor, n: int) -> Tensor:
        """
        Return the mask features of superpoints.

        Parameters
        ----------
        superpoint : Tensor (V,), int64
            Superpoint of each voxel; each of 0..n - 1 has at least one.
        rows : Tensor (V, C), float32
            Mask features of the voxels.
        n : int

        Returns
        -------
        Tensor (n, C), float32

        """
        if self.kind == 'max':
            at, pooled = superpoint[:, None].expand_as(rows), rows.new_zeros(n, rows.shape[1])
            return pooled.scatter_reduce(0, at, rows, 'amax', include_self=False)
        powers = rows.clamp(min=SMALLEST).pow(self.exponent)
        return mean_over(superpoint, powers, n).pow(1 / self.exponent)
