"""
Memory and backlog of the real node `visit_builder` under minutes of live clouds over DDS.

python benchmarks/live_clouds.py --minutes 5
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rescene4d_ros.data.readers.point_cloud2 import cloud_array
from rescene4d_ros.node.messages.conversions import create_cloud, fields_of, time_to_msg
from rescene4d_ros.node.ros_process import prepare
from rescene4d_ros.structures import Scan
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

RATE = 10  # Hz
VISIT = 60.0  # s; the robot makes a visit of each minute
ROOM = np.array([[-5.0, -4.0, 0.0], [5.0, 4.0, 2.6]])
CLOUDS = 200  # of a lap of 20 s, which repeat: casting rays is not what is measured


class Robot(Node):
    """Drives to and fro, and listens to what the builder says and sends."""

    def __init__(self, n_points: int):
        super().__init__('robot')
        self._odometry = self.create_publisher(Odometry, 'odometry', 100)
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._clouds = self.create_publisher(PointCloud2, 'clouds', qos)
        self.create_subscription(PointCloud2, 'snapshots', self._take_visit, 5)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._note, 10)
        self.values: dict[str, str] = {}
        self.n_visits = 0
        rng = np.random.default_rng(0)
        rays = rng.normal(size=(n_points, 3))
        self._rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        self._made = [self._cloud(k) for k in range(CLOUDS)]

    def _take_visit(self, message: PointCloud2) -> None:
        self.n_visits += 1

    def _note(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.values |= {v.key: v.value for v in status.values}

    def _place(self, k: int) -> np.ndarray:
        return np.array([2.5 * np.sin(2 * np.pi * k / CLOUDS), 1.0, 1.2])

    def _cloud(self, k: int) -> PointCloud2:
        place = self._place(k)
        far = ((np.where(self._rays > 0, ROOM[1], ROOM[0]) - place) / self._rays).min(axis=1)
        xyz = (self._rays * far[:, None]).astype(np.float32)
        points = cloud_array(Scan(xyz, 1, np.full(xyz.shape, 99, np.uint8)))
        header = Header(stamp=Time(), frame_id='lidar')
        return create_cloud(header, fields_of(points), points)

    @property
    def is_heard(self) -> bool:
        """Return whether the builder takes clouds and poses."""
        return bool(
            self._clouds.get_subscription_count() and self._odometry.get_subscription_count()
        )

    def publish(self, k: int, stamp_ns: int) -> None:
        """Publish pose and cloud number k."""
        pose = Odometry(child_frame_id='lidar')
        pose.header.stamp, pose.header.frame_id = time_to_msg(stamp_ns), 'map'
        place = self._place(k)
        at = pose.pose.pose.position
        at.x, at.y, at.z = map(float, place)
        pose.pose.pose.orientation.w = 1.0
        self._odometry.publish(pose)
        cloud = self._made[k % CLOUDS]
        cloud.header.stamp = time_to_msg(stamp_ns)
        self._clouds.publish(cloud)


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    fields = Path(f'/proc/{pid}/statm').read_text().split()
    return int(fields[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def drive(robot: Robot, builder: subprocess.Popen, minutes: float) -> None:
    """Publish at the rate, and print a line each 30 s."""
    while not robot.is_heard:
        rclpy.spin_once(robot, timeout_sec=0.1)
    began, count, told = time.monotonic(), round(minutes * 60 * RATE), 0.0
    for k in range(count):
        while (left := began + k / RATE - time.monotonic()) > 0.002:
            rclpy.spin_once(robot, timeout_sec=left)
        robot.publish(k, time.time_ns())
        passed = time.monotonic() - began
        if passed - told >= 30 or k + 1 == count:
            told = passed
            named = ('received', 'dropped', 'refused', 'held', 'keyframes', 'voxels', 'published')
            values = ', '.join(f'{name} {robot.values.get(name, "?")}' for name in named)
            print(
                f'{passed:4.0f} s: sent {k + 1}, {values}, snapshots {robot.n_visits}; builder '
                f'{rss_mib(builder.pid):.0f} MiB, {cpu_seconds(builder.pid) / passed:.2f} cores; '
                f'load {os.getloadavg()[0]:.1f}',
                flush=True,
            )


def main() -> None:
    """Run the builder and a robot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=5.0, help='duration of the drive')
    parser.add_argument('--points', type=int, default=64_000, help='points of a cloud')
    options = parser.parse_args()
    prepare()
    os.environ['ROS_DOMAIN_ID'] = str(os.getpid() % 20 + 81)
    with tempfile.TemporaryDirectory() as folder:
        parameters = {
            'autostart': 'true',
            'pose_source': 'odometry',
            'duration': VISIT,
            'spool': f'{folder}/visit.spool',
        }
        flags = [text for k, v in parameters.items() for text in ('-p', f'{k}:={v}')]
        command = [sys.executable, '-m', 'rescene4d_ros.node.visit_builder.main', '--ros-args']
        builder = subprocess.Popen([*command, *flags])
        rclpy.init()
        try:
            drive(Robot(options.points), builder, options.minutes)
        finally:
            builder.terminate()
            builder.wait()
            rclpy.try_shutdown()


if __name__ == '__main__':
    main()
