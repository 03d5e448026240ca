"""Clouds of a bag as scans, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import logging
from pathlib import Path

import numpy as np
from rescene4d_ros.data.readers.bags.messages import CLOUD, Damage, Recorded
from rescene4d_ros.data.readers.bags.parts import read_messages
from rescene4d_ros.data.readers.bags.serialization import deserialized
from rescene4d_ros.data.readers.bags.survey import Survey, survey
from rescene4d_ros.data.readers.point_cloud2 import decode_cloud
from rescene4d_ros.structures import Finding, Scan, Severity

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """
    Hold one recorded cloud, not decoded yet, so that a bad one does not stop those after it.

    Attributes
    ----------
    name : str
        Bag and number, for messages to people.
    number : int
        From 1, in the order of the bag.
    message : Recorded

    """

    name: str
    number: int
    message: Recorded

    def read(
        self,
        origin: tuple[float, float, float] | None = None,
        map_T_cloud: Callable[[str, int], np.ndarray] | None = None,
        map_frame: str = '',
    ) -> tuple[Scan, np.ndarray]:
        """
        Return the scan, and which points of the message are in it.

        A header without stamp gets the time of recording, and a finding that says so.

        Parameters
        ----------
        origin : tuple of 3 float, m, optional
            Of the map; see `scan_of_columns`.
        map_T_cloud : callable, optional
            Gives the motion (4, 4) of a frame at a time in ns to the map, for clouds of other
            frames than `map_frame`.
        map_frame : str

        Raises
        ------
        ScanError
            A cloud that cannot be used.
        FrameUnavailableError
            `map_T_cloud` knows no motion.

        """
        cloud = deserialized(self.message, self.name)
        stamp = cloud.header.stamp
        findings: tuple[Finding, ...] = ()
        if not (stamp.sec or stamp.nanosec):
            stamp.sec, stamp.nanosec = divmod(self.message.time_ns, 10**9)
            findings = (UNSTAMPED,)
        pose = None
        if map_T_cloud is not None and cloud.header.frame_id != map_frame:
            pose = map_T_cloud(cloud.header.frame_id, int(stamp.sec) * 10**9 + int(stamp.nanosec))
            cloud.header.frame_id = map_frame
        return decode_cloud(cloud, self.name, origin=origin, map_T_cloud=pose, findings=findings)


UNSTAMPED = Finding(
    'stamp',
    Severity.WARNING,
    'a header.stamp of zero',
    'the time of the visit',
    'the time of recording is taken',
)


def snapshots(path: Path, topic: str | None = None) -> Iterator[Snapshot]:
    """
    Find the clouds of a bag in the order of recording; the log names what is damaged.

    Parameters and errors as of `survey`.
    """
    seen = survey(path, topic)
    for damage in seen.damage:
        log.warning('%s', damage.text)
    yield from snapshots_of(seen)


def snapshots_of(seen: Survey, numbers: frozenset[int] | None = None) -> Iterator[Snapshot]:
    """
    Read the clouds of a surveyed bag again, one at a time.

    Parameters
    ----------
    seen : Survey
    numbers : frozenset of int, optional
        Which of them; default: all.

    """
    number = 0
    for message in read_messages(list(seen.files), frozenset({CLOUD})):
        if isinstance(message, Damage) or message.topic.name != seen.topic:
            continue
        number += 1
        if numbers is None or number in numbers:
            yield Snapshot(f'{seen.name} snapshot {number}', number, message)
        if numbers is not None and number >= max(numbers, default=0):
            return


def read_snapshots(path: Path, topic: str | None = None) -> Iterator[tuple[Scan, np.ndarray]]:
    """
    Read the clouds of a bag in the order of recording; parameters and errors as of `survey`.

    Yields
    ------
    scan : Scan
        Frame and stamp from the header.
    kept : ndarray (M,), bool
        Which of the M points of the message are in the scan.

    """
    for snapshot in snapshots(path, topic):
        yield snapshot.read()
