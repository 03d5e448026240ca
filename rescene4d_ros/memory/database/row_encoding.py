"""How structures are kept in rows: types of columns, and a checksum that tells altered rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
import hashlib
from itertools import count
import json
import struct
from typing import Any
import zlib

import numpy as np
from rescene4d_ros.errors import MemoryDamagedError
from rescene4d_ros.structures import Box
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    RowMapping,
    Select,
    select,
    Table,
    Text,
    update,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

# What decoding altered bytes raises; UnicodeDecodeError and JSONDecodeError are ValueErrors.
UNREADABLE = (ValueError, TypeError, IndexError, OverflowError, struct.error, zlib.error)

CHECKSUM = 'checksum'  # name of a column
AT_ONCE = 16  # rows that are read together while one is looked for
MOST_VERIFIED = 50_000  # rows of a table of which a connection keeps that they are intact


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
    canonical : callable, optional
        From a value to what its checksum is of, where that is not what the column holds.

    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = Text
    cache_ok = True

    def __init__(
        self,
        impl: TypeEngine,
        encode: Callable[[Any], Any],
        decode: Callable[[Any], Any],
        encodes_none: bool = False,
        canonical: Callable[[Any], Any] | None = None,
    ):
        super().__init__()
        self.impl, self.encode, self.decode = impl, encode, decode
        self.encodes_none = encodes_none
        self.canonical = canonical or encode

    def process_bind_param(self, value, dialect):
        """Encode a parameter."""
        return None if value is None and not self.encodes_none else self.encode(value)

    def process_result_value(self, value, dialect):
        """
        Decode a result.

        Raises
        ------
        MemoryDamagedError
            The stored bytes were altered.

        """
        try:
            return None if value is None else self.decode(value)
        except UNREADABLE as error:
            raise MemoryDamagedError(
                f'expected a stored value of this package, got {str(value)[:40]!r} '
                f'({type(error).__name__}); the database is damaged: restore a backup, or '
                '`rescene4d memory repair`'
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
# Not of the packed bytes, which differ between versions of zlib.
LABELS = Encoded(
    LargeBinary(),
    _encode_labels,
    _decode_labels,
    canonical=lambda labels: np.ascontiguousarray(labels, dtype='<i8').tobytes(),
)
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


def checked(*columns: Column) -> tuple[Column, ...]:
    """Return the columns of a table with one more, which holds the checksum of the others."""

    def of_inserted(context) -> int:
        return checksum(columns, context.get_current_parameters(isolate_multiinsert_groups=True))

    def of_updated(context) -> int:
        raise TypeError('a row has a checksum of all of its values; update it by change_rows')

    sums = Column(
        CHECKSUM,
        BigInteger,
        default=of_inserted,
        onupdate=of_updated,
        nullable=False,
        server_default='0',
    )
    return *columns, sums


def checksum(columns: Iterable[Column], row: RowMapping | Mapping[str, Any]) -> int:
    """Return a hash of a row's values that fits a column of 64 bits."""
    digest = hashlib.blake2b(digest_size=8)
    for column in columns:
        if column.name != CHECKSUM:
            data = _canonical(column, row.get(column.name))
            digest.update(b'-' if data is None else b'%d:' % len(data) + data)
    return int.from_bytes(digest.digest(), 'big', signed=True)


def read_rows(connection: Connection, table: Table, query: Select) -> Sequence[Row]:
    """
    Return the rows of a query that selects all columns of a table, and possibly others.

    Raises
    ------
    MemoryDamagedError
        A row is not as it was stored.

    """
    rows = connection.execute(query).all()
    _check_rows(table, rows)
    return rows


def read_rows_again(connection: Connection, table: Table, query: Select) -> Sequence[Row]:
    """
    Return rows as `read_rows`, for a table without arrays that is read often and whole.

    The checksum of a row is not computed again where a row of the same values was verified on
    this connection before; one that was altered since differs, and is verified.

    """
    rows = connection.execute(query).all()
    verified: set[Row] = connection.info.setdefault(f'verified {table.name}', set())
    new = [row for row in rows if row not in verified]
    _check_rows(table, new)
    if len(verified) + len(new) > MOST_VERIFIED:
        verified.clear()
    verified.update(new)
    return rows


def read_rows_in_turn(connection: Connection, table: Table, query: Select) -> Iterator[Row]:
    """Yield the rows of an ordered query as `read_rows`, a few at a time: one is looked for."""
    for skipped in count(0, AT_ONCE):
        rows = read_rows(connection, table, query.limit(AT_ONCE).offset(skipped))
        yield from rows
        if len(rows) < AT_ONCE:
            return


def _check_rows(table: Table, rows: Sequence[Row]) -> None:
    """Raise where a row is not as it was stored."""
    for row in rows:
        if not is_intact(table, row._mapping):
            raise MemoryDamagedError(
                f'expected the table {table.name} as it was stored, found an altered row '
                f'({name_of(table, row._mapping)}); the disk or another program damaged the '
                'database: restore a backup, or `rescene4d memory repair`'
            )


def is_intact(table: Table, row: RowMapping | Mapping[str, Any]) -> bool:
    """Return whether a decoded row is as it was stored."""
    try:
        return row[CHECKSUM] == checksum(table.columns, row)
    except UNREADABLE:  # a number became text, say
        return False


def name_of(table: Table, row: RowMapping | Mapping[str, Any]) -> str:
    """Return the key of a row, for people."""
    return ', '.join(f'{key.name} {row[key.name]!r}' for key in table.primary_key)


def change_rows(connection: Connection, table: Table, *where, **values) -> int:
    """Change some columns of some rows; return how many rows there were."""
    rows = read_rows(connection, table, select(table).where(*where))
    for row in rows:
        new = {**row._mapping, **values}
        new[CHECKSUM] = checksum(table.columns, new)
        keys = (key == row._mapping[key.name] for key in table.primary_key)
        connection.execute(update(table).where(*keys).values(new))
    return len(rows)


def as_stored(table: Table) -> Table:
    """Return a table with the values that the database holds, neither encoded nor decoded."""
    plain = table.to_metadata(MetaData())
    for column in plain.columns:
        if isinstance(column.type, Encoded):
            column.type = column.type.impl_instance
    return plain


def decoded(table: Table, row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that the database holds with decoded values; raise as reading it does."""
    kinds = {column.name: column.type for column in table.c}
    return {
        name: kind.process_result_value(row[name], None)
        if isinstance(kind, Encoded)
        else row[name]
        for name, kind in kinds.items()
        if name in row
    }


def _canonical(column: Column, value: Any) -> bytes | None:
    """Return bytes that are the same for a value before it was written and after."""
    kind: TypeEngine[Any] = column.type
    if isinstance(kind, Encoded):
        value, kind = (
            kind.canonical(value) if value is not None or kind.encodes_none else None,
            kind.impl_instance,
        )
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(kind, Float):
        return struct.pack('<d', value)
    return str(int(value) if isinstance(kind, Integer) else value).encode()
