"""Boxes of a detector in, boxes of objects out: vision_msgs, where that is installed."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rescene4d_ros.data.readers.given_boxes import boxes_of_detections, stamp_of, with_boxes
from rescene4d_ros.errors import FrameUnavailableError
from rescene4d_ros.node.messages.conversions import box_to_msg, header_of
from rescene4d_ros.node.tf import FrameLookup
from rescene4d_ros.structures import MemorySnapshot, ObjectState, Scan

try:
    from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose
except ImportError:
    Detection3DArray = None

DETECTIONS = 'detections'  # the topic of boxes for clouds, relative as `snapshots` is
OBJECT_DETECTIONS = '~/detections'  # that of the boxes of objects
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


class ObjectDetections:
    """
    Publish the objects that the newest visit observed, for who reads vision_msgs.

    Parameters
    ----------
    node : LifecycleNode
        Its publisher sends only while it is active.

    """

    def __init__(self, node: LifecycleNode):
        self._node, self._publisher = node, None
        if Detection3DArray is None:
            node.get_logger().warning(
                'detections is true; expected vision_msgs, found none: install '
                'ros-$ROS_DISTRO-vision-msgs'
            )
            return
        quality = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self._publisher = node.create_lifecycle_publisher(
            Detection3DArray, OBJECT_DETECTIONS, quality
        )

    def publish(self, snapshot: MemorySnapshot) -> None:
        """Publish the present objects of a snapshot."""
        if self._publisher is not None:
            self._publisher.publish(detections_of(snapshot))

    def close(self) -> None:
        """Remove the topic."""
        if self._publisher is not None:
            self._node.destroy_lifecycle_publisher(self._publisher)
            self._publisher = None


def detections_of(snapshot: MemorySnapshot) -> Any:
    """
    Return the present objects as one message, stamped with the newest visit.

    Objects in other states are left out: a detection says that something is there.

    Returns
    -------
    Detection3DArray
        `id` is the persistent id, `class_id` the name of the class, `score` the confidence of the
        observation.

    """
    found = Detection3DArray(header=header_of(snapshot.visits, snapshot.frame_id))
    for item in snapshot.objects:
        if item.state != ObjectState.PRESENT:
            continue
        box, guess = box_to_msg(item.box), ObjectHypothesisWithPose()
        guess.hypothesis.class_id, guess.hypothesis.score = item.class_name, float(item.score)
        guess.pose.pose = box.pose
        detection = Detection3D(header=found.header, results=[guess], id=str(item.object_id))
        detection.bbox.center, detection.bbox.size = box.pose, box.size
        found.detections.append(detection)
    return found
