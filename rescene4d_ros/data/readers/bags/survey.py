"""What clouds a bag holds, in one pass that keeps none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
import zlib

import numpy as np
from rescene4d_ros.data.readers.bags.messages import CLOUD, Damage, Recorded, SPACE
from rescene4d_ros.data.readers.bags.parts import parts_of, read_messages
from rescene4d_ros.data.readers.bags.serialization import header_of
from rescene4d_ros.errors import TopicError

MOST_SPACES = 1000  # of about 20 kB per room
NEXT_FRAME = 10 * 10**9  # ns; clouds that follow so soon are frames of one drive


@dataclass(frozen=True)
class Seen:
    """
    Hold what is known of one cloud without decoding it.

    Attributes
    ----------
    number : int
        From 1, in the order of the bag.
    stamp_ns : int
        Of its header; the time of recording where that is zero.
    frame_id : str or None
        None where the message has no readable header.
    stamped : bool
        Whether the header has a stamp.
    checksum : int
        Of the message; equal ones are repetitions.

    """

    number: int
    stamp_ns: int
    frame_id: str | None
    stamped: bool
    checksum: int

    @classmethod
    def of(cls, message: Recorded, number: int) -> Seen:
        """Return what is known of a message without decoding it."""
        stamp_ns, frame_id = header_of(message) or (message.time_ns, None)
        checksum = zlib.crc32(message.data)
        return cls(number, stamp_ns or message.time_ns, frame_id, bool(stamp_ns), checksum)


@dataclass(frozen=True)
class Survey:
    """
    Hold what a bag has to offer.

    Attributes
    ----------
    name : str
    files : tuple of Path
    topic : str
        Of the clouds.
    clouds : tuple of Seen
    damage : tuple of Damage
    spaces : mapping of int to Recorded
        What was seen through, `ObservedSpace`, by the stamp of its visit, ns.

    """

    name: str
    files: tuple[Path, ...]
    topic: str
    clouds: tuple[Seen, ...]
    damage: tuple[Damage, ...]
    spaces: Mapping[int, Recorded] = field(default_factory=dict)


def survey(path: Path, topic: str | None = None) -> Survey:
    """
    Look through a bag.

    Parameters
    ----------
    path : Path
        A folder, or a .mcap, .db3 or .bag file, which stands for itself alone.
    topic : str, optional
        Needed where several topics hold clouds.

    Raises
    ------
    FileFormatError
        No bag.
    TopicError
        No such topic, or several.

    """
    files, damage = parts_of(Path(path))
    seen: dict[str, list[Seen]] = {}
    spaces: dict[int, Recorded] = {}
    for message in read_messages(files, frozenset({CLOUD, SPACE})):
        if isinstance(message, Damage):
            damage.append(message)
            continue
        if message.topic.type == SPACE:
            _keep(spaces, message)
            continue
        clouds = seen.setdefault(message.topic.name, [])
        clouds.append(Seen.of(message, len(clouds) + 1))
    chosen = [name for name in seen if topic is None or is_called(name, topic)]
    if len(chosen) != 1:
        whole = '' if not damage else f' ({damage[-1].text})'
        raise TopicError(
            f'{path}: expected one topic of {CLOUD}{f" called {topic!r}" if topic else ""}, got: '
            f'{", ".join(sorted(seen)) or "none"}{whole}; name one with --topic',
            tuple(sorted(seen)),
        )
    name = chosen[0]
    return Survey(Path(path).name, tuple(files), name, tuple(seen[name]), tuple(damage), spaces)


def is_called(name: str, wanted: str) -> bool:
    """Return whether a topic is the one that a person names, with or without the first slash."""
    return wanted in (name, name.removeprefix('/'))


def _keep(spaces: dict[int, Recorded], message: Recorded) -> None:
    """Keep what comes beside a visit by its stamp; the first one goes where there are too many."""
    header = header_of(message)
    if header is not None:
        spaces[header[0]] = message
    if len(spaces) > MOST_SPACES:
        del spaces[next(iter(spaces))]


def describe_burst(clouds: list[Seen]) -> str:
    """Say in a few words what clouds follow each other so soon."""
    frames = sorted({str(c.frame_id) for c in clouds})
    step = np.median(np.diff([c.stamp_ns for c in clouds])) / 1e9
    return f'{len(clouds)} clouds in {", ".join(map(repr, frames))} {step:.2g} s apart'


def bursts_of(clouds: list[Seen]) -> list[list[Seen]]:
    """Return clouds in groups within which each follows the one before within 10 s."""
    groups: list[list[Seen]] = []
    for cloud in sorted(clouds, key=lambda c: (c.stamp_ns, c.number)):
        if groups and cloud.stamp_ns - groups[-1][-1].stamp_ns < NEXT_FRAME:
            groups[-1].append(cloud)
        else:
            groups.append([cloud])
    return groups
