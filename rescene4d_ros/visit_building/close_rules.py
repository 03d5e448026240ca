"""When a visit is over: rules that look at where the sensor is, and say why they close it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from rescene4d_ros.errors import ConfigError


class CloseRule(Protocol):
    """Decide from each pose whether the visit is over."""

    def reason(self, position: np.ndarray, stamp_ns: int) -> str:
        """Return why the visit is over at this place (3,), m, in map; '' if it goes on."""
        ...


@dataclass
class StandingStill:
    """
    Close a visit where the sensor stays within `radius` m for `seconds`, once it has moved.

    A robot that waits at its dock makes no visit of that.
    """

    seconds: float
    radius: float = 0.1
    _place: np.ndarray | None = field(default=None, init=False)
    _since_ns: int = field(default=0, init=False)
    _has_moved: bool = field(default=False, init=False)

    def reason(self, position: np.ndarray, stamp_ns: int) -> str:
        """Return why the visit is over, or ''."""
        if self._place is None or np.linalg.norm(position - self._place) > self.radius:
            self._has_moved |= self._place is not None
            self._place, self._since_ns = np.array(position, np.float64), stamp_ns
        stood = (stamp_ns - self._since_ns) / 1e9
        if self._has_moved and stood >= self.seconds:
            return f'stood still for {stood:.1f} s'
        return ''


@dataclass
class Duration:
    """Close a visit `seconds` after its first cloud."""

    seconds: float
    _since_ns: int | None = field(default=None, init=False)

    def reason(self, position: np.ndarray, stamp_ns: int) -> str:
        """Return why the visit is over, or ''."""
        if self._since_ns is None:
            self._since_ns = stamp_ns
        lasted = (stamp_ns - self._since_ns) / 1e9
        return f'lasted {lasted:.1f} s' if lasted >= self.seconds else ''


class LeavingZone:
    """
    Close a visit when the sensor leaves a polygon in which it was.

    Parameters
    ----------
    outline : sequence of (x, y), m, in map
        Corners in order, at least three.

    Raises
    ------
    ConfigError
        Fewer corners, or numbers that are not finite.

    """

    def __init__(self, outline: Sequence[Sequence[float]]):
        self._outline = np.asarray(outline, np.float64)
        shape = self._outline.shape
        if len(shape) != 2 or shape[0] < 3 or shape[1] != 2 or not np.isfinite(outline).all():
            raise ConfigError(
                f'zone: expected at least three corners (x, y) in m, got an array of {shape}; '
                'give the outline of the zone'
            )
        self._was_inside = False

    def contains(self, position: np.ndarray) -> bool:
        """Return whether a place (2,) or (3,), m, lies in the zone."""
        x, y = float(position[0]), float(position[1])
        one, other = self._outline, np.roll(self._outline, -1, axis=0)
        crosses = (one[:, 1] > y) != (other[:, 1] > y)
        with np.errstate(divide='ignore', invalid='ignore'):
            at = one[:, 0] + (y - one[:, 1]) * (other[:, 0] - one[:, 0]) / (
                other[:, 1] - one[:, 1]
            )
        return bool((crosses & (x < at)).sum() % 2)

    def reason(self, position: np.ndarray, stamp_ns: int) -> str:
        """Return why the visit is over, or ''."""
        inside = self.contains(position)
        if self._was_inside and not inside:
            return 'left the zone'
        self._was_inside |= inside
        return ''
