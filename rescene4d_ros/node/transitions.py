"""Lifecycle transitions that say what failed instead of raising."""

from __future__ import annotations

from collections.abc import Callable
import functools
import time
import traceback

from rclpy.lifecycle import TransitionCallbackReturn
from rescene4d_ros.errors import RescenError
from rescene4d_ros.node.diagnostics import text_of

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR


def transition(reached: str) -> Callable:
    """
    Make a lifecycle callback that logs, reports and never raises.

    rclpy would return ERROR without a word. What the user can put right leaves the node where it
    was.

    Parameters
    ----------
    reached : str
        What the node is afterwards.

    """

    def decorate(callback: Callable) -> Callable:
        @functools.wraps(callback)
        def guarded(self, state) -> TransitionCallbackReturn:
            start, doing = time.perf_counter(), callback.__name__.removeprefix('on_')
            try:
                done = callback(self)
            except Exception as error:
                self._diagnostics.state = f'{doing} failed'
                self._diagnostics.stats.problem(doing, text_of(error))
                if isinstance(error, RescenError):
                    self.get_logger().error(f'on_{doing}: {error}')
                    return FAILURE
                self.get_logger().fatal(f'on_{doing}:\n{traceback.format_exc()}')
                return ERROR
            self._diagnostics.state = reached
            self._diagnostics.stats.solved(doing)
            self.get_logger().info(f'{reached} in {time.perf_counter() - start:.1f} s{done}')
            return SUCCESS

        return guarded

    return decorate
