"""PCD files to columns: text, binary and compressed, every type and count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re

import numpy as np
from rescene4d_ros.data.readers.formats.lzf import decompress
from rescene4d_ros.data.readers.formats.text_values import check_range, EXACT, read_values
from rescene4d_ros.data.readers.whole_files import read_whole, what_it_is
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import Finding, Severity

MAX_HEADER = 1 << 16  # bytes
SPARE = 64  # bytes, of the end of the header and its mark
PADDING_BYTES = 1 << 16  # most zeros behind the data: PCL up to 1.8 made its files a page longer
FEW_BYTES = 64  # so many zeros more may be data that moved by them
PAGE = 4096  # bytes; others are multiples of it
MARK = b'\xef\xbb\xbf'
SIZES = {'F': (4, 8), 'I': (1, 2, 4, 8), 'U': (1, 2, 4, 8)}
KEYS = ('VERSION', 'FIELDS', 'SIZE', 'TYPE', 'COUNT', 'WIDTH', 'HEIGHT', 'VIEWPOINT', 'POINTS')
DATA = re.compile(rb'(?:^|[\r\n])[ \t]*DATA[ \t]+(\w+)[ \t]*(\r\n|\n|\r|$)', re.IGNORECASE)
LINE = re.compile(rb'\r\n|\n|\r')
MAX_RATIO = 264 // 3  # of LZF: three bytes stand for up to 264
PADDING = '_'  # name of fields that hold nothing
AT_ZERO = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]  # VIEWPOINT: x, y, z in m; quaternion w, x, y, z


@dataclass(frozen=True)
class PcdHeader:
    """
    Hold what a header declares.

    Attributes
    ----------
    fields : tuple of (str, dtype, int)
        Name, type and number of values.
    points : int
    kind : str
        'ascii', 'binary' or 'binary_compressed'.
    start : int
        First byte of the data.
    first_line : int
        Number of the first line of the data, from 1.
    findings : tuple of Finding

    """

    fields: tuple[tuple[str, np.dtype, int], ...]
    points: int
    kind: str
    start: int
    first_line: int
    findings: tuple[Finding, ...] = ()


def read_pcd(path: Path) -> tuple[dict[str, np.ndarray], bool, tuple[Finding, ...]]:
    """
    Read the points of a file; raises as `read_ply`.

    Returns
    -------
    columns : dict of str to ndarray (M,) or (M, count)
    is_text : bool
    findings : tuple of Finding

    """
    with path.open('rb') as file:
        header = _read_header(file.read(MAX_HEADER + SPARE), str(path))
    wanted = header.points * sum(t.itemsize * n for _, t, n in header.fields)
    left = path.stat().st_size - header.start
    if header.kind == 'binary' and left > wanted + PADDING_BYTES:  # before all of it is read
        raise _of_other_size(path, header, wanted, left)
    data = read_whole(path)
    if header.kind == 'ascii':
        return _text(data, header, str(path)), True, header.findings
    body, rest = data[header.start :], b''
    if header.kind == 'binary_compressed':
        body, rest = _decompressed(body, header, str(path))
    else:
        body, rest = body[:wanted], body[wanted:]
    # Few zeros may be the end of data that a byte too many has moved, where no page ends there.
    is_few = len(rest) <= FEW_BYTES and (header.start + len(rest)) % PAGE and len(data) % PAGE
    is_padding = not rest or not (is_few or len(rest) > PADDING_BYTES or any(rest))
    if len(body) != wanted or not (is_padding or rest in (b'\n', b'\r\n')):
        raise _of_other_size(path, header, wanted, len(body) + len(rest))
    columns = (_by_field if header.kind == 'binary_compressed' else _by_point)(body, header)
    return columns, False, header.findings


def _of_other_size(path: Path, header: PcdHeader, wanted: int, got: int) -> FileFormatError:
    return FileFormatError(
        f'{path}: expected {wanted} bytes for {header.points} points as its header says, got '
        f'{got}; the file is truncated or its header does not fit, copy it again'
    )


def _by_point(body: bytes, header: PcdHeader) -> dict[str, np.ndarray]:
    dtype = np.dtype(
        [(f'f{k}', t, (n,) if n > 1 else ()) for k, (_, t, n) in enumerate(header.fields)]
    )
    rows = np.frombuffer(body, dtype) if body else np.zeros(0, dtype)
    return {n: rows[f'f{k}'] for k, (n, _, _) in enumerate(header.fields) if n != PADDING}


def _by_field(body: bytes, header: PcdHeader) -> dict[str, np.ndarray]:
    columns, at = {}, 0
    for name, dtype, count in header.fields:
        column = np.frombuffer(body, dtype, header.points * count, at) if body else np.zeros(0)
        at += header.points * count * dtype.itemsize
        if name != PADDING:
            shape = (header.points, count) if count > 1 else (header.points,)
            columns[name] = np.asarray(column, dtype).reshape(shape)
    return columns


def _decompressed(body: bytes, header: PcdHeader, where: str) -> tuple[bytes, bytes]:
    """Return the bytes that were compressed, and what stands behind them."""
    sizes = np.frombuffer(body[:8], '<u4').astype(int) if len(body) >= 8 else (0, 0)
    wanted = header.points * sum(t.itemsize * n for _, t, n in header.fields)
    packed, rest = body[8 : 8 + sizes[0]], body[8 + sizes[0] :]
    if len(packed) == sizes[0] and sizes[1] == wanted:
        if not wanted:
            return b'', rest
        if wanted <= MAX_RATIO * len(packed):
            plain = decompress(packed, wanted)
            if plain is not None:
                return plain, rest
    raise FileFormatError(
        f'{where}: expected {wanted} compressed bytes for {header.points} points as its header '
        f'says, got {len(packed)} bytes that say {sizes[1]}; the file is truncated or damaged, '
        'copy it again'
    )


def _text(data: bytes, header: PcdHeader, where: str) -> dict[str, np.ndarray]:
    text = read_values(data[header.start :], header.first_line, where)
    per_row = sum(n for _, _, n in header.fields)
    odd = np.flatnonzero(text.per_line != per_row)
    if len(text.per_line) != header.points or len(odd):
        detail = (
            f'; {text.per_line[odd[0]]} values in line {text.line[odd[0]]}' if len(odd) else ''
        )
        raise FileFormatError(
            f'{where}: expected {header.points} lines as its header says, {per_row} values in '
            f'each, got {len(text.per_line)}{detail}; the file is truncated or damaged, copy or '
            'export it again'
        )
    values = text.values.reshape(header.points, per_row)
    columns, at = {}, 0
    for name, dtype, count in header.fields:
        column = values[:, at] if count == 1 else values[:, at : at + count]
        at += count
        if name == PADDING:
            continue
        if dtype.kind == 'f' and name.lower() in EXACT:
            dtype = np.dtype(np.float64)
        columns[name] = (
            check_range(column, dtype, name, where) if count == 1 else column.astype(np.float64)
        )
    return columns


def _read_header(data: bytes, where: str) -> PcdHeader:
    begin = len(MARK) if data.startswith(MARK) else 0
    end = DATA.search(data, begin, begin + MAX_HEADER)
    values: dict[str, list[str]] = {}
    lines = LINE.split(data[begin : end.start(1)]) if end else []
    for line in lines[:-1]:
        words = line.decode('utf-8', 'replace').split()
        if not words or words[0].startswith('#'):
            continue
        key = words[0].upper().replace('COLUMNS', 'FIELDS')
        if key not in KEYS or key in values:
            end = None
            break
        values[key] = words[1:]
    kind = end[1].decode('ascii').lower() if end else ''
    is_known = kind in ('ascii', 'binary', 'binary_compressed')
    if end is None or not is_known or 'FIELDS' not in values:
        got = f'{", ".join(values)}; export the cloud again' if values else what_it_is(data[:80])
        raise FileFormatError(
            f'{where}: expected a .pcd header with FIELDS, SIZE, TYPE, a number of points and '
            f'DATA, got {got}'
        )
    start = end.end(2)
    if end[2] == b'\r\n' and b'\n' not in data[begin : end.start(2)] and len(lines) > 1:
        start -= 1  # lines end CR: LF is the first byte of the data
    try:
        fields, points = _fields(values), _points(values)
        return PcdHeader(fields, points, kind, start, len(lines) + 1, _viewpoint(values))
    except (ValueError, KeyError) as error:
        raise FileFormatError(
            f'{where}: expected a .pcd header whose FIELDS, SIZE, TYPE, COUNT and WIDTH, HEIGHT, '
            f'POINTS fit each other, got {error}; export the cloud again'
        ) from None


def _fields(values: dict[str, list[str]]) -> tuple[tuple[str, np.dtype, int], ...]:
    names = values['FIELDS']
    sizes = [int(v) for v in values.get('SIZE', ['4'] * len(names))]
    types = [v.upper() for v in values.get('TYPE', ['F'] * len(names))]
    counts = [int(v) for v in values.get('COUNT', ['1'] * len(names))]
    if not names or {len(sizes), len(types), len(counts)} != {len(names)}:
        raise ValueError(f'{len(names)}, {len(sizes)}, {len(types)}, {len(counts)} of them')
    for size, kind, count in zip(sizes, types, counts):
        if size not in SIZES.get(kind, ()) or not 0 < count < 1 << 20:
            raise ValueError(f'SIZE {size} TYPE {kind} COUNT {count}')
    used = [n for n in names if n != PADDING]
    if len(set(used)) != len(used):
        raise ValueError(f'a field twice in {" ".join(names)[:80]}')
    return tuple(
        (name, np.dtype(f'<{kind.lower()}{size}'), count)
        for name, size, kind, count in zip(names, sizes, types, counts)
    )


def _points(values: dict[str, list[str]]) -> int:
    def number(key: str) -> int | None:
        if key not in values:
            return None
        (text,) = values[key]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise ValueError(f'{key} {text[:40]}')
        return int(text)

    width, height, points = number('WIDTH'), number('HEIGHT'), number('POINTS')
    grid = None if width is None else width * (1 if height is None else height)
    if points is None:
        if grid is None:
            raise ValueError('no number of points')
        return grid
    if grid is not None and points != grid:
        raise ValueError(f'WIDTH x HEIGHT of {grid} and POINTS of {points}')
    return points


def _viewpoint(values: dict[str, list[str]]) -> tuple[Finding, ...]:
    """Say that points stay where they are: libraries differ in whether VIEWPOINT moves them."""
    told = ' '.join(values.get('VIEWPOINT', ()))
    try:
        is_zero = not told or [float(v) for v in told.split()] == AT_ZERO
    except ValueError:
        is_zero = False
    if is_zero:
        return ()
    found = Finding(
        'viewpoint',
        Severity.INFO,
        f'VIEWPOINT {told[:100]}',
        'points in the map, with VIEWPOINT 0 0 0 1 0 0 0',
        'it is not applied; move the points to the map if they are in the frame of the sensor',
    )
    return (found,)
