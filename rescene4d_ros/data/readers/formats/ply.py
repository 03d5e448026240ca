"""PLY files to columns: text and binary of both byte orders, lists, elements in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rescene4d_ros.data.readers.formats.list_rows import list_rows
from rescene4d_ros.data.readers.formats.ply_header import (
    Element,
    MAX_HEADER,
    PlyHeader,
    read_header,
)
from rescene4d_ros.data.readers.formats.text_values import (
    check_range,
    check_rows,
    EXACT,
    read_values,
)
from rescene4d_ros.data.readers.whole_files import read_whole
from rescene4d_ros.errors import FileFormatError

POINTS = ('vertex', 'vertices', 'point', 'points')
SPARE = 64  # bytes, of the end of the header and its mark
LINE_END = b'\r\n'  # that may follow the data
CORNERS = ('vertex_index', 'vertex_indices')  # lists of a face
GRID = 'range_grid'  # element of organized clouds: a list holds one point, or none
STRIPS = 'tristrips'  # element whose lists hold many faces, with -1 between them


def read_ply(path: Path) -> tuple[dict[str, np.ndarray], bool]:
    """
    Read the points of a file, and account for all the rest of it.

    Returns
    -------
    columns : dict of str to ndarray (M,)
        Every property of the points that is no list, by name.
    is_text : bool
        Then coordinates are float64, with all digits of the text.

    Raises
    ------
    FileFormatError
        Another format, a damaged file, or one that is shorter or longer than its header says.

    """
    with path.open('rb') as file:
        header = read_header(file.read(MAX_HEADER + SPARE), str(path))
    _check_size(path, header)
    data = read_whole(path)
    points = [e for e in header.elements if e.name in POINTS]
    if len(points) != 1:
        got = ', '.join(e.name for e in header.elements) or 'none'
        raise FileFormatError(
            f'{path}: expected a .ply header with one element vertex, got: {got}; export the cloud'
        )
    if header.order:
        return _binary(data, header, points[0], str(path)), False
    return _text(data, header, points[0], str(path)), True


def _check_size(path: Path, header: PlyHeader) -> None:
    """Refuse a file that is longer than its header says, before all of it is read."""
    if header.order and not any(e.has_lists for e in header.elements):
        wanted = header.start + sum(
            e.count * sum(p.dtype.itemsize for p in e.properties) for e in header.elements
        )
        if (size := path.stat().st_size) > wanted + len(LINE_END):
            raise _longer(str(path), wanted, size)


def _longer(where: str, wanted: int, got: int) -> FileFormatError:
    return FileFormatError(
        f'{where}: expected {wanted} bytes as its header says, got {got}; the header does not fit '
        'the data: export the cloud again'
    )


def _binary(data: bytes, header: PlyHeader, points: Element, where: str) -> dict[str, np.ndarray]:
    at, columns = header.start, {}
    for element in header.elements:
        found, at = _binary_rows(data, at, element, header.order, points.count, where)
        if element is points:
            columns = found
    if data[at:] not in (b'', b'\n', b'\r', LINE_END):
        raise _longer(where, at, len(data))
    return columns


def _binary_rows(
    data: bytes, at: int, element: Element, order: str, points: int, where: str
) -> tuple[dict[str, np.ndarray], int]:
    """Return the columns of an element's rows, and where they end."""
    if element.has_lists:
        sizes = np.array([p.dtype.itemsize for p in element.properties], np.int64)
        flat = np.frombuffer(data, np.uint8)
        starts, counts, end = list_rows(
            flat, at, element, sizes, order, _cut(data, element, where)
        )
        for k, p in enumerate(element.properties):
            if p.name in CORNERS:
                first = np.repeat(starts[:, k], counts[:, k]) + p.dtype.itemsize * _within(
                    counts[:, k]
                )
                taken = flat[first[:, None] + np.arange(p.dtype.itemsize)]
                corners = taken.view(order + p.dtype.str[1:])[:, 0]
                _check_corners(corners, counts[:, k], points, element, where)
        return _gathered(data, starts, element, order), end
    dtype = np.dtype(
        [(f'f{k}', order + p.dtype.str[1:]) for k, p in enumerate(element.properties)]
    )
    end = at + element.count * dtype.itemsize
    if end > len(data):
        raise _cut(data, element, where, (len(data) - at) // max(dtype.itemsize, 1))
    rows = np.frombuffer(data, dtype, element.count, at) if end > at else np.zeros(0, dtype)
    return {p.name: rows[f'f{k}'] for k, p in enumerate(element.properties)}, end


def _cut(data: bytes, element: Element, where: str, got: int | None = None) -> FileFormatError:
    kind = 'points' if element.name in POINTS else f'rows of {element.name}'
    short = 'fewer' if got is None else str(got)
    return FileFormatError(
        f'{where}: expected {element.count} {kind} as its header says, got {short}; the file is '
        'truncated or its header does not fit, copy it again'
    )


def _gathered(
    data: bytes, starts: np.ndarray, element: Element, order: str
) -> dict[str, np.ndarray]:
    """Return the scalar columns of rows whose values begin at `starts` (rows, properties)."""
    flat = np.frombuffer(data, np.uint8)
    columns = {}
    for k, p in enumerate(element.properties):
        if p.length_dtype is None:
            taken = flat[starts[:, k, None] + np.arange(p.dtype.itemsize)]
            columns[p.name] = taken.view(order + p.dtype.str[1:])[:, 0]
    return columns


def _text(data: bytes, header: PlyHeader, points: Element, where: str) -> dict[str, np.ndarray]:
    text = read_values(data[header.start :], header.first_line, where)
    at, columns = 0, {}
    for element in header.elements:
        if element.has_lists:
            sizes = np.ones(len(element.properties), np.int64)
            starts, counts, end = list_rows(
                text.values, at, element, sizes, '', _cut(data, element, where)
            )
            for k, p in enumerate(element.properties):
                if p.name in CORNERS:
                    first = np.repeat(starts[:, k], counts[:, k]) + _within(counts[:, k])
                    corners = text.values[first]
                    _check_corners(corners, counts[:, k], points.count, element, where)
        else:
            per_row = len(element.properties)
            if element.count * per_row > len(text.values) - at:
                if element.count:
                    check_rows(text, at, element.count, per_row, where)
                raise _cut(data, element, where)
            check_rows(text, at, element.count, per_row, where)
            end = at + element.count * per_row
            starts = at + np.arange(element.count * per_row).reshape(element.count, per_row)
        if element is points:
            columns = _text_columns(text.values, starts, element, where)
        at = end
    if at != len(text.values):
        raise FileFormatError(
            f'{where}: expected {at} values as its header says, got {len(text.values)}; the '
            'header does not fit the rows: export the cloud again'
        )
    return columns


def _text_columns(
    values: np.ndarray, starts: np.ndarray, element: Element, where: str
) -> dict[str, np.ndarray]:
    columns = {}
    for k, p in enumerate(element.properties):
        if p.length_dtype is None:
            wide = p.dtype.kind == 'f' and p.name.lower() in EXACT
            dtype = np.dtype(np.float64) if wide else p.dtype
            columns[p.name] = check_range(values[starts[:, k]], dtype, p.name, where)
    return columns


def _within(counts: np.ndarray) -> np.ndarray:
    """Return 0, 1, ... for each list of some lengths (rows,), one after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def _check_corners(
    corners: np.ndarray, counts: np.ndarray, points: int, element: Element, where: str
) -> None:
    """Check that faces lie on the points: otherwise bytes are missing before them."""
    least = -1 if element.name == STRIPS else 0
    fewest = 0 if element.name == GRID else 3
    if (counts < fewest).any() or not ((corners >= least) & (corners < points)).all():
        raise FileFormatError(
            f'{where}: expected faces of three or more corners on points 0 to {points - 1}, got '
            'others; the file is damaged or its header does not fit: copy or export it again'
        )
