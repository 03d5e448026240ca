"""The main() of every node."""

from __future__ import annotations

from collections.abc import Callable
import signal

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rescene4d_ros.node.process_environment import prepare

WAKE = 0.2  # s; how soon a signal is noticed while nothing else happens


def spin(make: Callable[[], Node], args: list[str] | None = None) -> int:
    """
    Run a node until ^C, SIGTERM or shutdown, then close it.

    rclpy's own signal handlers would shut the context down at once, and the visit that is being
    finished could not be published any more; and `rclpy.spin`, which waits without end, misses a
    signal that comes just before it waits. ^C runs no lifecycle transition, so a node that holds
    resources closes them in `destroy_node`.
    """
    executor = node = None
    prepare()
    # Also where a script started the node in its background and left SIGINT ignored.
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, signal.default_int_handler)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok():
            executor.spin_once(timeout_sec=WAKE)
    except KeyboardInterrupt:
        pass
    finally:
        # A second ^C (the terminal's and that of launch) must not break the clean-up; SIGTERM may.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if executor is not None:
            executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
