"""Depth and color images of the same time, of two topics that deliver in any order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from rescene4d_ros.errors import ScanError

D = TypeVar('D')
C = TypeVar('C')
MOST = 10  # images of each kind that wait


class ImagePairs(Generic[D, C]):
    """
    Join each depth image with the color image nearest in time.

    A depth image waits until a color image has come that is as new, or the depth images behind it
    are too many. message_filters does the same, but is not among the ROS wheels of PyPI.

    Parameters
    ----------
    slop_ns : int, ns
        Most that the stamps of a pair may differ.
    take : callable(depth, color)
        Gets each pair, in the order of the depth images.
    refuse : callable(ScanError)
        Told of each depth image that stays alone.

    """

    def __init__(
        self, slop_ns: int, take: Callable[[D, C], None], refuse: Callable[[ScanError], None]
    ):
        self._slop_ns, self._take, self._refuse = slop_ns, take, refuse
        self._depths: deque[tuple[int, D]] = deque()
        self._colors: deque[tuple[int, C]] = deque(maxlen=MOST)

    def add_depth(self, stamp_ns: int, image: D) -> None:
        """Take a depth image."""
        self._depths.append((stamp_ns, image))
        self._join()
        if len(self._depths) > MOST:
            self._end_first()

    def add_color(self, stamp_ns: int, image: C) -> None:
        """Take a color image."""
        self._colors.append((stamp_ns, image))
        self._join()

    def finish(self) -> None:
        """Decide about all that wait."""
        while self._depths:
            self._end_first()

    def _join(self) -> None:
        """Decide about the depth images for which the color images at hand are new enough."""
        while self._depths and self._colors and self._colors[-1][0] >= self._depths[0][0]:
            self._end_first()

    def _end_first(self) -> None:
        stamp_ns, depth = self._depths.popleft()
        found = min(self._colors, key=lambda color: abs(color[0] - stamp_ns), default=None)
        if found is not None and abs(found[0] - stamp_ns) <= self._slop_ns:
            self._take(depth, found[1])
            return
        near = 'none' if found is None else f'the nearest {abs(found[0] - stamp_ns) / 1e9:.3f} s'
        self._refuse(
            ScanError(
                f'depth image of {stamp_ns / 1e9:.3f} s: expected a color image within '
                f'{self._slop_ns / 1e9:g} s, got {near} away; check the topic color and its '
                'stamps, raise depth.slop, or set depth.color to none'
            )
        )
