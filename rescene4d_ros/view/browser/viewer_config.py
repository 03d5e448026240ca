"""Settings of the viewer; without the libraries that it draws with."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class ViewerConfig:
    """Detail of the viewer, and how it follows the memory."""

    points: int = param(150_000, 'Largest number of points of one visit.', ge=1000, le=5_000_000)
    spacing: float = param(
        0.015, 'Distance of points; the selected object has all its points.', unit='m', ge=0.002,
        le=0.2,
    )  # fmt: skip
    poll: float = param(
        2.0, 'How often it looks for new visits and corrections.', unit='s', ge=0.2, le=3600.0
    )
