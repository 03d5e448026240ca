"""
The chunks of a LAZ file, checked before they are unpacked.

The decompressor allocates what the file asks for, and ends the process where that is too much. So
every size is compared with the bytes that are there first.
"""

from __future__ import annotations

from pathlib import Path
import struct

import lazrs

USER, RECORD = b'laszip encoded', 22204
VARIABLE = 0xFFFFFFFF  # size of chunks that each have their own
# Layers that a point of each type of item is split into, in files of LAS 1.4.
LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}
BYTES = 14  # type of an item with a layer for each of its bytes
FIXED = {0, 6, 7, 8, 9, *LAYERS, BYTES}  # types there are
MAX_ITEMS = 16
MOST_TABLE, MOST_ENTRY = 32, 16  # bytes of a table of chunks, and of each of its entries


def check_chunks(
    path: Path, record: bytes, start: int, count: int, point_size: int, after: int
) -> None:
    """
    Check that a file's chunks fill it exactly.

    Parameters
    ----------
    path : Path
    record : bytes
        Data of the record that LASzip writes before the points.
    start : int
        First byte of the points.
    count, point_size : int
        Points in the header, and bytes of each.
    after : int
        First byte of what follows the points, 0 = nothing.

    Raises
    ------
    ValueError
        With what does not fit.

    """
    chunk_size, items = _items(record, point_size)
    size = path.stat().st_size
    with open(path, 'rb') as file:
        file.seek(start)
        table = int.from_bytes(file.read(8), 'little', signed=True)
        if table == -1:  # written to a stream: the last bytes say it
            file.seek(size - 8)
            table = int.from_bytes(file.read(8), 'little', signed=True)
        if not start + 8 <= table <= size - 8:
            raise ValueError(f'a chunk table at {table} of {size} bytes')
        file.seek(table)
        end = min(size, after) if after else size
        version, chunks = struct.unpack('<II', file.read(8))
        most = -(-count // chunk_size) if chunk_size != VARIABLE else count
        least = most if chunk_size != VARIABLE else min(count, 1)
        if version != 0 or not least <= chunks <= min(most, size):
            raise ValueError(f'{chunks} chunks of {chunk_size} for {count} points')
        if end - table > MOST_TABLE + MOST_ENTRY * chunks:
            raise ValueError(f'{end - table} bytes behind the points, more than a chunk table has')
        file.seek(start)
        entries = lazrs.read_chunk_table(file, lazrs.LazVlr(record))
        if start + 8 + sum(length for _, length in entries) != table:
            raise ValueError('chunks that do not fill the file')
        held = sum(points for points, _ in entries)
        if chunk_size == VARIABLE and held != count:
            raise ValueError(f'{count} points in the header and {held} in the chunks')
        at = start + 8
        for points, length in entries:
            if points or length:  # a writer may close an empty one at the end
                _check_layers(file, at, length, items, point_size)
            at += length


def _items(record: bytes, point_size: int) -> tuple[int, list[tuple[int, int]]]:
    """Return the size of chunks, and type and size of what a point is made of."""
    if len(record) < 34:
        raise ValueError(f'a LASzip record of {len(record)} bytes')
    compressor, coder = struct.unpack_from('<HH', record)
    (chunk_size,) = struct.unpack_from('<I', record, 12)
    (number,) = struct.unpack_from('<H', record, 32)
    if not 0 < number <= MAX_ITEMS or len(record) != 34 + 6 * number or not chunk_size:
        raise ValueError(f'a LASzip record of {number} items in {len(record)} bytes')
    items = [struct.unpack_from('<HHH', record, 34 + 6 * k) for k in range(number)]
    if compressor not in (2, 3) or coder or any(kind not in FIXED for kind, _, _ in items):
        raise ValueError(f'compressor {compressor} and coder {coder}')
    if sum(size for _, size, _ in items) != point_size:
        raise ValueError(f'items of other sizes than points of {point_size} bytes')
    return chunk_size, [(kind, size) for kind, size, _ in items]


def _check_layers(
    file, at: int, length: int, items: list[tuple[int, int]], point_size: int
) -> None:
    """Check the sizes of the layers that stand behind a chunk's first point."""
    if items[0][0] != 10:
        return  # points of LAS 1.2 have none
    layers = sum(size if kind == BYTES else LAYERS.get(kind, 0) for kind, size in items)
    head = point_size + 4 + 4 * layers
    file.seek(at + point_size + 4)
    sizes = struct.unpack(f'<{layers}I', file.read(4 * layers)) if head <= length else ()
    if not sizes or head + sum(sizes) != length:
        raise ValueError(f'layers that do not fill a chunk of {length} bytes')
