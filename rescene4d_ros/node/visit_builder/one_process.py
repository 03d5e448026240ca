"""
Executable `robot`: the node and its visit builder in one process, with one executor.

rclpy has no components to load into a container, so this is a program of its own. Snapshots go
from the one to the other as objects of Python: not serialized, and not through DDS.
"""

from __future__ import annotations

import signal
import sys
import time

if __name__ == '__main__':  # what follows takes seconds; ^C ends it without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from rclpy.duration import Duration
from rescene4d_ros.node.lifecycle_node import Rescene4DNode
from rescene4d_ros.node.managed_node import run
from rescene4d_ros.node.visit_builder.lifecycle_node import VisitBuilderNode
from sensor_msgs.msg import PointCloud2

LOOK = 0.02  # s; between two looks whether a snapshot is stored


class HandOver:
    """
    Stand for the publisher of snapshots: the node takes each at once.

    A visit counts as delivered once the node has stored or refused it; while the node is paused or
    not active, visits wait on the disk.

    Parameters
    ----------
    node : Rescene4DNode

    """

    def __init__(self, node: Rescene4DNode):
        self._node = node

    def get_subscription_count(self) -> int:
        """Return 1 while the node takes snapshots, else 0."""
        intake = self._node.intake
        return int(intake is not None and not intake.is_paused and not intake.is_full)

    def publish(self, message: PointCloud2) -> None:
        """Give a snapshot to the node."""
        intake = self._node.intake
        if intake is not None:
            intake.receive(message)

    def wait_for_all_acked(self, timeout: Duration) -> bool:
        """Wait until the node has stored or refused what it was given; False = not in time."""
        end = time.monotonic() + timeout.nanoseconds / 1e9
        while time.monotonic() < end:
            intake = self._node.intake
            if intake is None:
                return False
            if not intake.n_held:
                return True
            time.sleep(LOOK)
        return False


def make_nodes() -> tuple[Rescene4DNode, VisitBuilderNode]:
    """Return both nodes; the one takes path and free space from the other unless told not to."""
    node = Rescene4DNode({'observed_space': True})
    return node, VisitBuilderNode(HandOver(node))


def main(args: list[str] | None = None) -> int:
    """Run the nodes until ^C or shutdown."""
    return run(make_nodes, args)


if __name__ == '__main__':
    sys.exit(main())
