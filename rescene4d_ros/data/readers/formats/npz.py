"""NPZ files to columns: the arrays of docs/reference/file_formats.md, checksums verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
import struct
import zipfile

import numpy as np
from rescene4d_ros.data.readers.columns import MAX_POINTS
from rescene4d_ros.data.readers.given_boxes import boxes_of_rows, GivenBoxes
from rescene4d_ros.data.readers.whole_files import largest_in_memory
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import Finding, Severity
from rescene4d_ros.structures.free_space import FreeSpace

XYZ = ('xyz', 'positions', 'points')  # the first that is there; Open3D writes positions
COLORS = ('rgb', 'rgba', 'color', 'colors')  # one of them
MATRICES = ('xyz', *COLORS, 'normals', 'path')
INSTANCES = ('instance', 'instance_id')  # one of them
GIVEN = (*INSTANCES, 'class', 'class_id', 'score')
BOXES = ('boxes', 'box_class', 'box_score')
FREE = ('free', 'free_origin', 'free_cell')
ARRAYS = (*MATRICES, *GIVEN, *BOXES, *FREE)
END = struct.Struct('<4s4H2LH')  # of a zip file: its last record
MANY = 0xFFFF  # number of entries that does not fit there
ENCRYPTED = 1  # bit of a zip entry's flags
SMALL = 64 << 20  # bytes; what unpacks to no more is no bomb
MAX_RATIO = 200  # of an array unpacked to packed; clouds reach 20


def read_npz(
    path: Path,
) -> tuple[
    dict[str, np.ndarray],
    np.ndarray | None,
    FreeSpace | None,
    tuple[Finding, ...],
    GivenBoxes | None,
]:
    """
    Read the points of a file.

    Returns
    -------
    columns : dict of str to ndarray
        x, y, z; rgb (M, 3) or (M, 4), nx, ny, nz, and instances (M,) where the file has them.
    path : ndarray (P, 3), float64, m, or None
        Where the sensor was.
    free : FreeSpace or None
        Of `free` (X, Y, Z), `free_origin` (3,), m, and `free_cell`, m.
    findings : tuple of Finding
        Arrays of other names, which are not read.
    boxes : GivenBoxes or None
        Of `boxes` (B, 7), `box_class` (B,) and `box_score` (B,); None where there are instances,
        which say more.

    Raises
    ------
    FileFormatError
        Another format, or a damaged file.
    ScanError
        No array `xyz`, or arrays of other shapes.

    """
    arrays, names = _arrays(path)
    given = next((key for key in XYZ if key in arrays), None)
    if given is None:
        raise ScanError(
            f"{path.name}: expected an array 'xyz' (N, 3), got: {', '.join(names) or 'none'}; "
            'name the coordinates xyz'
        )
    arrays['xyz'] = arrays[given]
    count = len(arrays['xyz']) if arrays['xyz'].ndim else 0
    for key in MATRICES:
        array = arrays.get(key)
        rows = count if key != 'path' else None
        if array is None:
            continue
        widths = (3, 4) if key in COLORS else (3,)
        if array.ndim != 2 or array.shape[1] not in widths or rows not in (None, len(array)):
            raise ScanError(
                f'{path.name}: expected {key} of shape ({"P" if rows is None else rows}, 3), got '
                f'{array.shape}; write one row per point'
            )
        if array.dtype.kind not in 'iuf':
            raise ScanError(
                f'{path.name}: expected {key} of numbers, got {array.dtype.name}; write floats'
            )
    columns = {axis: arrays['xyz'][:, k] for k, axis in enumerate('xyz')}
    columns |= {key: arrays[key] for key in COLORS if key in arrays}
    if 'normals' in arrays:
        columns |= {f'n{a}': arrays['normals'][:, k] for k, a in enumerate('xyz')}
    for key in GIVEN:
        array = arrays.get(key)
        if array is not None:
            if array.shape != (count,):
                raise ScanError(
                    f'{path.name}: expected {key} of shape ({count},), got {array.shape}; write '
                    'one number per point'
                )
            columns[key] = array
    where = arrays.get('path')
    if where is not None and not np.isfinite(where).all():
        raise ScanError(f'{path.name}: expected a finite path of the sensor, got NaN; mend it')
    sensor_path = where.astype(np.float64) if where is not None and len(where) else None
    findings = _other_arrays(name for name in names if name != given)
    return columns, sensor_path, _free(arrays, path.name), findings, _boxes(arrays, path.name)


def _free(arrays: Mapping[str, np.ndarray], name: str) -> FreeSpace | None:
    """Return the free cells, where the file has them."""
    given = [arrays[key] for key in FREE if key in arrays]
    if not given:
        return None
    if len(given) < len(FREE) or any(array.dtype.kind not in 'biuf' for array in given):
        raise ScanError(f'{name}: expected numbers in all of {", ".join(FREE)}; write all three')
    cells, origin, cell = given
    if cells.ndim != 3 or origin.shape != (3,) or cell.size != 1:
        raise ScanError(
            f'{name}: expected free (X, Y, Z), free_origin (3,) and free_cell of one number, got '
            f'{cells.shape}, {origin.shape} and {cell.shape}; write the grid of the cells'
        )
    try:
        return FreeSpace.at_corner(origin, cells > 0, float(cell.reshape(-1)[0]))
    except ScanError as error:
        raise ScanError(f'{name}: {error}') from error


def _boxes(arrays: Mapping[str, np.ndarray], name: str) -> GivenBoxes | None:
    """Return the boxes, where the instances are given by boxes alone."""
    rows = arrays.get('boxes')
    if rows is None or any(key in arrays for key in INSTANCES):
        return None
    classes, scores = arrays.get('box_class'), arrays.get('box_score')
    for key, array, kinds in (
        ('boxes', rows, 'iuf'),
        ('box_class', classes, 'iuU'),
        ('box_score', scores, 'iuf'),
    ):
        if array is not None and (array.dtype.kind not in kinds or array.ndim < 1):
            raise ScanError(
                f'{name}: expected {key} with one row per box, got {array.dtype.name} of shape '
                f'{array.shape}; write floats, and classes as whole numbers or text'
            )
    return boxes_of_rows(rows, None if classes is None else classes.tolist(), scores, name)


def _other_arrays(names: Iterable[str]) -> tuple[Finding, ...]:
    """Return a warning that names the arrays that nothing is made of."""
    others = [name for name in names if name not in ARRAYS]
    if not others:
        return ()
    shown = ', '.join(repr(name[:40]) for name in others[:5]) + ', ...' * (len(others) > 5)
    return (
        Finding(
            'arrays',
            Severity.WARNING,
            f'also {shown}',
            f'arrays named {", ".join(ARRAYS)}',
            'they are left out; rename what belongs to the points',
        ),
    )


def _arrays(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays that are used, and the names of all."""
    arrays: dict[str, np.ndarray] = {}
    names: dict[str, None] = {}  # in the order of the file
    left = largest_in_memory()
    try:
        with zipfile.ZipFile(path) as file:
            _check_count(file)
            for entry in file.infolist():
                key = entry.filename.removesuffix('.npy')
                if key in names:
                    raise ValueError(f'{key} twice')
                if key == entry.filename:
                    raise ValueError(f'{key} is no array')
                file.open(entry).close()  # compares the two places that name it
                names[key] = None
                if key in ARRAYS or key in XYZ:
                    arrays[key] = _array(file, entry, left)
                    left -= arrays[key].nbytes
    except OSError:
        raise
    except Exception as error:  # of any kind: the bytes are what somebody else wrote
        raise FileFormatError(
            f'{path}: expected a whole .npz file, got a damaged one '
            f'({error or type(error).__name__}); write it again'
        ) from error
    return arrays, list(names)


