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

    Attributes
    ----------
    rows : Tensor (V,), int64
        Voxels in the order that the methods take them in: one of each place, then a
        second one of each place that has more, and so on, places with the most voxels first.
        What places share then lies in slices, and nothing needs to be gathered.

    """

    def __init__(self, coords: Tensor, visit: Tensor, n_visits: int):
        span = coords.amax(0) - coords.amin(0) + 1
        local = coords - coords.amin(0)
        key = (local[:, 0] * span[1] + local[:, 1]) * span[2] + local[:, 2]
        _, group, counts = torch.unique(key, return_inverse=True, return_counts=True)
        # How many voxels of its place come before each one, counted along the visits.
        by_place = (group * n_visits + visit).argsort()
        rank = torch.empty_like(by_place)
        rank[by_place] = torch.arange(len(by_place), device=coords.device) - (
            counts.cumsum(0) - counts
        ).repeat_interleave(counts)
        crowded_first = torch.empty_like(counts)
        crowded_first[counts.argsort(descending=True, stable=True)] = torch.arange(
            len(counts), device=coords.device
        )
        self.rows = (rank * len(counts) + crowded_first[group]).argsort()
        self._runs = torch.bincount(rank).tolist()

    def share_any(self, attend: Tensor) -> Tensor:
        """
        Let a voxel be attended to where any voxel of its place is (logical OR).

        Parameters
        ----------
        attend : Tensor (Q, V), bool
            In the order of `rows`; changed in place.

        Returns
        -------
        Tensor (Q, V), bool
            The same.

        """
        first, *more = attend.split(self._runs, dim=1)
        for own in more:
            first[:, : own.shape[1]].logical_or_(own)
        for own in more:
            own.copy_(first[:, : own.shape[1]])
        return attend

    def share_mean(self, values: Tensor) -> Tensor:
        """
        Average over the voxels of each place.

        Parameters
        ----------
        values : Tensor (V, C), float
            In the order of `rows`.

        Returns
        -------
        Tensor (V, C), float

        """
        first, *more = values.clone().split(self._runs)
        n_shared = torch.ones_like(first[:, 0])
        for own in more:
            first[: len(own)] += own
            n_shared[: len(own)] += 1
        first /= n_shared[:, None]
        return torch.cat([first[:n] for n in self._runs])
