"""The header of a PLY file, in every form that the format allows."""

from __future__ import annotations

from dataclasses import dataclass
import re

import numpy as np
from rescene4d_ros.data.readers.whole_files import what_it_is
from rescene4d_ros.errors import FileFormatError

TYPES = {
    **dict.fromkeys(('char', 'int8'), 'i1'),
    **dict.fromkeys(('uchar', 'uint8'), 'u1'),
    **dict.fromkeys(('short', 'int16'), 'i2'),
    **dict.fromkeys(('ushort', 'uint16'), 'u2'),
    **dict.fromkeys(('int', 'int32'), 'i4'),
    **dict.fromkeys(('uint', 'uint32'), 'u4'),
    **dict.fromkeys(('float', 'float32'), 'f4'),
    **dict.fromkeys(('double', 'float64'), 'f8'),
}
ORDERS = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}
MARK = b'\xef\xbb\xbf'  # of UTF-8, written first by some editors
MAX_HEADER = 1 << 20  # bytes
END = re.compile(rb'(?:^|[\r\n])[ \t]*end_header[ \t]*(\r\n|\n|\r|$)', re.IGNORECASE)
LINE = re.compile(rb'\r\n|\n|\r')


@dataclass(frozen=True)
class Property:
    """Hold one property: name, type, and the type of its length where it is a list."""

    name: str
    dtype: np.dtype
    length_dtype: np.dtype | None = None


@dataclass(frozen=True)
class Element:
    """Hold one element: name, number of rows, properties in the order of the file."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def has_lists(self) -> bool:
        """Return whether rows may be of different lengths."""
        return any(p.length_dtype is not None for p in self.properties)


@dataclass(frozen=True)
class PlyHeader:
    """
    Hold what a header declares.

    Attributes
    ----------
    order : str
        '' for text, '<' or '>' for binary.
    elements : tuple of Element
    start : int
        First byte of the data.
    first_line : int
        Number of the first line of the data, from 1.

    """

    order: str
    elements: tuple[Element, ...]
    start: int
    first_line: int


def read_header(data: bytes, where: str) -> PlyHeader:
    """
    Read a header.

    Parameters
    ----------
    data : bytes
        The file, or its first `MAX_HEADER` bytes.
    where : str
        Name of the file, for messages.

    Raises
    ------
    FileFormatError
        It is none, or declares something that the format does not know.

    """
    begin = len(MARK) if data.startswith(MARK) else 0
    if not re.match(rb'ply[ \t]*[\r\n]', data[begin : begin + 80], re.IGNORECASE):
        raise FileFormatError(
            f"{where}: expected a .ply header that starts with 'ply', got {what_it_is(data[:80])}"
        )
    end = END.search(data, begin, begin + MAX_HEADER)
    if end is None:
        raise FileFormatError(
            f"{where}: expected a .ply header that ends with 'end_header', got none in "
            f'{min(len(data), MAX_HEADER)} bytes; the file is truncated, copy it again'
        )
    lines = LINE.split(data[begin : end.start(1)])
    order, elements = _declared([line.decode('utf-8', 'replace') for line in lines], where)
    return PlyHeader(order, elements, _data_start(data, begin, end), len(lines) + 1)


def _data_start(data: bytes, begin: int, end: re.Match) -> int:
    """Return where the data start; in a file whose lines end CR, LF is the first byte of them."""
    if end[1] == b'\r\n' and not re.match(rb'ply[ \t]*\r\n', data[begin : begin + 80], re.I):
        only_cr = b'\n' not in data[begin : end.start(1)]
        return end.end(1) - 1 if only_cr else end.end(1)
    return end.end(1)


def _declared(lines: list[str], where: str) -> tuple[str, tuple[Element, ...]]:
    order = None
    elements: list[tuple[str, int, list[Property]]] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        keyword = words[0].lower() if words else 'comment'
        try:
            if number == 1 or keyword in ('comment', 'obj_info', 'end_header'):
                continue
            if keyword == 'format' and order is None and len(words) == 3:
                order = ORDERS[words[1].lower()]
                if words[2] != '1.0':
                    raise ValueError('another version')
            elif keyword == 'element' and len(words) == 3:
                if not words[2].isascii() or not words[2].isdigit() or len(words[2]) > 18:
                    raise ValueError('no count')
                elements.append((words[1].lower(), int(words[2]), []))
            elif keyword == 'property' and elements:
                elements[-1][2].append(_property(words))
            else:
                raise ValueError('not known')
        except (KeyError, ValueError, IndexError):
            raise FileFormatError(
                f'{where}: expected a .ply header with format, element and property lines, got '
                f'{line[:80]!r} in line {number}; export the cloud again'
            ) from None
    if order is None:
        raise FileFormatError(f'{where}: expected a .ply header with its format, got none')
    return order, tuple(_element(*element, where=where) for element in elements)


def _property(words: list[str]) -> Property:
    if words[1].lower() != 'list':
        if len(words) != 3:
            raise ValueError('expected a type and a name')
        return Property(words[2], np.dtype(TYPES[words[1].lower()]))
    if len(words) != 5:
        raise ValueError('expected two types and a name')
    length = np.dtype(TYPES[words[2].lower()])
    if length.kind == 'f':
        raise ValueError('a length is a whole number')
    return Property(words[4], np.dtype(TYPES[words[3].lower()]), length)


def _element(name: str, count: int, properties: list[Property], where: str) -> Element:
    names = [p.name for p in properties]
    twice = {n for n in names if names.count(n) > 1}
    if twice or (count and not names):
        raise FileFormatError(
            f'{where}: expected properties of {name} with a name each, got '
            f'{", ".join(sorted(twice)) + " twice" if twice else "none"}; export the cloud again'
        )
    return Element(name, count, tuple(properties))
