"""Numbers in the text of a file, parted by blanks: each one is read or named with its line."""

from __future__ import annotations

from dataclasses import dataclass
import re

import numpy as np
from rescene4d_ros.errors import FileFormatError

BLOCK = 1 << 20  # bytes turned into numbers at a time
LONGEST = 64  # bytes of a number
# They keep all digits of the text, whatever float is declared; those of colors are bits.
EXACT = ('x', 'y', 'z', 'rgb', 'rgba')
# How Windows writes NaN and infinity.
NOT_FINITE = re.compile(rb'(?i:[+-]?(1\.#(qnan|snan|ind|inf)0*|nan\((ind|snan)\)))')
# What numbers are written with, besides blanks; also nan, inf and infinity.
OTHER = re.compile(rb'[^0-9eE+\-.nNaAiIfFtTyY \t\r\n\v\f]')
LINE = re.compile(rb'\r\n|\n|\r')


@dataclass(frozen=True)
class TextValues:
    """
    Hold the numbers of a text.

    Attributes
    ----------
    values : ndarray (K,), float64
    per_line : ndarray (L,), int64
        How many of them stand on each line that is not empty.
    line : ndarray (L,), int64
        That line's number in the file, from 1.

    """

    values: np.ndarray
    per_line: np.ndarray
    line: np.ndarray


def read_values(text: bytes, first_line: int, where: str) -> TextValues:
    """
    Read all numbers of a text.

    Parameters
    ----------
    text : bytes
    first_line : int
        Number of the text's first line in its file.
    where : str
        Name of the file.

    Raises
    ------
    FileFormatError
        Something is no number; says what and in which line.

    """
    values, per_line, lines = [], [], []
    number, start = first_line, 0
    while start < len(text):
        end = start + BLOCK
        if end < len(text):  # to the end of a line, or of the text
            found = LINE.search(text, end)
            end = found.end() if found else len(text)
        block = text[start:end]
        start = end
        rows = LINE.split(block)
        if rows and rows[-1] == b'':
            rows.pop()
        tokens = [row.split() for row in rows]
        flat = [token for row in tokens for token in row]
        values.append(_floats(block, flat, rows, number, where))
        counts = np.fromiter(map(len, tokens), np.int64, len(tokens))
        filled = np.flatnonzero(counts)
        per_line.append(counts[filled])
        lines.append(filled + number)
        number += len(rows)
    if not values:
        return TextValues(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return TextValues(np.concatenate(values), np.concatenate(per_line), np.concatenate(lines))


def _floats(
    block: bytes, tokens: list[bytes], rows: list[bytes], number: int, where: str
) -> np.ndarray:
    if not tokens:
        return np.zeros(0)
    if not OTHER.search(block) and max(map(len, tokens)) <= LONGEST:
        try:
            return np.array(tokens).astype(np.float64)
        except ValueError:
            pass
    values = []
    for at, row in enumerate(rows, number):
        for token in row.split():
            if NOT_FINITE.fullmatch(token):
                token = b'nan'
            if len(token) > LONGEST or not _is_number(token):
                shown = token[:40].decode('ascii', 'backslashreplace')
                raise FileFormatError(
                    f'{where}: expected numbers parted by blanks, got {shown!r} in line {at}; '
                    'decimal points, no comments: export the cloud again'
                )
            values.append(float(token))
    return np.array(values)


def _is_number(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return not OTHER.search(token)


def check_rows(text: TextValues, first: int, rows: int, per_row: int, where: str) -> None:
    """
    Check that rows of equal length are told apart by lines, or evenly without regard to lines.

    Parameters
    ----------
    text : TextValues
    first : int
        Index of the first value of the rows.
    rows, per_row : int
    where : str

    Raises
    ------
    FileFormatError
        Values are missing, or lines are of uneven lengths.

    """
    before = np.concatenate([[0], np.cumsum(text.per_line)])
    wanted = first + rows * per_row
    if wanted == first:
        return
    begin, end = np.searchsorted(before, [first, wanted])
    lengths = text.per_line[begin:end]
    whole = before[begin] == first and end < len(before) and before[end] == wanted
    if whole and (lengths == per_row).all():
        return
    if whole and (lengths[:-1] == lengths[0]).all() and lengths[-1] <= lengths[0]:
        return  # several rows on a line, or rows wrapped, all alike
    odd = np.flatnonzero(lengths != per_row)
    line = text.line[begin + odd[0]] if len(odd) else text.line[-1] if len(text.line) else 0
    got = lengths[odd[0]] if len(odd) else 0
    raise FileFormatError(
        f'{where}: expected {rows} points as its header says, {per_row} values in each line, got '
        f'{(len(text.values) - first) // per_row} points and {got} values in line {line}; the '
        'file is truncated or damaged, copy or export it again'
    )


def check_range(column: np.ndarray, dtype: np.dtype, field: str, where: str) -> np.ndarray:
    """
    Return a column of text values in the type that the header names.

    Raises
    ------
    FileFormatError
        A value that the type cannot hold.

    """
    if dtype.kind == 'f':
        with np.errstate(over='ignore'):
            return column.astype(dtype)
    limits = np.iinfo(dtype)
    good = (column >= limits.min) & (column <= limits.max) & (column == np.rint(column))
    if not good.all():
        bad = int(np.argmin(good))
        raise FileFormatError(
            f'{where}: expected {field} as {dtype.name}, got {column[bad]:g} at point {bad + 1}; '
            'the header names another type than the rows hold: export the cloud again'
        )
    if dtype.itemsize == 8:  # float64 rounds the largest up to what the type does not hold
        return np.clip(column, limits.min, np.nextafter(float(limits.max), 0)).astype(dtype)
    return column.astype(dtype)
