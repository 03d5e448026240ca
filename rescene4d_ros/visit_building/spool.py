"""
Keyframes of the visit in the making on disk, so that a killed process loses none.

A file begins with a mark; a record is its length, the checksum of its content, and the content.
Records are only appended. A reader takes the whole ones from the front and stops at the first
that is not: a kill in the middle of a write costs that keyframe alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
import re
import struct
from typing import BinaryIO
import zlib

import numpy as np
from rescene4d_ros.errors import FileFormatError, StorageError
from rescene4d_ros.visit_building.posed_clouds import Keyframe

MARK = b'rescene4d spool 1\n'
FRAME = struct.Struct('<QI')  # length and CRC-32 of the content
HEAD = struct.Struct('<q16d3dI?')  # stamp, pose, origin, voxels, color
LARGEST = 1 << 30  # bytes of one record

Kept = tuple[Keyframe, tuple[float, float, float]]


class Spool:
    """
    Append keyframes to a file; the operating system has each when `append` returns.

    Parameters
    ----------
    path : Path
        Continued if it exists; its folder is made.
    max_bytes : int
        Beyond it keyframes are no longer kept here, and `is_full` says so.

    Raises
    ------
    StorageError
        The disk refused, or there is a file of another kind.

    """

    def __init__(self, path: Path, max_bytes: int = 4 << 30):
        self.path, self._max_bytes = Path(path), max_bytes
        self.is_full = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what is in a buffer of this process would be lost with it.
            self._file = open(self.path, 'ab', buffering=0)
            self._end = self._file.tell()
            if not self._end:
                self._write(MARK)
            elif not _is_spool(self.path):
                raise StorageError(
                    f'{self.path}: expected keyframes of a visit or no file, got another file; '
                    'set spool to a path of its own'
                )
        except OSError as error:
            raise self._refused(error) from error

    def append(self, keyframe: Keyframe, origin: tuple[float, float, float]) -> None:
        """
        Keep a keyframe.

        Raises
        ------
        StorageError
            The disk refused; no part of the keyframe stays in the file.

        """
        content = _packed(keyframe, origin)
        record = FRAME.pack(len(content), zlib.crc32(content)) + content
        if self._end + len(record) > self._max_bytes:
            self.is_full = True
            return
        try:
            self._write(record)
        except OSError as error:
            with suppress(OSError):  # else the reader stops there
                self._file.truncate(self._end)
            raise self._refused(error) from error

    def close(self) -> None:
        """Close the file and leave it."""
        self._file.close()

    def remove(self) -> None:
        """Close and remove the file: the visit is elsewhere now."""
        self.close()
        with suppress(OSError):  # of a disk that is gone, with the file
            self.path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self._end += len(data)

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f'{self.path}: expected to keep the visit in the making, the disk refused '
            f'({error.strerror}); free or remount it'
        )


def left_by(path: Path) -> list[Path]:
    """Return the spool at a path and those of finished visits beside it, by name."""
    try:
        beside = sorted(path.parent.iterdir())
    except OSError:
        return []
    return [p for p in beside if re.fullmatch(re.escape(path.name) + r'(\.\d+)?', p.name)]


def _is_spool(path: Path) -> bool:
    with open(path, 'rb') as file:
        return file.read(len(MARK)) == MARK


def read_spool(path: Path) -> Iterator[Kept]:
    """
    Read the whole records of a spool, also of one whose process was killed.

    Yields
    ------
    keyframe : Keyframe
    origin : tuple of 3 float, m, in map
        Of the visit.

    Raises
    ------
    FileFormatError
        No spool at all, or records of another form.

    """
    with open(path, 'rb') as file:
        if file.read(len(MARK)) != MARK:
            raise FileFormatError(
                f'{path}: expected keyframes of a visit, got another file; remove it, or '
                'set spool to another path'
            )
        for content in _records(file):
            try:
                kept = _unpacked(content)
            except (struct.error, ValueError) as error:
                raise FileFormatError(
                    f'{path}: expected keyframes of a visit, got a record that is none ({error}); '
                    'remove it'
                ) from error
            yield kept


def cut_torn(path: Path) -> None:
    """Cut off what a kill left of a record, so that a spool can be continued."""
    with open(path, 'r+b') as file:
        if file.read(len(MARK)) == MARK:
            end = file.tell()
            for content in _records(file):
                end += FRAME.size + len(content)
            file.truncate(end)


def _records(file: BinaryIO) -> Iterator[bytes]:
    """Yield the contents of the whole records from here on."""
    while len(frame := file.read(FRAME.size)) == FRAME.size:
        length, checksum = FRAME.unpack(frame)
        if length > LARGEST:
            return
        content = file.read(length)
        if len(content) < length or zlib.crc32(content) != checksum:
            return
        yield content


def _packed(keyframe: Keyframe, origin: tuple[float, float, float]) -> bytes:
    color = keyframe.rgb is not None
    parts = [
        HEAD.pack(
            keyframe.stamp_ns, *keyframe.map_T_sensor.flat, *origin, len(keyframe.xyz), color
        ),
        keyframe.xyz.astype('<f4').tobytes(),
        keyframe.count.astype('<i4').tobytes(),
    ]
    if keyframe.rgb is not None:
        parts.append(keyframe.rgb.tobytes())
    return b''.join(parts)


def _unpacked(content: bytes) -> Kept:
    stamp_ns, *pose, x, y, z, count, color = HEAD.unpack_from(content)
    at = HEAD.size
    xyz = np.frombuffer(content, '<f4', 3 * count, at).reshape(-1, 3)
    counts = np.frombuffer(content, '<i4', count, at + 12 * count)
    rgb = None
    if color:
        rgb = np.frombuffer(content, np.uint8, 3 * count, at + 16 * count).reshape(-1, 3)
    return Keyframe(stamp_ns, np.array(pose).reshape(4, 4), xyz, counts, rgb), (x, y, z)
