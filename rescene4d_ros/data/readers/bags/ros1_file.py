"""ROS 1 bags (.bag) in one pass from the front, also those that were not closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import struct
from typing import BinaryIO

from rescene4d_ros.data.readers.bags.compression import MAX_MESSAGE, unpack
from rescene4d_ros.data.readers.bags.messages import Damage, Recorded, ros2_type, Topic
from rescene4d_ros.errors import FileFormatError

MAGIC = b'#ROSBAG V2.0\n'
MESSAGE, BAG, CHUNK, CONNECTION = 2, 3, 5, 7
LENGTH = struct.Struct('<I')


def read_ros1(path: Path, types: frozenset[str]) -> Iterator[Recorded | Damage]:
    """Read the messages of some types in the order of the file; as `read_mcap`."""
    with open(path, 'rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise FileFormatError(
                f'{path}: expected a ROS 1 bag of version 2.0, got another format; convert it '
                'with `rosbags-convert`'
            )
        records = _Records(path.name, types)
        size = path.stat().st_size
        is_open = False
        while file.tell() < size:
            try:
                fields, length = _head(file, size)
            except ValueError:
                yield records.unfinished()
                return
            cut = length > size - file.tell()
            is_open |= fields.get(b'op') == bytes([BAG]) and not int.from_bytes(
                fields.get(b'index_pos', b''), 'little'
            )
            if length > 4 * MAX_MESSAGE:
                yield records.unfinished()
                return
            yield from records.take(fields, file.read(length), cut)
            if cut:
                yield records.unfinished()
                return
        if is_open:
            yield records.unfinished()


def _head(file: BinaryIO, size: int) -> tuple[dict[bytes, bytes], int]:
    """Return a record's fields and the length of its data."""
    raw = file.read(4)
    length = LENGTH.unpack(raw)[0] if len(raw) == 4 else size
    if length > min(size - file.tell(), 1 << 20):
        raise ValueError('cut off')
    fields = _fields(file.read(length))
    raw = file.read(4)
    if len(raw) < 4:
        raise ValueError('cut off')
    return fields, LENGTH.unpack(raw)[0]


def _fields(data: bytes) -> dict[bytes, bytes]:
    fields, at = {}, 0
    while at < len(data):
        if at + 4 > len(data):
            raise ValueError('cut off')
        (length,) = LENGTH.unpack_from(data, at)
        name, equals, value = data[at + 4 : at + 4 + length].partition(b'=')
        if not equals or at + 4 + length > len(data):
            raise ValueError('fields that are none')
        fields[name] = value
        at += 4 + length
    return fields


class _Records:
    """Know the connections of a bag while its records pass."""

    def __init__(self, name: str, types: frozenset[str]):
        self.name = name
        self.types = types
        self.topics: dict[bytes, Topic | None] = {}

    def unfinished(self) -> Damage:
        return Damage(
            f'{self.name}: expected a closed bag, got one that ends early (it was killed, or the '
            'copy is cut off); its whole messages are read',
            at_end=True,
        )

    def take(
        self, fields: dict[bytes, bytes], data: bytes, cut: bool = False
    ) -> Iterator[Recorded | Damage]:
        """Read one record, and those in it."""
        kind = fields.get(b'op', b'')
        try:
            if kind == bytes([CHUNK]):
                size = int.from_bytes(fields[b'size'], 'little')
                compression = fields[b'compression'].decode('ascii')
                yield from self._chunk(unpack(compression, data, size, cut), cut)
            elif cut:
                return
            elif kind == bytes([CONNECTION]):
                self._add(fields, _fields(data))
            elif kind == bytes([MESSAGE]):
                if fields[b'conn'] not in self.topics:
                    raise ValueError('a connection that is not declared')
                topic = self.topics[fields[b'conn']]
                seconds, nanoseconds = struct.unpack('<II', fields[b'time'])
                if topic is not None:
                    yield Recorded(topic, seconds * 10**9 + nanoseconds, data)
        except (KeyError, ValueError, struct.error) as error:
            if not cut:
                yield Damage(f'{self.name}: expected a whole record, got one with {error}')

    def _chunk(self, plain: bytes, cut: bool) -> Iterator[Recorded | Damage]:
        at = 0
        while at < len(plain):
            end = at + 4 + _length(plain, at)
            after = end + 4 + _length(plain, end)
            if after > len(plain):
                if not cut:
                    yield Damage(f'{self.name}: expected whole messages in a chunk, got a cut one')
                return
            yield from self.take(_fields(plain[at + 4 : end]), plain[end + 4 : after])
            at = after

    def _add(self, fields: dict[bytes, bytes], connection: dict[bytes, bytes]) -> None:
        kind = ros2_type(connection[b'type'].decode('utf-8'))
        topic = fields[b'topic'].decode('utf-8')
        wanted = Topic(topic, kind, 'ros1') if kind in self.types else None
        self.topics[fields[b'conn']] = wanted


def _length(data: bytes, at: int) -> int:
    """Return a length at a place, more than there is where it is cut off."""
    return LENGTH.unpack_from(data, at)[0] if at + 4 <= len(data) else len(data)
