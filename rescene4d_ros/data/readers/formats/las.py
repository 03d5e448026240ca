"""LAS and LAZ files to columns."""

from __future__ import annotations

from pathlib import Path
import struct

import laspy
import numpy as np
from rescene4d_ros.data.readers.columns import MAX_POINTS
from rescene4d_ros.data.readers.formats.laz_chunks import check_chunks, RECORD, USER
from rescene4d_ros.errors import FileFormatError

COLORS = ('red', 'green', 'blue')
NOISE = (7, 18)  # classes of points that are no surface
CHUNK = 1_000_000  # points read at a time
SMALLEST_HEADER = 227  # bytes, of LAS 1.0 to 1.2
WAVEFORMS = b'LASF_Spec'.ljust(16, b'\0') + b'\xff\xff'  # user and number of their record
RECORD_HEADER = 54  # bytes before the data of a variable length record


def read_las(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """
    Read the points of a file.

    Returns
    -------
    columns : dict of str to ndarray (M,)
        x, y, z in float64; red, green, blue where the points have colors.
    marked : ndarray (M,), bool
        Points that the file marks as withheld, which the format says are deleted, or as noise.

    Raises
    ------
    FileFormatError
        Another format, a damaged file, or one that is shorter or longer than its header says.

    """
    try:
        laszip = _check_records(path)
        backend = laspy.LazBackend.Lazrs
        with (
            laspy.open(path, read_evlrs=False, laz_backend=backend) as file,
            np.errstate(all='ignore'),
        ):
            header = file.header
            _check_points(path, header)
            if header.are_points_compressed and header.point_count:
                check_chunks(
                    path,
                    laszip,
                    header.offset_to_point_data,
                    header.point_count,
                    header.point_format.size,
                    _after_points(path, header),
                )
            parts = list(file.chunk_iterator(CHUNK)) if header.point_count else []
            columns = _columns(parts, header)
            marked = _marked(parts)
    except (OSError, KeyboardInterrupt, SystemExit, FileFormatError):
        raise
    except BaseException as error:  # of any kind; a panic of the decompressor is no Exception
        raise FileFormatError(
            f'{path}: expected a whole .las or .laz file, got a damaged one '
            f'({str(error)[:200] or type(error).__name__}); copy it again'
        ) from error
    return columns, marked


def _check_records(path: Path) -> bytes:
    """
    Check what the header says of the records before the points; laspy trusts their number.

    Returns the data of the record that LASzip writes, empty where there is none.
    """
    size = path.stat().st_size
    with open(path, 'rb') as file:
        head = file.read(SMALLEST_HEADER)
        if len(head) < SMALLEST_HEADER or not head.startswith(b'LASF'):
            raise ValueError('no header that starts with LASF')
        header_size, points, count = struct.unpack_from('<HII', head, 94)
        if not SMALLEST_HEADER <= header_size <= points <= size:
            raise ValueError(f'header of {header_size} bytes, points at {points} of {size} bytes')
        at, laszip = header_size, b''
        for _ in range(count):
            file.seek(at)
            record = file.read(RECORD_HEADER).ljust(RECORD_HEADER)
            number, length = struct.unpack_from('<HH', record, 18)
            if at + RECORD_HEADER + length > points:
                raise ValueError(f'{count} records before the points, which do not fit')
            if number == RECORD and record[2:].startswith(USER):
                laszip = file.read(length)
            at += RECORD_HEADER + length
    return laszip


def _after_points(path: Path, header: laspy.LasHeader) -> int:
    """Return the first byte of what follows the points: records, or waveforms; 0 = nothing."""
    starts = [header.start_of_first_evlr] if header.number_of_evlrs else []
    waveforms = header.start_of_waveform_data_packet_record  # LAS 1.3 counts it nowhere else
    if waveforms:
        with open(path, 'rb') as file:
            file.seek(waveforms)
            if file.read(len(WAVEFORMS) + 2)[2:] == WAVEFORMS:
                starts.append(waveforms)
    return min(starts, default=0)


def _check_points(path: Path, header: laspy.LasHeader) -> None:
    count, step, size = header.point_count, header.point_format.size, path.stat().st_size
    if count > MAX_POINTS:
        raise ValueError(f'{count} points, more than {MAX_POINTS}; thin the cloud')
    if not (np.isfinite(header.scales).all() and (header.scales > 0).all()):
        raise ValueError(f'scales {header.scales}')
    if not np.isfinite(header.offsets).all():
        raise ValueError(f'offsets {header.offsets}')
    if header.are_points_compressed:
        return
    end = header.offset_to_point_data + count * step
    after = _after_points(path, header) or size
    if end > size or after - end >= step:
        held = (min(after, size) - header.offset_to_point_data) // step
        raise ValueError(f'{count} points in the header and {held} in the file')


def _columns(parts: list, header: laspy.LasHeader) -> dict[str, np.ndarray]:
    got = sum(len(part) for part in parts)
    if got != header.point_count:
        raise ValueError(f'{header.point_count} points in the header and {got} in the file')
    if not parts:
        return {axis: np.zeros(0) for axis in 'xyz'}
    names = set(header.point_format.dimension_names)
    columns = {axis: np.concatenate([np.asarray(p[axis]) for p in parts]) for axis in 'xyz'}
    _check_bounds(columns, header)
    if names.issuperset(COLORS):
        colors = {c: np.concatenate([np.asarray(p[c]) for p in parts]) for c in COLORS}
        if any(c.any() for c in colors.values()):  # all zero: the format has a place, no color
            columns |= colors
    return columns


def _marked(parts: list) -> np.ndarray:
    marks = [
        (np.asarray(p.withheld) != 0) | np.isin(np.asarray(p.classification), NOISE) for p in parts
    ]
    return np.concatenate([np.zeros(0, dtype=bool), *marks])


def _check_bounds(columns: dict[str, np.ndarray], header: laspy.LasHeader) -> None:
    """Compare with the bounds in the header: points have no checksum."""
    low, high = np.asarray(header.mins), np.asarray(header.maxs)
    if not (np.isfinite([low, high]).all() and (high > low).any()):
        return  # a writer that left them out
    slack = 0.01 * (high - low) + 2 * np.asarray(header.scales) + 0.001
    for k, axis in enumerate('xyz'):
        column = columns[axis]
        outside = (column < low[k] - slack[k]) | (column > high[k] + slack[k])
        if outside.any():
            raise ValueError(
                f'{int(outside.sum())} points outside of the bounds {low[k]:g} to {high[k]:g} of '
                f'{axis} in the header'
            )
