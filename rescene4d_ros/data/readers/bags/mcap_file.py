"""
MCAP files in one pass from the front, without their index.

A recording that was killed has no index and no end; a reader that needs them loses all of it. Here
every record is framed, so whole ones are read whatever comes after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import struct
from typing import BinaryIO
import zlib

from rescene4d_ros.data.readers.bags.compression import MAX_MESSAGE, unpack, unpack_message
from rescene4d_ros.data.readers.bags.messages import Damage, Recorded, ros2_type, Topic
from rescene4d_ros.errors import FileFormatError

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 3, 4, 5, 6, 15
FRAME = struct.Struct('<BQ')  # kind and length of a record
ENCODINGS = {'cdr': 'cdr', 'ros1': 'ros1'}
MAX_CHUNK = 4 * MAX_MESSAGE


def read_mcap(path: Path, types: frozenset[str]) -> Iterator[Recorded | Damage]:
    """
    Read the messages of some types in the order of the file.

    Parameters
    ----------
    path : Path
    types : frozenset of str

    Raises
    ------
    FileFormatError
        No MCAP file at all.

    """
    with open(path, 'rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise FileFormatError(
                f'{path}: expected an MCAP file, got another format; copy it again'
            )
        yield from _Records(path, types).read(file)


class _Records:
    """Know the channels of a file while its records pass."""

    def __init__(self, path: Path, types: frozenset[str]):
        self.name = path.name
        self.size = path.stat().st_size
        self.types = types
        self.schemas: dict[int, str] = {}
        self.topics: dict[int, Topic | None] = {}  # None: of no type that was asked for

    def read(self, file: BinaryIO) -> Iterator[Recorded | Damage]:
        while True:
            frame = file.read(FRAME.size)
            kind, length = FRAME.unpack(frame) if len(frame) == FRAME.size else (0, 0)
            left = self.size - file.tell()
            cut = length > left
            if kind == DATA_END and not cut:
                return
            if kind == 0 or (cut and kind not in (CHUNK, MESSAGE)) or length > MAX_CHUNK:
                yield self._unfinished()
                return
            if kind == CHUNK:
                yield from self._chunk(file.read(min(length, left)), cut)
            elif kind in (SCHEMA, CHANNEL, MESSAGE) and not cut:
                yield from self._record(kind, file.read(length))
            elif not cut:
                file.seek(length, 1)
            if cut:
                yield self._unfinished()
                return

    def _unfinished(self) -> Damage:
        return Damage(
            f'{self.name}: expected a finished recording, got one that ends early (it was killed, '
            'or the copy is cut off); its whole messages are read',
            at_end=True,
        )

    def _chunk(self, data: bytes, cut: bool) -> Iterator[Recorded | Damage]:
        try:
            _, _, size, checksum, length = struct.unpack_from('<QQQII', data)
            at = 32 + length
            kind = data[32:at].decode('ascii')
            (packed,) = struct.unpack_from('<Q', data, at)
            body = data[at + 8 :]
            if size > MAX_CHUNK or (not cut and packed != len(body)):
                raise ValueError(f'{len(body)} bytes in the place of {packed}')
            plain = unpack(kind, body, size, cut)
            if not cut and checksum and zlib.crc32(plain) != checksum:
                raise ValueError('another checksum than its own')
        except (struct.error, ValueError) as error:
            if not cut:
                yield Damage(
                    f'{self.name}: expected a whole chunk of messages, got one with {error}; the '
                    'others are read'
                )
            return
        at = 0
        while at < len(plain):
            frame = plain[at : at + FRAME.size]
            kind, length = FRAME.unpack(frame) if len(frame) == FRAME.size else (0, 0)
            at += FRAME.size
            if kind == 0 or length > len(plain) - at:
                if not cut:
                    yield Damage(f'{self.name}: expected whole messages in a chunk, got a cut one')
                return
            yield from self._record(kind, plain[at : at + length])
            at += length

    def _record(self, kind: int, data: bytes) -> Iterator[Recorded | Damage]:
        try:
            if kind == SCHEMA:
                (number,) = struct.unpack_from('<H', data)
                self.schemas[number] = _text(data, 2)[0]
            elif kind == CHANNEL:
                number, schema = struct.unpack_from('<HH', data)
                name, at = _text(data, 4)
                encoding, _ = _text(data, at)
                self._add_topic(number, schema, name, encoding)
            elif kind == MESSAGE:
                number, _, time_ns, _ = struct.unpack_from('<HIQQ', data)
                if number not in self.topics:
                    raise ValueError('a channel that is not declared')
                topic = self.topics[number]
                if topic is not None:
                    yield Recorded(topic, time_ns, unpack_message(data[22:]))
        except (struct.error, ValueError) as error:
            yield Damage(f'{self.name}: expected a whole message, got one with {error}')

    def _add_topic(self, number: int, schema: int, topic: str, encoding: str) -> None:
        kind = ros2_type(self.schemas.get(schema, ''))
        wanted = kind in self.types and encoding in ENCODINGS
        self.topics[number] = Topic(topic, kind, ENCODINGS[encoding]) if wanted else None


def _text(data: bytes, at: int) -> tuple[str, int]:
    """Return a string with its length before it, and where it ends."""
    (length,) = struct.unpack_from('<I', data, at)
    if at + 4 + length > len(data):
        raise ValueError('a text that is cut off')
    return data[at + 4 : at + 4 + length].decode('utf-8'), at + 4 + length
