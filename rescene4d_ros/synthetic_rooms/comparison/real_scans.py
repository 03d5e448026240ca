"""What real scans look like: numbers of four visits in three rooms, as handheld scanners gave."""

from __future__ import annotations

import csv
from pathlib import Path

from rescene4d_ros.errors import FileFormatError

REAL_SCANS = Path(__file__).with_name('real_scans.csv')


def read_real_scans(path: Path = REAL_SCANS) -> dict[str, tuple[float, ...]]:
    """
    Return the value of each statistic for each real scan.

    Contact and the share without labels are known as one number for all scans.

    Raises
    ------
    FileFormatError
        The file is missing or damaged.

    """
    try:
        with open(path, encoding='utf-8', newline='') as file:
            rows = list(csv.reader(file))
        return {name: tuple(map(float, values)) for name, *values in rows[1:]}
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f'{path}: expected a table of statistics of real scans, got {error}; restore the file'
        ) from error
