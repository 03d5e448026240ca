"""Files of boxes, .json and .csv, one file for the cloud of a visit."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.readers.given_boxes import boxes_of_rows, GivenBoxes
from rescene4d_ros.data.readers.whole_files import read_whole
from rescene4d_ros.errors import FileFormatError

NUMBERS = ('x', 'y', 'z', 'size_x', 'size_y', 'size_z', 'yaw')  # columns of a .csv
FORMS = (
    'a .json list of {"center": [x, y, z], "size": [x, y, z], "yaw": rad} or a .csv with columns '
    f'{", ".join(NUMBERS)}, both with optional class and score'
)


def read_boxes(path: Path) -> GivenBoxes:
    """
    Read the boxes of one visit, in meters and in map.

    Raises
    ------
    FileFormatError
        Another format, or a damaged file.
    ScanError
        See `boxes_of_rows`.

    """
    path = Path(path)
    try:
        text = read_whole(path).decode('utf-8-sig')
        found = _json_rows(text) if path.suffix.lower() == '.json' else _csv_rows(text)
        rows = np.array([[float(value) for value in row] for row, _, _ in found], np.float64)
        scores = np.array([float(score) for *_, score in found], np.float64)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, csv.Error) as error:
        raise FileFormatError(
            f'{path}: expected {FORMS}; got {type(error).__name__}: {str(error)[:200]}'
        ) from error
    return boxes_of_rows(rows, [name for _, name, _ in found], scores, path.name)


def _json_rows(text: str) -> list[tuple[list[Any], Any, Any]]:
    """Return numbers, class and score of each box."""
    return [
        (
            [*_triple(box['center']), *_triple(box['size']), box.get('yaw', 0.0)],
            box.get('class', ''),
            box.get('score', 1.0),
        )
        for box in json.loads(text)
    ]


def _triple(values: Any) -> list[Any]:
    """Return three values."""
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f'expected three numbers, got {values!r}')
    return values


def _csv_rows(text: str) -> list[tuple[list[Any], Any, Any]]:
    """Return numbers, class and score of each box."""
    return [
        ([line[name] for name in NUMBERS], line.get('class') or '', line.get('score') or 1.0)
        for line in csv.DictReader(io.StringIO(text), skipinitialspace=True)
    ]
