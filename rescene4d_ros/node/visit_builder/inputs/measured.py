"""A message of the sensor on its way to a visit, and who knows where the sensor was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rescene4d_ros.structures import Scan
from std_msgs.msg import Header


@dataclass(frozen=True)
class Measured:
    """
    Hold one message of the sensor, not decoded yet.

    Attributes
    ----------
    header : Header
    decode : callable() -> Scan
        Gives its points; raises ScanError.
    is_cloud : bool
        Its points may be in the map frame; those of a camera are in its own one.

    """

    header: Header
    decode: Callable[[], Scan]
    is_cloud: bool = True


class Poses(Protocol):
    """Know where frames are."""

    def pose(self, frame: str, stamp_ns: int) -> np.ndarray:
        """Return map_T_frame (4, 4), or raise FrameUnavailableError."""
        ...
