"""E57 files to columns: all stations of a file in its common frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pye57 import E57, libe57
from rescene4d_ros.data.readers.columns import MAX_POINTS
from rescene4d_ros.errors import FileFormatError

CARTESIAN = ('cartesianX', 'cartesianY', 'cartesianZ')
SPHERICAL = ('sphericalRange', 'sphericalAzimuth', 'sphericalElevation')
TURNS = (0.5, 2.0)  # length of a quaternion that is one, if not of unit length
RANGES = (1.0, 255.0, 1023.0, 4095.0, 65535.0)  # of colors without limits
COLORS = ('colorRed', 'colorGreen', 'colorBlue')


def read_e57(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """
    Read the points of all stations; those that the scanner calls invalid are NaN.

    Returns
    -------
    columns : dict of str to ndarray (M,)
        x, y, z in float64; red, green, blue from 0 to 1 where a station has colors, NaN at the
        points of one that has none.
    path : ndarray (P, 3), float64, m, or None
        Where the stations stood.

    Raises
    ------
    FileFormatError
        Another format, or a damaged file.

    """
    try:
        with E57(str(path)) as file:
            stations = [_station(file, k) for k in range(file.scan_count)]
    except FileFormatError:
        raise
    except Exception as error:  # of any kind: the bytes are what somebody else wrote
        raise FileFormatError(
            f'{path}: expected a whole .e57 file, got a damaged one '
            f'({_said(error)}); copy it again'
        ) from error
    columns = {
        axis: np.concatenate([s[0][:, k] for s in stations] or [np.zeros(0)])
        for k, axis in enumerate('xyz')
    }
    if any(s[1] is not None for s in stations):
        colors = [np.full_like(xyz, np.nan) if rgb is None else rgb for xyz, rgb, _ in stations]
        columns |= {
            c: np.concatenate([rgb[:, k] for rgb in colors])
            for k, c in enumerate(('red', 'green', 'blue'))
        }
    stood = [s[2] for s in stations if s[2] is not None]
    return columns, np.array(stood) if stood else None


def _station(file: E57, index: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return xyz (N, 3) in the common frame, colors (N, 3) from 0 to 1, and the position."""
    header = file.get_header(index)
    count, have = header.point_count, set(header.point_fields)
    if not 0 <= count <= MAX_POINTS:
        raise ValueError(f'{count} points, more than {MAX_POINTS}; thin the cloud')
    axes = CARTESIAN if have.issuperset(CARTESIAN) else SPHERICAL
    if not have.issuperset(axes):
        raise ValueError(f'no coordinates among {", ".join(sorted(have))}')
    invalid = 'cartesianInvalidState' if axes == CARTESIAN else 'sphericalInvalidState'
    colors = COLORS if have.issuperset(COLORS) else ()
    wanted = [*axes, *colors, *([invalid] if invalid in have else [])]
    read = _read(file, header, wanted, count)
    xyz = np.stack([read[axis] for axis in axes], axis=1)
    if axes == SPHERICAL:
        xyz = _cartesian(xyz)
    if invalid in have:
        xyz[read[invalid] != 0] = np.nan
    stood = None
    if header.has_pose():
        stood = np.asarray(header.translation, np.float64)
        length = np.linalg.norm(header.rotation)
        if not (np.isfinite(stood).all() and TURNS[0] < length < TURNS[1]):
            raise ValueError(f'a pose with a quaternion of length {length:g} at {stood}')
        xyz = file.to_global(xyz, header.rotation, header.translation)
    if not colors:
        return xyz, None, stood
    most = max(read[c].max(initial=0) for c in colors)
    rgb = np.stack([_unit(header, read[c], c, most) for c in colors], axis=1)
    return xyz, rgb, stood


def _read(file: E57, header, fields: list[str], count: int) -> dict[str, np.ndarray]:
    """Read fields as float64, whatever type they are stored in."""
    data = {field: np.zeros(count) for field in fields}
    if not count:
        return data
    buffers = libe57.VectorSourceDestBuffer()
    for field, column in data.items():
        buffers.append(libe57.SourceDestBuffer(file.image_file, field, column, count, True, True))
    reader = header.points.reader(buffers)
    got = reader.read()
    reader.close()
    if got != count:
        raise ValueError(f'{count} points in the header and {got} in the file')
    return data


def _unit(header, column: np.ndarray, field: str, highest: float) -> np.ndarray:
    """Return a color from 0 to 1 by its limits in the file, by its type, or by the highest."""
    limits = header.node['colorLimits'] if header.node.isDefined('colorLimits') else None
    low, high = f'{field}Minimum', f'{field}Maximum'
    kind = libe57.StructureNode(header.points.prototype()).get(field)
    least, most = 0.0, 0.0
    if limits is not None and limits.isDefined(low) and limits.isDefined(high):
        least, most = float(limits[low].value()), float(limits[high].value())
    elif kind.type() == libe57.NodeType.E57_INTEGER:
        least, most = 0.0, float(libe57.IntegerNode(kind).maximum())
    if limits is None and most not in RANGES:  # that of all channels, so that red stays red
        is_float = kind.type() == libe57.NodeType.E57_FLOAT
        most = next(t for t in RANGES if (t > 1 or is_float) and (highest <= t or t == RANGES[-1]))
    if not most > least:
        raise ValueError(f'{field} from {least} to {most}')
    return (column - least) / (most - least)


def _cartesian(spherical: np.ndarray) -> np.ndarray:
    """Return (N, 3) m of range, azimuth, elevation (N, 3) m, rad, rad."""
    distance, azimuth, elevation = spherical.T
    flat = distance * np.cos(elevation)
    return np.stack(
        [flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)], axis=1
    )


def _said(error: Exception) -> str:
    """Return the first line of an error: those of the library go on about its source."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
