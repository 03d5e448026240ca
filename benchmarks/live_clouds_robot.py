"""The robot of `live_clouds.py`: publishes clouds and poses, and listens to what comes of them."""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rescene4d_ros.data.readers.point_cloud2 import cloud_array
from rescene4d_ros.node.messages.conversions import (
    create_cloud,
    fields_of,
    time_from_msg,
    time_to_msg,
)
from rescene4d_ros.structures import Scan
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import Trigger

RATE = 10  # Hz
CLOUDS = 200  # of a lap of 20 s, which repeat: casting rays is not what is measured
ROOM = np.array([[-3.5, -3.0, 0.0], [3.5, 3.0, 2.6]])
THINGS = np.array(
    [
        [[-3.4, -2.9, 0.0], [-1.6, -2.0, 0.45]],
        [[1.2, -2.9, 0.0], [2.2, -2.4, 1.9]],
        [[-0.6, -2.2, 0.0], [0.5, -1.5, 0.75]],
        [[2.7, -0.5, 0.0], [3.4, 0.9, 0.8]],
    ]
)
COLORS = np.array([[170, 165, 155], [150, 60, 50], [120, 85, 50], [60, 90, 140], [70, 70, 75]])


class Robot(Node):
    """Drives to and fro, and listens to what builder and node say and send."""

    def __init__(self, n_points: int):
        super().__init__('robot')
        self._odometry = self.create_publisher(Odometry, 'odometry', 100)
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._clouds = self.create_publisher(PointCloud2, 'clouds', qos)
        self._finish = self.create_client(Trigger, '/visit_builder/finish')
        self.create_subscription(PointCloud2, 'snapshots', self._take_visit, 5)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._note, 10)
        self._said: dict[str, dict[str, str]] = {}
        self._stamps: list[int] = []
        rng = np.random.default_rng(0)
        rays = rng.normal(size=(n_points, 3))
        self._rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        self._made = [self._cloud(k, rng) for k in range(CLOUDS)]

    @property
    def n_visits(self) -> int:
        """Return how many visits were published."""
        return len(set(self._stamps))

    @property
    def longest_gap(self) -> float:
        """Return the longest time between the stamps of two visits, s."""
        stamps = sorted(set(self._stamps))
        return max((b - a for a, b in zip(stamps, stamps[1:])), default=0) / 1e9

    def value(self, entry: str, key: str) -> int:
        """Return a number of the diagnostics; 0 before the first."""
        return int(self._said.get(entry, {}).get(key) or 0)

    def await_listeners(self) -> None:
        """Wait until the builder takes clouds and poses, and the node snapshots."""
        while not (
            self._clouds.get_subscription_count()
            and self._odometry.get_subscription_count()
            and self.count_subscribers('snapshots') > 1
        ):
            rclpy.spin_once(self, timeout_sec=0.1)

    def publish(self, k: int, stamp_ns: int) -> None:
        """Publish pose and cloud number k."""
        pose = Odometry(child_frame_id='lidar')
        pose.header.stamp, pose.header.frame_id = time_to_msg(stamp_ns), 'map'
        at = pose.pose.pose.position
        at.x, at.y, at.z = map(float, _place(k))
        pose.pose.pose.orientation.w = 1.0
        self._odometry.publish(pose)
        cloud = self._made[k % CLOUDS]
        cloud.header.stamp = time_to_msg(stamp_ns)
        self._clouds.publish(cloud)

    def finish(self) -> str:
        """End the visit in the making; return the answer, and hear the last counts."""
        future = self._finish.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(self, future, timeout_sec=90.0)
        answer = future.result()
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.1)
        return answer.message if answer else 'no answer'

    def _take_visit(self, message: PointCloud2) -> None:
        self._stamps.append(time_from_msg(message.header.stamp))

    def _note(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._said[status.name] = {v.key: v.value for v in status.values}

    def _cloud(self, k: int, rng: np.random.Generator) -> PointCloud2:
        place = _place(k)
        far = ((np.where(self._rays > 0, ROOM[1], ROOM[0]) - place) / self._rays).min(axis=1)
        hit = np.zeros(len(far), np.int64)
        for number, thing in enumerate(THINGS, 1):
            bounds = (thing[:, None] - place) / self._rays
            near, leaves = bounds.min(axis=0).max(axis=1), bounds.max(axis=0).min(axis=1)
            hits = (near > 0) & (near < leaves) & (near < far)
            far[hits], hit[hits] = near[hits], number
        far += rng.normal(0, 0.005, len(far))
        colors = COLORS[hit] + rng.integers(-12, 12, (len(far), 1))
        xyz = (self._rays * far[:, None]).astype(np.float32)
        points = cloud_array(Scan(xyz, 1, colors.astype(np.uint8)))
        header = Header(stamp=Time(), frame_id='lidar')
        return create_cloud(header, fields_of(points), points)


def _place(k: int) -> np.ndarray:
    """Return where the sensor is at cloud number k, m."""
    return np.array([2.0 * np.sin(2 * np.pi * k / CLOUDS), 1.0, 1.2])
