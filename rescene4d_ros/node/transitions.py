"""Lifecycle callbacks that say why they refused."""

from __future__ import annotations

from collections.abc import Callable
import functools
import traceback

from rclpy.lifecycle import TransitionCallbackReturn
from rescene4d_ros.errors import RescenError


def logged_transition(callback: Callable) -> Callable:
    """Make a raising transition visible: rclpy would return ERROR without a word."""

    @functools.wraps(callback)
    def guarded(self, state):
        try:
            return callback(self, state)
        except RescenError as error:  # the user can put it right: stay where we were
            self.get_logger().error(f'{callback.__name__}: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().fatal(f'{callback.__name__}:\n{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR

    return guarded
