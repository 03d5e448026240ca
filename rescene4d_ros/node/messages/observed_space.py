"""The message beside a snapshot: where the sensor was, and what it looked through."""

from __future__ import annotations

import array
from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from geometry_msgs.msg import Point
import numpy as np
from rclpy.node import Node
from rescene4d_ros.errors import FrameUnavailableError, ScanError
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.msg import ObservedSpace
from rescene4d_ros.node.messages.conversions import time_from_msg, time_to_msg
from rescene4d_ros.node.messages.interfaces import OBSERVED_SPACE
from rescene4d_ros.structures import Scan
from rescene4d_ros.structures.free_space import FreeSpace
from std_msgs.msg import Header

if TYPE_CHECKING:
    from rescene4d_ros.node.tf import FrameLookup
    from rescene4d_ros.visit_building.builder import BuiltVisit

KEPT = 50  # messages that wait for the cloud of their stamp
MOST_PLACES = 1_000_000  # of a path
FARTHEST = 1e7  # m; of a place in its frame


def space_to_msg(visit: BuiltVisit) -> ObservedSpace:
    """Return the path of a visit and its free cells as a message in the frame of the map."""
    scan, origin = visit.scan, np.asarray(visit.scan.origin, np.float64)
    message = ObservedSpace(
        header=Header(stamp=time_to_msg(scan.stamp_ns), frame_id=scan.frame_id)
    )
    places = np.zeros((0, 3)) if scan.sensor_path is None else scan.sensor_path + origin
    message.path = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in places]
    if scan.free is not None:
        x, y, z = map(float, scan.free.map_T_grid[:3, 3] + origin)
        message.origin, message.cell = Point(x=x, y=y, z=z), float(scan.free.cell)
        message.size = np.array(scan.free.is_free.shape, np.uint32)
        message.free = array.array('B', scan.free.bits.tobytes())
    return message


def path_from_msg(message: ObservedSpace) -> np.ndarray:
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
            f'{OBSERVED_SPACE.name}: expected 1 to {MOST_PLACES} places of the sensor, got '
            f'{count}; publish where it was'
        )
    path = np.array([(p.x, p.y, p.z) for p in message.path], np.float64).reshape(-1, 3)
    if not (np.abs(path) < FARTHEST).all():
        raise ScanError(
            f'{OBSERVED_SPACE.name}: expected finite places within {FARTHEST:g} m, got others; '
            'check what localizes the sensor'
        )
    return path


def free_from_msg(message: ObservedSpace) -> FreeSpace | None:
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
    # A float32 says 0.1 m less exactly than its sender.
    cell = round(float(message.cell), 6)
    try:
        return FreeSpace.of_bits(map_T_grid, bits, size, cell)
    except ScanError as error:
        raise ScanError(f'{OBSERVED_SPACE.name}: {error}') from error


class ObservedSpaces:
    """
    Keep the messages until the snapshot of their stamp comes, and give it what they say.

    Parameters
    ----------
    node : Node
    frames : FrameLookup

    """

    def __init__(self, node: Node, frames: FrameLookup):
        self._node, self._frames = node, frames
        self._held: OrderedDict[int, ObservedSpace] = OrderedDict()  # by stamp, ns
        self._lock = Lock()
        topic = OBSERVED_SPACE
        self._subscription = node.create_subscription(
            topic.type, topic.name, self.receive, topic.qos(durability='volatile', depth=KEPT)
        )

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def receive(self, message: ObservedSpace) -> None:
        """Keep a message; the oldest one goes where too many wait."""
        with self._lock:
            self._held[time_from_msg(message.header.stamp)] = message
            while len(self._held) > KEPT:
                self._held.popitem(last=False)

    def added(self, scan: Scan, is_last_try: bool) -> Scan:
        """
        Return a scan in the map with the path and the free cells of its stamp.

        What it has already stays. At the last try it goes without.

        Raises
        ------
        FrameUnavailableError
            The message, or the transform of its frame, has not come yet.
        ScanError
            A path or cells that are none, or in a frame that is never known.

        """
        if scan.sensor_path is not None and scan.free is not None:
            return scan
        with self._lock:
            message = self._held.get(scan.stamp_ns)
        if message is None:
            if is_last_try:
                return scan
            raise FrameUnavailableError(
                f'{scan.name}: expected a message with the same stamp on {OBSERVED_SPACE.name!r}, '
                'got none yet'
            )
        path, free = path_from_msg(message), free_from_msg(message)
        frame = str(message.header.frame_id) or scan.frame_id
        map_T_frame = self._frames.map_T(frame, scan.stamp_ns, 'the observed space')
        if map_T_frame is not None:
            path = transform(map_T_frame, path)
            free = None if free is None else free.moved(map_T_frame)
        with self._lock:
            self._held.pop(scan.stamp_ns, None)
        origin = np.array(scan.origin)
        if scan.sensor_path is None and len(path):
            scan = replace(scan, sensor_path=(path - origin).astype(np.float32))
        if scan.free is None and free is not None:
            scan = replace(scan, free=free.shifted(-origin))
        return scan
