"""How structures are kept in columns; numbers are read back exactly."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
import json
from typing import Any
import zlib

import numpy as np
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.structures import Box
from sqlalchemy import Integer, LargeBinary, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

# What decoding altered bytes raises; UnicodeDecodeError and JSONDecodeError are ValueErrors.
UNREADABLE = (ValueError, TypeError, IndexError, OverflowError, zlib.error)


class Encoded(TypeDecorator):
    """
    Keep values in another form than they have in memory.

    Parameters
    ----------
    impl : TypeEngine
        Of the column.
    encode, decode : callable
        From a value to what the column holds, and back.
    encodes_none : bool
        Whether `encode` takes None, too; else it is NULL.

    """

    impl = Text
    cache_ok = True

    def __init__(
        self,
        impl: TypeEngine,
        encode: Callable[[Any], Any],
        decode: Callable[[Any], Any],
        encodes_none: bool = False,
    ):
        super().__init__()
        self.impl, self.encode, self.decode = impl, encode, decode
        self.encodes_none = encodes_none

    def process_bind_param(self, value, dialect):
        """Encode a parameter."""
        return None if value is None and not self.encodes_none else self.encode(value)

    def process_result_value(self, value, dialect):
        """
        Decode a result.

        Raises
        ------
        MemoryFormatError
            The stored bytes were altered.

        """
        try:
            return None if value is None else self.decode(value)
        except UNREADABLE as error:
            raise MemoryFormatError(
                f'expected a stored value of this package, got {str(value)[:40]!r} '
                f'({type(error).__name__}); the database is damaged: `rescene4d memory check` '
                'says where'
            ) from error


def code(kind: type[Enum]) -> Encoded:
    """Return the type of a column that holds the numbers of an enum."""
    return Encoded(Integer(), int, kind)


def word(kind: type[Enum]) -> Encoded:
    """Return the type of a column that holds the words of an enum, and no others."""
    return Encoded(Text(), lambda value: kind(value).value, kind)


def floats(*shape: int) -> Encoded:
    """Return the type of a column of float32 arrays, little-endian; read with this shape."""
    return Encoded(
        LargeBinary(),
        lambda array: np.ascontiguousarray(array, dtype='<f4').tobytes(),
        lambda data: np.frombuffer(data, dtype='<f4').astype(np.float32).reshape(shape or -1),
    )


def _encode_labels(object_ids: np.ndarray) -> bytes:
    """Return one id per point, packed: neighbors mostly share an id."""
    return zlib.compress(np.ascontiguousarray(object_ids, dtype='<i8').tobytes(), 1)


def _decode_labels(data: bytes) -> np.ndarray:
    """Return the ids (N,) int64 of `_encode_labels`."""
    return np.frombuffer(zlib.decompress(data), dtype='<i8').astype(np.int64)


def _encode_box(box: Box) -> str:
    """Return center, size and yaw."""
    return json.dumps([*map(float, (*box.center, *box.size, box.yaw))])


def _decode_box(text: str) -> Box:
    """Return the box of `_encode_box`."""
    x, y, z, dx, dy, dz, yaw = map(float, json.loads(text))
    return Box((x, y, z), (dx, dy, dz), yaw)


JSON = Encoded(Text(), json.dumps, json.loads, encodes_none=True)
FLAG = Encoded(Integer(), int, bool)
LABELS = Encoded(LargeBinary(), _encode_labels, _decode_labels)
BOX = Encoded(Text(), _encode_box, _decode_box)
IDS = Encoded(
    Text(),
    lambda ids: json.dumps([int(i) for i in ids]),
    lambda text: tuple(map(int, json.loads(text))),
)
MATRIX = Encoded(
    Text(),
    lambda matrix: json.dumps(np.asarray(matrix).tolist()),
    lambda text: np.array(json.loads(text), dtype=np.float64),
)
