"""Read S3DIS: rooms of offices as text files, one per object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
import re

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.data.datasets.class_names import class_of_name
from rescene4d_ros.data.datasets.prepare import Job
from rescene4d_ros.data.datasets.single_scans.cloud_scan import cloud_scan
from rescene4d_ros.data.datasets.single_scans.scan_job import scan_job
from rescene4d_ros.errors import FileFormatError

PLACES = ('Stanford3dDataset_v1.2_Aligned_Version', 'Stanford3dDataset_v1.2', '.')
MOST_DAMAGED = 10  # rows of one file; the release has one, in Area_5/hallway_6
NOT_TEXT = re.compile(rb'[^0-9eE+\-.\s]+')


@dataclass(frozen=True)
class S3DISConfig:
    """Settings of the S3DIS reader."""

    area: int = param(5, 'Area of the validation split; the others are for training', ge=1, le=6)
    spacing: float = param(
        0.01, 'One point per cell of this edge; 0 = all points', unit='m', ge=0.0, le=0.5
    )


def s3dis_jobs(root: Path, config: S3DISConfig, splits: Sequence[str]) -> list[Job]:
    """
    Return the work of preparing S3DIS, one job per room; there are no test rooms.

    Parameters
    ----------
    root : Path
        Folder with `Area_1` and so on, or with that of the release that has them.
    config : S3DISConfig
    splits : sequence of str
        Of train, validation, test.

    Raises
    ------
    FileFormatError
        No rooms.

    """
    top = next((root / p for p in PLACES if any((root / p).glob('Area_[1-6]'))), None)
    areas = [] if top is None else sorted(top.glob('Area_[1-6]'))
    jobs = [
        scan_job(
            partial(read_s3dis, room, config.spacing),
            f'{area.name}_{room.name}',
            split,
            {'source': 'S3DIS'},
        )
        for area in areas
        for split in ['validation' if area.name == f'Area_{config.area}' else 'train']
        if split in splits
        for room in sorted(area.iterdir())
        if room.is_dir()
    ]
    if not jobs:
        raise FileFormatError(
            f'expected rooms in Area_1 to Area_6 of {root}, or of its {PLACES[0]}, for the splits '
            f'{", ".join(splits)}, found none; give the folder of the release'
        )
    return jobs


def read_s3dis(folder: Path, spacing: float = 0.0) -> AnnotatedScan:
    """
    Read one room: all objects of its `Annotations`, which are its points.

    Ids count the files from 1, in the order of their class and number.

    Parameters
    ----------
    folder : Path
    spacing : float, m
        One point per cell of this edge; 0 = all points.

    Raises
    ------
    FileFormatError
        No objects, or a file that is not of this format; names the room.

    """
    name = f'{folder.parent.name}_{folder.name}'
    files = sorted((folder / 'Annotations').glob('*.txt'), key=_in_order)
    if not files:
        raise FileFormatError(
            f'scan {name}: expected objects (CLASS_NUMBER.txt) in {folder / "Annotations"}, '
            'found none; unpack the room again'
        )
    rows, remarks = [], []
    for path in files:
        of_file, damaged = _rows(path, name)
        rows.append(of_file)
        if damaged:
            remarks.append(f'{name}: {damaged} unreadable rows of {path.name} were left out')
    sizes = [len(r) for r in rows]
    classes = [class_of_name(path.stem.rpartition('_')[0]) for path in files]
    points = np.concatenate(rows)
    return cloud_scan(
        name,
        points[:, :3],
        np.rint(points[:, 3:]).astype(np.uint8),
        np.repeat(classes, sizes),
        np.repeat(np.arange(1, len(files) + 1), sizes),
        spacing,
        remarks=tuple(remarks),
    )


def _in_order(path: Path) -> tuple[str, int, str]:
    kind, _, number = path.stem.rpartition('_')
    return kind, int(number) if number.isdigit() else 0, path.name


def _rows(path: Path, name: str) -> tuple[np.ndarray, int]:
    """Return (N, 6) x, y, z in meters and r, g, b, and the number of unreadable rows."""
    text = path.read_bytes()
    damaged = 0
    if not text.strip():
        raise FileFormatError(
            f'scan {name}: expected rows of x y z r g b in {path.name}, got an empty file; unpack '
            'the room again'
        )
    try:
        rows = np.loadtxt(BytesIO(text), dtype=np.float64, ndmin=2)
    except ValueError:  # bytes that are no text, or a row of another length
        read = [_row(line) for line in text.splitlines() if line.strip()]
        damaged = sum(r is None for r in read)
        rows = np.array([r for r in read if r is not None], dtype=np.float64)
    if rows.shape[1:] != (6,) or not len(rows) or damaged > MOST_DAMAGED:
        raise FileFormatError(
            f'scan {name}: expected rows of x y z r g b in {path.name}, got '
            f'{damaged} of {damaged + len(rows)} rows that are not; unpack the room again'
        )
    whole = np.isfinite(rows).all(axis=1) & (rows[:, 3:] >= 0).all(1) & (rows[:, 3:] <= 255).all(1)
    damaged += int((~whole).sum())
    if damaged > MOST_DAMAGED:
        raise FileFormatError(
            f'scan {name}: expected finite x y z and colors of 0 to 255 in {path.name}, got '
            f'{damaged} other rows; unpack the room again'
        )
    return rows[whole], damaged


def _row(line: bytes) -> list[float] | None:
    """Return the six numbers of a row; stray bytes stand in a number or between two."""
    for between in (b' ', b''):
        parts = NOT_TEXT.sub(between, line).split()
        try:
            numbers = [float(p) for p in parts]
        except ValueError:
            continue
        if len(numbers) == 6:
            return numbers
    return None
