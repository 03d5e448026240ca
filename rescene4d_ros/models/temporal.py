"""Sharing attention masks between visits: what a query may see in one, it may see in all."""
from __future__ import annotations

import torch
from torch import Tensor


class PlaceGroups:
    """
    Group the voxels of T visits that are the same cell of the common grid.

    Parameters
    ----------
    coords : Tensor (V, 3), int64
        Voxels of all visits.
    visit : Tensor (V,), int64
        Visit of each voxel; a cell occurs at most once per visit.
    n_visits : int
        T.

    """

    def __init__(self, coords: Tensor, visit: Tensor, n_visits: int):
        span = coords.amax(0) - coords.amin(0) + 1
        local = coords - coords.amin(0)
        key = (local[:, 0] * span[1] + local[:, 1]) * span[2] + local[:, 2]
        _, self.group = torch.unique(key, return_inverse=True)
        n_groups = int(self.group.max()) + 1
        # Row V stands for "not there"; `share_any` appends it as False.
        self.member = torch.full((n_groups, n_visits), len(coords), device=coords.device)
        self.member[self.group, visit] = torch.arange(len(coords), device=coords.device)

    def share_any(self, attend: Tensor) -> Tensor:
        """
        Let a voxel be attended to where any voxel of its place is (logical OR).

        Parameters
        ----------
        attend : Tensor (V, Q), bool

        Returns
        -------
        Tensor (V, Q), bool

        """
        padded = torch.cat([attend, attend.new_zeros(1, attend.shape[1])])
        shared = padded[self.member[:, 0]]
        for visit in range(1, self.member.shape[1]):
            shared = shared | padded[self.member[:, visit]]
        return shared[self.group]

    def share_mean(self, values: Tensor) -> Tensor:
        """
        Average over the voxels of each place.

        Parameters
        ----------
        values : Tensor (V, C), float

        Returns
        -------
        Tensor (V, C), float

        """
        n_groups = len(self.member)
        sums = values.new_zeros(n_groups, values.shape[1]).index_add_(0, self.group, values)
        counts = torch.bincount(self.group, minlength=n_groups)
        return (sums / counts[:, None])[self.group]
