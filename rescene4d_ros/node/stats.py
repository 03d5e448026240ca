"""What has happened since the node was configured: counters that any thread may write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from types import MappingProxyType

from rescene4d_ros.errors import RescenError
from rescene4d_ros.structures import VisitStatus


def text_of(error: Exception) -> str:
    """Return what happened, for people; of an unexpected error also its type."""
    return str(error) if isinstance(error, RescenError) else f'{type(error).__name__}: {error}'


@dataclass(frozen=True)
class Counts:
    """
    Hold the counters at one moment.

    Attributes
    ----------
    received, stored, refused, dropped, lost : int
        Clouds that came, visits stored, clouds refused, clouds dropped because too many waited,
        clouds that DDS lost before they were taken.
    held : int
        Clouds that wait in memory, for a transform or for the disk.
    refusal : str
        Why the newest cloud was refused; empty when it was good.
    warnings : tuple of str
        What is implausible about the newest visit.
    processed, failed : int
        Visits done, visits that could not be processed.
    failure : str
        Why the newest processing failed; empty when it went well.
    seconds : float, s
        How long the newest visit took.
    revision, objects, visits : int
        Of the memory.
    statuses : mapping of VisitStatus to int
        Number of its visits in each status.
    problems : mapping of str to str
        What does not work now, by what was being done ('publishing', 'request', ...).

    """

    received: int = 0
    stored: int = 0
    refused: int = 0
    dropped: int = 0
    lost: int = 0
    held: int = 0
    refusal: str = ''
    warnings: tuple[str, ...] = ()
    processed: int = 0
    failed: int = 0
    failure: str = ''
    seconds: float = 0.0
    revision: int = 0
    objects: int = 0
    visits: int = 0
    statuses: Mapping[VisitStatus, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(VisitStatus, 0))
    )
    problems: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def backlog(self) -> int:
        """Return how many clouds and visits wait for something."""
        return self.held + self.statuses[VisitStatus.PENDING]


class NodeStats:
    """Count what happens in all threads of the node; each call is atomic."""

    def __init__(self):
        self._lock = Lock()
        self._counts = Counts()

    def now(self) -> Counts:
        """Return the counters as they are, consistent in themselves."""
        return self._counts

    def update(self, **values) -> None:
        """Replace values."""
        with self._lock:
            self._counts = replace(self._counts, **values)

    def count(self, name: str, by: int = 1, **values) -> None:
        """Add to a counter, and replace values."""
        with self._lock:
            self._counts = replace(
                self._counts, **{name: getattr(self._counts, name) + by}, **values
            )

    def problem(self, doing: str, text: str) -> None:
        """Note what does not work, until it is `solved`."""
        with self._lock:
            self._counts = replace(
                self._counts, problems=MappingProxyType({**self._counts.problems, doing: text})
            )

    def solved(self, doing: str) -> None:
        """Note that something works again."""
        if doing in self._counts.problems:
            with self._lock:
                problems = {k: v for k, v in self._counts.problems.items() if k != doing}
                self._counts = replace(self._counts, problems=MappingProxyType(problems))
