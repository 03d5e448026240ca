"""Bounds of what a scan of rooms looks like."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class PlausibilityConfig:
    """Settings of the check before a cloud becomes a visit."""

    drop_stray: bool = param(True, 'Drop stray points: few, and far from all others')
    drop_people: bool = param(
        True, 'Drop what has the shape of a standing person, so that it is no object'
    )
    largest_extent: float = param(
        100.0,
        'Wider clouds whose points lie too far apart are in another unit',
        unit='m',
        ge=1,
        le=1e5,
    )
    largest_spacing: float = param(
        0.5, 'Median distance of nearest points that meters have at most', unit='m', ge=0.01, le=10
    )
    smallest_extent: float = param(
        0.3,
        'Clouds whose second largest side is smaller are no room; they may be in another unit',
        unit='m',
        ge=0.0,
        le=10,
    )
    dense_enough: float = param(
        0.06,
        'Median distance of nearest points up to which objects can be separated',
        unit='m',
        ge=0.005,
        le=1,
    )
    stray_gap: float = param(
        0.5, 'Empty space between stray points and the others', unit='m', ge=0.1, le=10
    )
    stray_share: float = param(
        0.001, 'Share of the points that a stray group has at most', ge=0.0, le=0.1
    )
    fit_expected: float = param(
        0.6, 'Share of walls and furniture that lies on remembered points', ge=0.0, le=1.0
    )
    fit_refused: float = param(
        0.15,
        'What another place of the cloud must fit better by, to be why it does not fit',
        ge=0.01,
        le=1.0,
    )
    smallest_motion: float = param(
        0.10, 'Smaller corrections of the place are left to the mapping', unit='m', ge=0.0, le=10
    )
    overlap_expected: float = param(
        0.3,
        'Share of the cloud near remembered points, below which it is another place',
        ge=0,
        le=1.0,
    )
