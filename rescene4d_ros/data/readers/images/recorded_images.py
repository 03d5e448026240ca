"""Depth images of a recorded drive as clouds: on which topics they are, and one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from rescene4d_ros.data.readers.bags.messages import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    Damage,
    IMAGE,
    Recorded,
)
from rescene4d_ros.data.readers.bags.parts import parts_of, read_messages
from rescene4d_ros.data.readers.bags.serialization import deserialized, header_of
from rescene4d_ros.data.readers.bags.survey import is_called, Seen, Survey
from rescene4d_ros.data.readers.images.config import DepthInputConfig
from rescene4d_ros.data.readers.images.depth_stream import DepthStream
from rescene4d_ros.data.readers.images.pixels import COLORS, DEPTHS
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import Scan

TYPES = frozenset({IMAGE, COMPRESSED_IMAGE, CAMERA_INFO})
GRAY = ('mono8', '8UC1')  # infrared images of depth cameras are no colors
COMPRESSED_DEPTH = 'compressedDepth'
NONE = 'none'


@dataclass(frozen=True)
class DepthTopics:
    """
    Say which images of a bag make clouds.

    Attributes
    ----------
    color : str
        Topic of the color images; '' = found, 'none' = points without color.
    info : str
        Topic of camera_info; '' = that beside the depth images.
    image : str
        Kind of the images; see `camera_of`.

    """

    color: str = ''
    info: str = ''
    image: str = 'auto'


@dataclass(frozen=True)
class DepthSurvey(Survey):
    """
    Hold what depth images a bag has to offer; each of its `clouds` is one of them.

    Attributes
    ----------
    color_topic : str
        '' = none.
    info_topic : str
    info : Recorded or None
        The first camera_info, for images that were recorded before it.
    settings : DepthInputConfig

    """

    color_topic: str = ''
    info_topic: str = ''
    info: Recorded | None = None
    settings: DepthInputConfig = DepthInputConfig()


@dataclass(frozen=True)
class DepthSnapshot:
    """
    Hold one depth image, not decoded yet; as `Snapshot`.

    Attributes
    ----------
    number : int
        From 1, in the order of the bag.
    decode : callable() -> Scan
        Raises ScanError.

    """

    number: int
    decode: Callable[[], Scan]


def survey_depth(path: Path, topic: str, topics: DepthTopics) -> DepthSurvey | None:
    """
    Look through a bag for depth images.

    Parameters
    ----------
    path : Path
        As of `survey`.
    topic : str
        Of the depth images; '' = the only one.
    topics : DepthTopics

    Returns
    -------
    DepthSurvey or None
        None where there are none, or none on that topic.

    Raises
    ------
    FileFormatError
        It cannot be told which topics belong together.

    """
    files, damage = parts_of(Path(path))
    first: dict[str, Recorded] = {}
    kinds: dict[str, str] = {}
    seen: dict[str, list[Seen]] = {}  # of depth images
    for message in read_messages(files, TYPES):
        if isinstance(message, Damage):
            damage.append(message)
            continue
        name = message.topic.name
        if name not in first:
            first[name], kinds[name] = message, _kind(message)
        if kinds[name] == 'depth':
            images = seen.setdefault(name, [])
            images.append(Seen.of(message, len(images) + 1))
    chosen = [name for name in seen if is_called(name, topic)] if topic else _raw_ones([*seen])
    if not chosen:
        return None
    if len(chosen) > 1:
        _refuse(path, 'one topic of depth images', chosen, '--topic')
    depth = chosen[0]
    color = _color(path, kinds, first, first[depth], topics.color)
    info = _info(path, kinds, depth, topics.info)
    settings = DepthInputConfig(image=topics.image, color='raw' if color else NONE)
    return DepthSurvey(
        Path(path).name, tuple(files), depth, tuple(seen[depth]), tuple(damage),
        color_topic=color, info_topic=info, info=first[info], settings=settings,
    )  # fmt: skip


def depth_snapshots(seen: DepthSurvey) -> Iterator[DepthSnapshot]:
    """Read the depth images of a surveyed bag again, each with its color; one at a time."""
    ready: deque[DepthSnapshot] = deque()
    count = 0

    def put(decode: Callable[[], Scan]) -> None:
        nonlocal count
        count += 1
        stamp_ns, name = seen.clouds[count - 1].stamp_ns, f'{seen.name} depth image {count}'
        ready.append(DepthSnapshot(count, lambda: replace(decode(), stamp_ns=stamp_ns, name=name)))

    def refused(error: ScanError) -> None:
        def decode() -> Scan:
            raise error

        put(decode)

    pairs: DepthStream[Recorded] = DepthStream(
        seen.settings,
        seen.info_topic,
        lambda image: deserialized(image, image.topic.name),
        lambda _, decode: put(decode),
        refused,
    )
    if seen.info is not None:
        pairs.add_info(_camera_info(seen.info))
    for message in read_messages(list(seen.files), TYPES):
        if isinstance(message, Damage):
            continue
        stamp_ns = (header_of(message) or (0,))[0] or message.time_ns
        if message.topic.name == seen.topic:
            pairs.add_depth(stamp_ns, message)
        elif message.topic.name == seen.color_topic:
            pairs.add_color(stamp_ns, message)
        elif message.topic.name == seen.info_topic:
            pairs.add_info(_camera_info(message))
        while ready:
            yield ready.popleft()
    pairs.finish()
    yield from ready


def _camera_info(recorded: Recorded) -> Any:
    """Return a camera_info with the names of ROS 2; those of ROS 1 are in capitals."""
    message = deserialized(recorded, recorded.topic.name)
    if not hasattr(message, 'K'):
        return message
    names = ('width', 'height', 'distortion_model')
    same = {name: getattr(message, name) for name in names}
    return SimpleNamespace(**same, d=message.D, k=message.K, p=message.P)


def _kind(message: Recorded) -> str:
    """Return 'depth', 'color', 'info' or 'other', by the first message of a topic."""
    if message.topic.type == CAMERA_INFO:
        return 'info'
    try:
        image = deserialized(message, message.topic.name)
    except ScanError:
        return 'other'
    if message.topic.type == COMPRESSED_IMAGE:
        return 'depth' if COMPRESSED_DEPTH in str(image.format) else 'color'
    encoding = str(image.encoding)
    if encoding in DEPTHS:
        return 'depth'
    return 'color' if encoding in COLORS and encoding not in GRAY else 'other'


def _color(
    path: Path, kinds: dict[str, str], first: dict[str, Recorded], depth: Recorded, wanted: str
) -> str:
    """Return the topic of the color images of the same pixels; '' where there is none."""
    if wanted == NONE:
        return ''
    colors = [name for name, kind in kinds.items() if kind == 'color']
    if wanted:
        found = [name for name in first if is_called(name, wanted)]
        if not found:
            _refuse(path, f'color images on {wanted!r}', colors, '--color-topic')
        return found[0]
    size = _size(depth)
    same = [
        name for name in colors if None in (size, _size(first[name])) or size == _size(first[name])
    ]
    same = _raw_ones(same)
    if len(same) > 1:
        _refuse(
            path, 'one topic of color images of the pixels of the depth', same, '--color-topic'
        )
    return same[0] if same else ''


def _size(message: Recorded) -> tuple[int, int] | None:
    """Return width and height of a raw image, None of a compressed one."""
    if message.topic.type == COMPRESSED_IMAGE:
        return None
    image = deserialized(message, message.topic.name)
    return int(image.width), int(image.height)


def _info(path: Path, kinds: dict[str, str], depth: str, wanted: str) -> str:
    """Return the topic of the camera_info of the depth images: beside them, or the only one."""
    infos = [name for name, kind in kinds.items() if kind == 'info']
    if wanted:
        found = [name for name in infos if is_called(name, wanted)]
    else:
        plain = depth.removesuffix(f'/{COMPRESSED_DEPTH}')
        beside = f'{plain.rpartition("/")[0]}/camera_info'
        found = [beside] if beside in infos else infos
    if len(found) != 1:
        _refuse(path, f'one camera_info of {depth}', infos, '--camera-info-topic')
    return found[0]


def _raw_ones(names: list[str]) -> list[str]:
    """Return topics without those that image_transport makes of another of them."""
    return [name for name in names if name.rpartition('/')[0] not in names]


def _refuse(path: Path, expected: str, got: list[str], flag: str) -> NoReturn:
    raise FileFormatError(
        f'{path}: expected {expected}, got: {", ".join(sorted(got)) or "none"}; '
        f'name one with {flag}'
    )
