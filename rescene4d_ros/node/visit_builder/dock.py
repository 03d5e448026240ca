"""A topic that says whether the robot is at its dock: a visit ends when it gets there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import BatteryState
from std_msgs.msg import Bool

REASON = 'the robot is at its dock'
AT_DOCK = (BatteryState.POWER_SUPPLY_STATUS_CHARGING, BatteryState.POWER_SUPPLY_STATUS_FULL)


class Dock:
    """
    End the visit each time the robot gets to its dock.

    What counts is the step from away to there: a robot that starts at its dock ends no visit.

    Parameters
    ----------
    node : Node
    topic : str
    kind : str
        'bool' is reliable, because it may be sent once; 'battery_state' is best effort, as
        drivers publish it.
    end : callable(str)
        Ends the visit, with the reason.

    """

    def __init__(self, node: Node, topic: str, kind: str, end: Callable[[str], Any]):
        self._node, self._end = node, end
        self._is_there: bool | None = None
        is_bool = kind == 'bool'
        quality = ReliabilityPolicy.RELIABLE if is_bool else ReliabilityPolicy.BEST_EFFORT
        self._subscription = node.create_subscription(
            Bool if is_bool else BatteryState,
            topic,
            self._on_bool if is_bool else self._on_battery,
            QoSProfile(depth=10, reliability=quality),
        )

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def _on_bool(self, message: Bool) -> None:
        self._note(message.data)

    def _on_battery(self, message: BatteryState) -> None:
        if message.power_supply_status != BatteryState.POWER_SUPPLY_STATUS_UNKNOWN:
            self._note(message.power_supply_status in AT_DOCK)

    def _note(self, is_there: bool) -> None:
        was_there, self._is_there = self._is_there, is_there
        if is_there and was_there is False:
            self._end(REASON)
