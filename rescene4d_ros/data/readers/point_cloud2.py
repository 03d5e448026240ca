"""
PointCloud2 messages to scans and back, without ROS.

Any object with the fields of sensor_msgs/msg/PointCloud2 will do: rclpy's and rosbags' alike.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from rescene4d_ros.data.readers.columns import scan_of_columns
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import Finding, Scan

# PointField.datatype -> NumPy type.
TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
CODES = {np.dtype(name): code for code, name in TYPES.items()}
MOST_FIELDS = 1000  # of a point; descriptors have hundreds
MOST_FRAME = 200  # characters of the name of a frame
MOST_SHOWN = 40  # characters of a name from elsewhere
XYZRGB = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<f4')])


def scan_from_cloud(message: Any, name: str = '') -> Scan:
    """
    Return the finite points of a cloud message as a scan in the frame of the message.

    Coordinates far from zero, such as UTM, are less `Scan.origin`.

    Parameters
    ----------
    message : PointCloud2
    name : str
        For messages to people; default: the stamp.

    Raises
    ------
    ScanError
        As `decode_cloud`.

    """
    return decode_cloud(message, name)[0]


def decode_cloud(
    message: Any,
    name: str = '',
    *,
    origin: tuple[float, float, float] | None = None,
    map_T_cloud: np.ndarray | None = None,
    findings: tuple[Finding, ...] = (),
) -> tuple[Scan, np.ndarray]:
    """
    Return the finite points of a cloud message, and which points those are.

    Parameters
    ----------
    message : PointCloud2
    name : str
        For messages to people; default: the stamp.
    origin : tuple of 3 float, m, optional
    map_T_cloud : ndarray (4, 4), optional
        See `scan_of_columns`.
    findings : tuple of Finding
        What the caller found already.

    Returns
    -------
    scan : Scan
        N points in the order of the message; frame and stamp of its header.
    kept : ndarray (M,), bool
        Which of the M points of the message are in the scan.

    Raises
    ------
    ScanError
        No x, y, z of a float type, data of another length than promised, a stamp that is none,
        or no finite point.

    """
    name, stamp_ns, frame_id = header_of(message, 'cloud', name)
    return scan_of_columns(
        _columns(message, name),
        stamp_ns,
        name,
        frame_id,
        origin=origin,
        map_T_source=map_T_cloud,
        findings=findings,
    )


def header_of(message: Any, kind: str, name: str = '') -> tuple[str, int, str]:
    """
    Return name, stamp in ns since the Unix epoch, and frame of a message.

    Parameters
    ----------
    message : object with a header
    kind : str
        What it carries, for its name.
    name : str
        For messages to people; default: kind and stamp.

    Raises
    ------
    ScanError
        A stamp before 1970 or that is none, or a frame that is no name.

    """
    stamp = message.header.stamp
    seconds, nanoseconds = int(stamp.sec), int(stamp.nanosec)
    stamp_ns = seconds * 10**9 + nanoseconds
    name = name or f'{kind} of {stamp_ns / 1e9:.3f} s'
    if seconds < 0 or nanoseconds >= 10**9:
        raise ScanError(
            f'{name}: expected header.stamp after 1970 with nanosec below 1000000000, got '
            f'{seconds} s {nanoseconds} ns; set the time of the visit'
        )
    frame_id = str(message.header.frame_id)
    if len(frame_id) > MOST_FRAME or not frame_id.isprintable():
        raise ScanError(
            f'{name}: expected header.frame_id of at most {MOST_FRAME} printable characters, got '
            f'{len(frame_id)} ({frame_id[:MOST_SHOWN]!r}); set the name of the frame'
        )
    return name, stamp_ns, frame_id


def _columns(message: Any, name: str) -> dict[str, np.ndarray]:
    """Return each field (M,) or (M, count) of the message's points."""
    dtype = _point_type(message, name)
    width, height, step = int(message.width), int(message.height), int(message.point_step)
    row, row_step = width * step, int(message.row_step)
    if height <= 1 and row_step < row:
        row_step = row  # of one row, the step says nothing
    data = bytes_of(message.data, name)
    count = width * height
    whole = row_step * height, row_step * (height - 1) + row  # the last row's padding may lack
    if count and (row_step < row or len(data) not in whole):
        raise ScanError(
            f'{name}: expected {whole[0]} bytes for {height} x {width} points of {step} bytes, '
            f'row_step {int(message.row_step)}, got {len(data)}; the message is cut off or its '
            'numbers do not fit each other'
        )
    if not count or not dtype.names:
        points = np.zeros(0, dtype)
    elif row_step == row:
        points = data[: row * height].view(dtype)
    else:
        padded = np.zeros(row_step * height, np.uint8)
        padded[: len(data)] = data
        rows = padded.reshape(height, row_step)[:, :row]
        points = np.ascontiguousarray(rows).reshape(-1).view(dtype)
    names = {f'f{k}': str(f.name) for k, f in enumerate(message.fields)}
    return {names[key]: points[key] for key in dtype.names or ()}


