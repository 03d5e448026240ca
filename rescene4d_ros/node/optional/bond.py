"""A bond with a lifecycle manager, which then notices that the node is gone."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any
from uuid import uuid4

from rclpy.duration import Duration
from rclpy.node import Node

try:
    from bond.msg import Status
except ImportError:
    Status = None

TOPIC = 'bond'  # relative, as the nodes of Nav2 have it
PERIOD = 0.1  # s
TIMEOUT = 4.0  # s; after which the other side may take us for gone
DEPTHS = 5, 100  # of publisher and subscription; many nodes share the topic
FAREWELL = Duration(seconds=0.1)  # for the last message to leave


class Bond:
    """
    Say that the node is active, under its name, until it is no more.

    A thread of its own does: a callback that takes long is no reason to be taken for gone, which
    would make the manager of Nav2 stop the robot. `~/heartbeat` tells of callbacks.

    Parameters
    ----------
    node : Node

    """

    def __init__(self, node: Node):
        self._node, self._instance = node, str(uuid4())
        self._publisher = node.create_publisher(Status, TOPIC, DEPTHS[0])
        self._subscription = node.create_subscription(Status, TOPIC, self._heard, DEPTHS[1])
        self._is_ended = Event()
        self._thread = Thread(target=self._beat, name='bond', daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while True:
            self._say(True)
            if self._is_ended.wait(PERIOD):
                return

    def _say(self, is_active: bool) -> None:
        if not self._node.context.ok():
            return
        message = Status(
            id=self._node.get_name(),
            instance_id=self._instance,
            active=is_active,
            heartbeat_timeout=TIMEOUT,
            heartbeat_period=PERIOD,
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _heard(self, message: Any) -> None:
        """Confirm that the other side has ended the bond: it waits for that."""
        is_other = message.id == self._node.get_name() and message.instance_id != self._instance
        if is_other and not message.active:
            self._say(False)

    def close(self) -> None:
        """Tell the other side that the node is active no more."""
        self._is_ended.set()
        self._thread.join()
        self._say(False)
        if self._node.context.ok():
            self._publisher.wait_for_all_acked(FAREWELL)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)


def bond_of(node: Node) -> Bond | None:
    """Return a bond of a node; None where the package is not installed, which the log says."""
    if Status is not None:
        return Bond(node)
    node.get_logger().warning(
        'bond is true; expected the package bond, found none: install ros-$ROS_DISTRO-bond, or '
        'set bond_timeout of the lifecycle manager to 0 and watch ~/heartbeat'
    )
    return None