def _check_count(file: zipfile.ZipFile) -> None:
    """Compare with the number of entries that the file gives: a damaged one may hide the next."""
    assert file.fp is not None
    file.fp.seek(-END.size - len(file.comment), 2)
    *_, count, _, _, _ = END.unpack(file.fp.read(END.size))
    if count not in (len(file.infolist()), MANY):
        raise ValueError(f'{len(file.infolist())} arrays in the place of {count}')


def _array(file: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> np.ndarray:
    """Read one array to its last byte: only then its checksum is verified; `most` in bytes."""
    if entry.flag_bits & ENCRYPTED:
        raise ValueError(f'{entry.filename} is encrypted')
    with file.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
            (3, 0): np.lib.format.read_array_header_2_0,  # differs in names of fields only
        }.get(version)
        if read is None:
            raise ValueError(f'{entry.filename} of version {version}')
        shape, fortran_order, dtype = read(stream)
        wanted = dtype.itemsize
        for length in shape:
            wanted *= length
        if dtype.hasobject or min(shape, default=0) < 0:
            raise ValueError(f'{entry.filename} holds no numbers')
        if max(shape, default=0) > MAX_POINTS or wanted > min(most, MAX_POINTS * 4 * 16):
            raise ValueError(f'{entry.filename} of {wanted} bytes; thin the cloud')
        if wanted > max(SMALL, MAX_RATIO * entry.compress_size):
            raise ValueError(f'{entry.filename} unpacks to more than {MAX_RATIO} times its size')
        if entry.file_size - stream.tell() != wanted:
            raise ValueError(f'{entry.filename} of {entry.file_size} bytes for shape {shape}')
        data = stream.read()
    if len(data) != wanted:
        raise ValueError(f'{entry.filename} is cut off')
    return np.frombuffer(data, dtype).reshape(shape, order='F' if fortran_order else 'C')
