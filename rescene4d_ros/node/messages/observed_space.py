"""The message beside a snapshot: where the sensor was, and what it looked through."""

from __future__ import annotations

import array
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from geometry_msgs.msg import Point
import numpy as np
from rclpy.node import Node
from rescene4d_ros.data.readers.observed_space import with_space
from rescene4d_ros.errors import FrameUnavailableError
from rescene4d_ros.msg import ObservedSpace
from rescene4d_ros.node.messages.conversions import time_from_msg, time_to_msg
from rescene4d_ros.node.messages.interfaces import OBSERVED_SPACE
from rescene4d_ros.structures import Scan
from std_msgs.msg import Header

if TYPE_CHECKING:
    from rescene4d_ros.node.tf import FrameLookup
    from rescene4d_ros.visit_building.builder import BuiltVisit

KEPT = 50  # messages that wait for the cloud of their stamp


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
        frame = str(message.header.frame_id) or scan.frame_id
        map_T_frame = self._frames.map_T(frame, scan.stamp_ns, 'the observed space')
        scan = with_space(scan, message, map_T_frame)
        with self._lock:
            self._held.pop(scan.stamp_ns, None)
        return scan
