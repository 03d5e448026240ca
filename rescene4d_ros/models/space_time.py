"""Encodings of position and time, and groups of voxels at one place."""

from __future__ import annotations

from collections.abc import Sequence
import math

import torch
from torch import nn, Tensor


class FourierEncoding(nn.Module):
    """
    Encode points of space and time with random Fourier features.

    Parameters
    ----------
    channels : int
        Output channels C, even.
    scale : float
        Standard deviation of the frequencies.
    dimensions : int
        4: x, y, z and time.

    Notes
    -----
    Source: Tancik et al., "Fourier features", 2020, as used in Mask3D and ReScene4D.

    """

    frequencies: Tensor

    def __init__(self, channels: int, scale: float, dimensions: int = 4):
        super().__init__()
        self.register_buffer('frequencies', scale * torch.randn(dimensions, channels // 2))

    @torch.no_grad()
    def forward(self, points: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """
        Encode points relative to the bounds of their sequence.

        Parameters
        ----------
        points : Tensor (N, 4), float32
            x, y, z in m, time in any unit.
        low, high : Tensor (4,), float32
            Bounds of the whole sequence; a dimension without extent contributes nothing.

        Returns
        -------
        Tensor (N, C), float32

        """
        with torch.autocast(points.device.type, enabled=False):
            unit = (points - low) / (high - low + 1e-6)
            phase = 2 * math.pi * unit.float() @ self.frequencies.float()
            return _waves(phase)


class PlaceEncoding(nn.Module):
    """
    Encode points so that the dot product of two codes falls with their distance in meters.

    Unlike `FourierEncoding` it does not depend on the extent of the sequence. Its products are
    Gaussian kernels: half of the channels compare places within `reach`, half within a third.

    Parameters
    ----------
    channels : int
        Output channels C, a multiple of 4.
    reach : float, m
        Standard deviation of the wider kernel.
    time_rate : float
        Standard deviation of the frequencies of time, per unit of time; small, because most
        objects do not move.

    """

    frequencies: Tensor

    def __init__(self, channels: int, reach: float, time_rate: float = 0.3):
        super().__init__()
        scale = torch.tensor([1 / reach, 3 / reach]).repeat_interleave(channels // 4)
        space = scale * torch.randn(3, channels // 2)
        time = time_rate * torch.randn(1, channels // 2)
        self.register_buffer('frequencies', torch.cat([space, time]))

    @torch.no_grad()
    def forward(self, points: Tensor, origin: Tensor) -> Tensor:
        """
        Encode points relative to one position and time of their sequence.

        Parameters
        ----------
        points : Tensor (N, 4), float32
            x, y, z in m, time in any unit.
        origin : Tensor (4,), float32

        Returns
        -------
        Tensor (N, C), float32

        """
        with torch.autocast(points.device.type, enabled=False):
            phase = (points - origin).float() @ self.frequencies.float()
            return _waves(phase)


def bounds(points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and largest coordinates (4,) of points (N, 4)."""
    return points.amin(0), points.amax(0)


def space_time(xyz: Sequence[Tensor], times: Sequence[float]) -> Tensor:
    """Return x, y, z, t (N, 4) of points (N_t, 3), visit after visit."""
    return torch.cat(
        [
            torch.nn.functional.pad(points, (0, 1), value=float(t))
            for points, t in zip(xyz, times, strict=True)
        ]
    )


def visit_index(counts: list[int], device: torch.device) -> Tensor:
    """Return the visit of each row, if visit t has counts[t] consecutive rows."""
    return torch.arange(len(counts), device=device).repeat_interleave(
        torch.tensor(counts, device=device)
    )


@torch.no_grad()
def farthest_points(points: Tensor, n: int) -> Tensor:
    """
    Farthest point sampling.

    Starts at the first point, then takes the point farthest from all sampled ones, the first on a
    tie. With fewer points than requested the sample repeats.

    Parameters
    ----------
    points : Tensor (N, D), float
        N at least 1.
    n : int

    Returns
    -------
    Tensor (n,), int64

    """
    n_distinct = min(n, len(points))
    taken = torch.zeros(n_distinct, dtype=torch.int64, device=points.device)
    columns = points.T.contiguous()
    distance = torch.full_like(columns[0], torch.inf)
    for k in range(1, n_distinct):
        offset = columns - columns[:, taken[k - 1], None]
        distance = torch.minimum(distance, offset.square_().sum(0))
        taken[k] = distance.argmax()
    return taken.repeat(-(-n // n_distinct))[:n]


def _waves(phase: Tensor) -> Tensor:
    """Return sine and cosine (N, C) of phases (N, C / 2), concatenated."""
    n, half = phase.shape
    waves = phase.new_empty(n, 2 * half)
    torch.sin(phase, out=waves[:, :half])
    torch.cos(phase, out=waves[:, half:])
    return waves


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
        Order of voxels for the methods: one of each place, then a second one of each place that
        has more, and so on, places with the most voxels first. Shared values are then slices,
        without gathering.

    """

    def __init__(self, coords: Tensor, visit: Tensor, n_visits: int):
        span = coords.amax(0) - coords.amin(0) + 1
        local = coords - coords.amin(0)
        key = (local[:, 0] * span[1] + local[:, 1]) * span[2] + local[:, 2]
        _, group, counts = torch.unique(key, return_inverse=True, return_counts=True)
        # Number of voxels of the same place in earlier visits.
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
        Allow attention to a voxel if it is allowed for any voxel of its place (logical OR).

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