def _point_type(message: Any, name: str) -> np.dtype:
    """Return the type of one point; fields are called f0, f1, ... as their names may be any."""
    order = '>' if message.is_bigendian else '<'
    step = int(message.point_step)
    formats: list[str | tuple[str, tuple[int]]] = []
    offsets: list[int] = []
    names: list[str] = []
    own: set[str] = set()
    if len(message.fields) > MOST_FIELDS:
        raise ScanError(
            f'{name}: expected at most {MOST_FIELDS} fields, got {len(message.fields)}; publish '
            'those of the points'
        )
    for k, field in enumerate(message.fields):
        shown = repr(str(field.name)[:MOST_SHOWN])
        kind, count, offset = int(field.datatype), max(int(field.count), 1), int(field.offset)
        if kind not in TYPES:
            raise ScanError(
                f'{name}: expected datatypes 1 to 8, which PointField defines, got {kind} of '
                f'field {shown}; publish a valid sensor_msgs/msg/PointCloud2'
            )
        # Plain integers: a check in 32 bits would overflow and read memory outside of the data.
        if offset + count * np.dtype(TYPES[kind]).itemsize > step:
            raise ScanError(
                f'{name}: expected fields within a point of {step} bytes, got {shown} of '
                f'{count} {TYPES[kind]} at {offset}; publish a valid sensor_msgs/msg/PointCloud2'
            )
        if str(field.name) in ('', '_'):
            continue
        if str(field.name) in own:
            raise ScanError(
                f'{name}: expected fields with a name of their own, got {shown} twice; '
                'publish a valid sensor_msgs/msg/PointCloud2'
            )
        own.add(str(field.name))
        base = order + TYPES[kind]
        formats.append((base, (count,)) if count > 1 else base)
        offsets.append(offset)
        names.append(f'f{k}')
    if step >= 1 << 31:
        raise ScanError(
            f'{name}: expected points of below 2 GiB, got {step} bytes; mend the message'
        )
    return np.dtype({'names': names, 'formats': formats, 'offsets': offsets, 'itemsize': step})


def bytes_of(data: Any, name: str) -> np.ndarray:
    """Return the data (K,) uint8 of rclpy's array.array, rosbags' ndarray, or bytes."""
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError):
        if len(data) == 0:
            return np.zeros(0, np.uint8)
        raise ScanError(f'{name}: expected data of bytes, got {type(data).__name__}') from None


def cloud_array(scan: Scan, **columns: np.ndarray) -> np.ndarray:
    """
    Return a scan as the structured array of a cloud message: x, y, z, rgb and `columns`.

    Parameters
    ----------
    scan : Scan
        N points; gray where it has no color.
    columns : ndarray (N,)
        More fields, such as instance, of a type that PointField knows; `class_` is `class`.

    Returns
    -------
    ndarray (N,), structured
        rgb is packed into a float32, as PCL and RViz read it.

    """
    extra = [(re.sub('_$', '', n), v.dtype.newbyteorder('<')) for n, v in columns.items()]
    points = np.zeros(len(scan), XYZRGB.descr + extra)
    for axis, field in enumerate('xyz'):
        points[field] = scan.xyz[:, axis]
    rgb = np.full((len(scan), 3), 128, np.uint8) if scan.rgb is None else scan.rgb
    red, green, blue = rgb.astype('<u4').T
    points['rgb'] = (red << 16 | green << 8 | blue).view('<f4')
    for (field, _), values in zip(extra, columns.values()):
        points[field] = values
    return points


def cloud_fields(points: np.ndarray) -> list[tuple[str, int, int, int]]:
    """Return name, offset, datatype and count of each PointField of a structured array."""
    return [
        (name, int(offset), CODES[kind.base], int(np.prod(kind.shape, dtype=int)))
        for name, (kind, offset, *_) in (points.dtype.fields or {}).items()
    ]
