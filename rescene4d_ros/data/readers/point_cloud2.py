"""
PointCloud2 messages to scans and back, without ROS.

Any object with the fields of sensor_msgs/msg/PointCloud2 will do: rclpy's and rosbags' alike.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import Any

import numpy as np
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import Scan

# PointField.datatype -> NumPy type.
TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
CODES = {np.dtype(name): code for code, name in TYPES.items()}
XYZRGB = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<f4')])


def scan_from_cloud(message: Any, name: str = '') -> Scan:
    """
    Return the finite points of a cloud message as a scan.

    Parameters
    ----------
    message : PointCloud2
    name : str
        For messages to people; default: the stamp.

    Raises
    ------
    ScanError
        No x, y, z of a float type, data shorter than promised, or no finite point.

    """
    return decode_cloud(message, name)[0]


def decode_cloud(message: Any, name: str = '') -> tuple[Scan, np.ndarray]:
    """
    Return the finite points of a cloud message, and which points those are.

    Returns
    -------
    scan : Scan
        N points in the order of the message; frame and stamp of its header.
    kept : ndarray (M,), bool
        Which of the M points of the message are in the scan.

    Raises
    ------
    ScanError
        As `scan_from_cloud`.

    """
    stamp = message.header.stamp
    stamp_ns = int(stamp.sec) * 10**9 + int(stamp.nanosec)
    name = name or f'cloud of {stamp_ns / 1e9:.3f} s'
    points = _structured(message, name)
    types = {f.name: f.datatype for f in message.fields}
    wrong = [axis for axis in 'xyz' if types.get(axis) not in (7, 8)]
    if wrong:
        got = ', '.join(f'{n} ({TYPES.get(t, t)})' for n, t in types.items()) or 'none'
        raise ScanError(
            f'{name}: expected fields x, y, z of type float32 or float64, got: {got}; '
            'publish the registered cloud with coordinates in metres'
        )
    if not len(points):
        raise ScanError(
            f'{name}: expected points, got an empty cloud; check that the mapping '
            'node publishes the whole snapshot'
        )
    xyz = np.stack([points[axis] for axis in 'xyz'], axis=1).astype(np.float32)
    kept = np.isfinite(xyz).all(axis=1)
    if not kept.any():
        raise ScanError(
            f'{name}: expected finite points, got {len(xyz)} that are NaN or '
            'infinite; check the depth input of the mapping node'
        )
    rgb = _colors(points, types, name)
    normals = None
    if all(types.get(f'normal_{axis}') in (7, 8) for axis in 'xyz'):
        normals = np.stack([points[f'normal_{axis}'] for axis in 'xyz'], axis=1)
        normals = normals.astype(np.float32)[kept]
    scan = Scan(
        xyz[kept],
        stamp_ns,
        None if rgb is None else rgb[kept],
        normals,
        frame_id=str(message.header.frame_id),
        name=name,
    )
    return scan, kept


def _structured(message: Any, name: str) -> np.ndarray:
    """Return the message's points as a structured array, without rows' padding."""
    order = '>' if message.is_bigendian else '<'
    unknown = [f.name for f in message.fields if f.datatype not in TYPES]
    if unknown:
        raise ScanError(
            f'{name}: expected datatypes that PointField defines, got another of '
            f'field {unknown[0]!r}; publish a valid sensor_msgs/msg/PointCloud2'
        )
    formats = [order + TYPES[f.datatype] for f in message.fields]
    try:
        dtype = np.dtype(
            {
                'names': [f.name for f in message.fields],
                'formats': [
                    (t, (f.count,)) if f.count > 1 else t for t, f in zip(formats, message.fields)
                ],
                'offsets': [f.offset for f in message.fields],
                'itemsize': message.point_step,
            }
        )
    except ValueError as error:
        raise ScanError(
            f'{name}: expected fields within a point of {message.point_step} bytes, '
            f'each with a name of its own, got others ({error}); publish a valid '
            'sensor_msgs/msg/PointCloud2'
        ) from error
    data = np.frombuffer(message.data, np.uint8)
    row = message.width * message.point_step
    step = max(message.row_step, row)
    wanted = step * (message.height - 1) + row if message.height and message.width else 0
    if len(data) < wanted:
        raise ScanError(
            f'{name}: expected {wanted} bytes for {message.height} x {message.width} '
            f'points, got {len(data)}; the message is cut off'
        )
    if not wanted:
        return np.zeros(0, dtype)
    if message.height == 1 or step == row:
        return data[: row * message.height].view(dtype)
    rows = np.lib.stride_tricks.as_strided(data, (message.height, row), (step, 1))
    return np.ascontiguousarray(rows).reshape(-1).view(dtype)


def _colors(points: np.ndarray, types: Mapping[str, int], name: str) -> np.ndarray | None:
    """Return (N, 3) uint8 colors of packed or separate fields, None where there are none."""
    packed = next((f for f in ('rgb', 'rgba') if f in types), None)
    if packed:
        if types[packed] not in (5, 6, 7):
            raise ScanError(
                f'{name}: expected field {packed!r} packed in 32 bits, got '
                f'{TYPES.get(types[packed])}; pack it as PCL does'
            )
        column = points[packed]
        bits = np.ascontiguousarray(column).view(column.dtype.str[0] + 'u4')
        return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)
    if all(types.get(c) == 2 for c in 'rgb'):
        return np.stack([points[c] for c in 'rgb'], axis=1)
    return None


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
        for name, (kind, offset, *_) in points.dtype.fields.items()
    ]
