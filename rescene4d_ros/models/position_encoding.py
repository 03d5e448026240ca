"""Where and when a voxel is, as channels that attention can compare."""

from __future__ import annotations

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

    Unlike `FourierEncoding` it does not depend on how large the sequence is. Its products are
    Gaussian kernels: half of the channels compare places within `reach`, half within a third.

    Parameters
    ----------
    channels : int
        Output channels C, a multiple of 4.
    reach : float, m
        Standard deviation of the wider kernel.
    time_rate : float
        Standard deviation of the frequencies of time, per unit of time; small, because most
        things stay where they are.

    """

    def __init__(self, channels: int, reach: float, time_rate: float = 0.3):
        super().__init__()
        scale = torch.tensor([1 / reach, 3 / reach]).repeat_interleave(channels // 4)
        space = scale * torch.randn(3, channels // 2)
        time = time_rate * torch.randn(1, channels // 2)
        self.register_buffer('frequencies', torch.cat([space, time]))

    @torch.no_grad()
    def forward(self, points: Tensor, origin: Tensor) -> Tensor:
        """
        Encode points relative to one place and time of their sequence.

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


def _waves(phase: Tensor) -> Tensor:
    """Return sine and cosine (N, C) of phases (N, C / 2) side by side, each written once."""
    n, half = phase.shape
    waves = phase.new_empty(n, 2 * half)
    torch.sin(phase, out=waves[:, :half])
    torch.cos(phase, out=waves[:, half:])
    return waves
