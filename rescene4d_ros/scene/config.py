"""Settings of the tracker that are of no other room."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class TrackerConfig:
    """Say which visits are interpreted together, and what counts as a new object."""

    window: int = param(
        2, 'Visits that are segmented together, the new one included.', ge=1, le=12
    )
    birth_score: float = param(
        0.4,
        'Less sure instances are no new objects; they may still be ones that are known.',
        ge=0,
        le=1,
    )
