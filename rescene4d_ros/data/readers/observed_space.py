"""What a message beside a snapshot says of the visit: `ObservedSpace`, of ROS or of a bag."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.structures import Scan
from rescene4d_ros.structures.free_space import FreeSpace

MOST_PLACES = 1_000_000  # of a path
FARTHEST = 1e7  # m; of a place in its frame


def with_space(scan: Scan, message: Any, map_T_frame: np.ndarray | None = None) -> Scan:
    """
    Return a scan in the map with the path and the free cells of a message; what it has stays.

    Parameters
    ----------
    scan : Scan
    message : ObservedSpace
    map_T_frame : ndarray (4, 4), optional
        Of the frame of the message, where that is not the map.

    Raises
    ------
    ScanError
        A path or cells that are none.

    """
    path, free, origin = path_from_msg(message), free_from_msg(message), np.array(scan.origin)
    if map_T_frame is not None:
        path = transform(map_T_frame, path)
        free = None if free is None else free.moved(map_T_frame)
    if scan.sensor_path is None and len(path):
        scan = replace(scan, sensor_path=(path - origin).astype(np.float32))
    if scan.free is None and free is not None:
        scan = replace(scan, free=free.shifted(-origin))
    return scan


def path_from_msg(message: Any) -> np.ndarray:
    """
    Return the places of the sensor (P, 3), float64, m, in the frame of the message.

    None are needed beside cells.

    Raises
    ------
    ScanError
        None, too many, or places where no map is.

    """
    count = len(message.path)
    if not (0 < count or message.cell) or count > MOST_PLACES:
        raise ScanError(
            f'observed_space: expected 1 to {MOST_PLACES} places of the sensor, got {count}; '
            'publish where it was'
        )
    path = np.array([(p.x, p.y, p.z) for p in message.path], np.float64).reshape(-1, 3)
    if not (np.abs(path) < FARTHEST).all():
        raise ScanError(
            f'observed_space: expected finite places within {FARTHEST:g} m, got others; check '
            'what localizes the sensor'
        )
    return path


def free_from_msg(message: Any) -> FreeSpace | None:
    """
    Return the free cells in the frame of the message; None where it has none.

    Raises
    ------
    ScanError
        Cells that are none.

    """
    if not message.cell:
        return None
    map_T_grid = np.eye(4)
    map_T_grid[:3, 3] = message.origin.x, message.origin.y, message.origin.z
    bits, size = np.frombuffer(message.free, np.uint8), tuple(int(n) for n in message.size)
    cell = round(float(message.cell), 6)  # a float32 is 0.1 m less exactly
    try:
        return FreeSpace.of_bits(map_T_grid, bits, size, cell)
    except ScanError as error:
        raise ScanError(f'observed_space: {error}') from error
