"""A TF frame per object that the newest visit observed, named by its id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from geometry_msgs.msg import TransformStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rescene4d_ros.node.messages.conversions import time_to_msg
from rescene4d_ros.node.tf import motion_to_msg, TransformBroadcaster
from rescene4d_ros.structures import ObjectState, SceneObject

PERIOD = 1.0  # s; listeners forget a transform on /tf after 10 s


def object_transforms(
    objects: Iterable[SceneObject], prefix: str, frame_id: str, stamp_ns: int
) -> list[TransformStamped]:
    """
    Return where the objects are that the newest visit observed.

    Parameters
    ----------
    objects : iterable of SceneObject
        Those in other states have no frame: it would say that they are there.
    prefix : str
        Before the id in the name of a frame.
    frame_id : str
        Of the boxes of the objects.
    stamp_ns : int, ns since the Unix epoch

    Returns
    -------
    list of TransformStamped
        The origin is the center of the box, the axes are those of its edges, z points upwards.

    """
    transforms = []
    for item in objects:
        if item.state != ObjectState.PRESENT:
            continue
        child = TransformStamped(
            child_frame_id=f'{prefix}{item.object_id}', transform=motion_to_msg(item.box.map_T_box)
        )
        child.header.frame_id, child.header.stamp = frame_id, time_to_msg(stamp_ns)
        transforms.append(child)
    return transforms


class ObjectFrames:
    """
    Publish the frames of objects on /tf, again and again, until the next visit says otherwise.

    Not on /tf_static, which has no way to take a frame back.

    Parameters
    ----------
    node : Node
    prefix : str

    """

    def __init__(self, node: Node, prefix: str):
        self._node, self._prefix = node, prefix
        self._objects: Sequence[SceneObject] = ()
        self._frame_id = ''
        self._broadcaster = self._timer = None
        if TransformBroadcaster is None:
            node.get_logger().warning(
                f'object_frames is {prefix!r}; expected tf2_ros to publish frames, found none: '
                'install ros-$ROS_DISTRO-tf2-ros-py'
            )
            return
        self._broadcaster = TransformBroadcaster(node)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD, self._send, clock=clock)

    def tell(self, objects: Sequence[SceneObject], frame_id: str) -> None:
        """Publish the frames of these objects from now on."""
        self._objects, self._frame_id = objects, frame_id
        self._send()

    def _send(self) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        found = object_transforms(self._objects, self._prefix, self._frame_id, now_ns)
        if found and self._broadcaster is not None:
            self._broadcaster.sendTransform(found)

    def close(self) -> None:
        """Publish no more; listeners forget the frames."""
        if self._broadcaster is not None:
            self._node.destroy_timer(self._timer)
            self._node.destroy_publisher(self._broadcaster.pub_tf)
            self._broadcaster = self._timer = None
