"""Boxes of a 3D detector beside the snapshots: vision_msgs, where that package is installed."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rescene4d_ros.data.readers.given_boxes import boxes_of_detections, stamp_of, with_boxes
from rescene4d_ros.errors import FrameUnavailableError
from rescene4d_ros.node.tf import FrameLookup
from rescene4d_ros.structures import Scan

try:
    from vision_msgs.msg import Detection3DArray
except ImportError:
    Detection3DArray = None

DETECTIONS = 'detections'  # the topic, relative as `snapshots` is
KEPT = 50  # messages that wait for the cloud of their stamp


class Detections:
    """
    Keep the boxes of each stamp until the cloud of that stamp comes.

    Without vision_msgs nothing is subscribed to, and clouds must bring their own instances.

    Parameters
    ----------
    node : Node
    frames : FrameLookup

    """

    def __init__(self, node: Node, frames: FrameLookup):
        self._node, self._frames = node, frames
        self._held: OrderedDict[int, Any] = OrderedDict()  # by stamp, ns
        self._lock = Lock()
        self._subscription = None
        if Detection3DArray is None:
            node.get_logger().info(
                'vision_msgs is not installed: instances are read from the clouds alone'
            )
            return
        quality = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._subscription = node.create_subscription(
            Detection3DArray, DETECTIONS, self.receive, quality
        )

    def close(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def receive(self, message: Any) -> None:
        """Keep a message; the oldest one goes where too many wait."""
        with self._lock:
            self._held[stamp_of(message)] = message
            while len(self._held) > KEPT:
                self._held.popitem(last=False)

    def added(self, scan: Scan, is_last_try: bool) -> Scan:
        """
        Return a scan in the map with the boxes of its stamp as instances, if it has none.

        At the last try a scan goes without: it is stored, and its visit fails with the reason.

        Raises
        ------
        FrameUnavailableError
            The boxes, or the transform of their frame, have not come yet.
        ScanError
            Boxes that are none, or in a frame that is never known.

        """
        if scan.given is not None or self._subscription is None:
            return scan
        with self._lock:
            message = self._held.get(scan.stamp_ns)
        if message is None:
            if is_last_try:
                return scan
            raise FrameUnavailableError(
                f'{scan.name}: expected a field `instance`, or boxes with the same stamp on '
                f'{DETECTIONS!r}, got neither yet'
            )
        frame = str(message.header.frame_id) or scan.frame_id
        map_T_boxes = self._frames.map_T(frame, scan.stamp_ns, 'boxes')
        found = with_boxes(scan, boxes_of_detections(message, map_T_boxes))
        with self._lock:
            self._held.pop(scan.stamp_ns, None)
        return found
