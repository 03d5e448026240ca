"""The main() of every node."""
from __future__ import annotations

from collections.abc import Callable
import signal

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rescene4d_ros.node.system import prepare


def spin(make: Callable[[], Node], args: list[str] | None = None) -> int:
    """
    Run a node until ^C or shutdown, then close it.

    A second ^C (the terminal's and that of launch) must not break the clean-up, and ^C does not
    run lifecycle transitions, so a node that holds resources closes them in `destroy_node`.
    """
    executor = node = None
    prepare()
    try:
        rclpy.init(args=args)
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if executor is not None:
            executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
