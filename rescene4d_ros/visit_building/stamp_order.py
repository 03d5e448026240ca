"""Stamps of a stream of clouds: pauses, lone stamps that are wrong, and clocks that are set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rescene4d_ros.errors import ScanError
from rescene4d_ros.visit_building.posed_clouds import name_of

GAP_NS = 10 * 10**9  # a pause as long begins another visit
IN_A_ROW = 3  # clouds that go on from each other after a step back: the clock was set

T = TypeVar('T')


@dataclass
class StampOrder(Generic[T]):
    """
    Decide about each stamp with those around it, so that a wrong one costs its own cloud only.

    A cloud long after the one before it is held: the next one tells whether there was a pause or
    its stamp is wrong. Clouds before the newest one are refused, until some in a row go on from
    each other: then the clock was set back, or the newest stamp was wrong.

    Parameters
    ----------
    refuse : callable(str)
        Told why a held cloud is left out.

    Attributes
    ----------
    newest_ns : int, ns since the Unix epoch
        Of the admitted clouds; 0 = none.

    """

    refuse: Callable[[str], None]
    newest_ns: int = 0
    _held: tuple[int, T] | None = None
    _back: list[int] = field(default_factory=list)  # stamps in a row before the newest one

    def admit(self, stamp_ns: int, cloud: T) -> list[tuple[int, T]]:
        """
        Return the clouds that are certain now, with their stamps: those held, and this one.

        Raises
        ------
        ScanError
            This cloud comes before the newest one.

        """
        certain = []
        if self._held is not None and stamp_ns >= self._held[0]:
            certain.append(self._held)
            self.newest_ns, self._held = self._held[0], None
        self.drop_held()
        if self._goes_back(stamp_ns):
            raise ScanError(
                f'{name_of(stamp_ns)}: expected a stamp after {self.newest_ns / 1e9:.3f} s, that '
                'of the cloud before, got one that goes backwards; check the clocks'
            )
        if self.newest_ns and stamp_ns - self.newest_ns > GAP_NS:
            self._held = stamp_ns, cloud
            return certain
        self.newest_ns = stamp_ns
        return [*certain, (stamp_ns, cloud)]

    def drop_held(self) -> None:
        """Refuse the cloud that is held, if one is: none followed it."""
        if self._held is not None:
            ahead = (self._held[0] - self.newest_ns) / 1e9
            self.refuse(
                f'{name_of(self._held[0])}: expected a stamp near those of the clouds before and '
                f'after it, got one {ahead:.1f} s later that none follows; check the clocks'
            )
        self._held = None

    def _goes_back(self, stamp_ns: int) -> bool:
        """Return whether a cloud is to be refused for its stamp before the newest one."""
        if stamp_ns >= self.newest_ns:
            self._back = []
            return False
        if self._back and not 0 <= stamp_ns - self._back[-1] <= GAP_NS:
            self._back = []
        self._back.append(stamp_ns)
        was_set = self.newest_ns - stamp_ns > GAP_NS and len(self._back) >= IN_A_ROW
        if was_set:
            self._back = []
        return not was_set
