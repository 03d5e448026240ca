"""
Measure ROS 2 on this machine, and print the result as JSON; `rescene4d doctor` judges it.

A second process sends clouds, because Fast DDS takes a shorter way within one.
"""

from __future__ import annotations

import argparse
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import statistics
import subprocess
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_check_compatible, QoSCompatibility, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.ros_process import DDS_CHOICES, dds_environment, prepare
from rescene4d_ros.node.tf import Buffer, TransformException, TransformListener
from rescene4d_ros.processes import end_with_parent
from sensor_msgs.msg import PointCloud2

CLOUDS, CLOUD_BYTES = 10, 3_200_000  # 200k points
RATE = 20.0  # Hz
DISCOVERY = 10.0  # s; longest wait for the other process


def main(argv: list[str] | None = None) -> int:
    """Probe, or send the clouds that a probe listens to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--send', metavar='TOPIC', help='send clouds there and end')
    parser.add_argument('--topic', default=interfaces.SNAPSHOTS.name, help='topic to look at')
    parser.add_argument('--listen', type=float, default=3.0, help='seconds to listen')
    parser.add_argument('--map-frame', default='map')
    parser.add_argument('--sensor-frame', default='')
    options = parser.parse_args(argv)
    profile = _profile()
    prepare()
    rclpy.init(args=[])
    try:
        if options.send:
            end_with_parent()
            _send(options.send)
            return 0
        node = rclpy.create_node(f'doctor_{os.getpid()}', start_parameter_services=False)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        print(json.dumps({'profile': profile, **_probe(node, executor, options)}))
    finally:
        rclpy.try_shutdown()
    return 0


def _profile() -> dict[str, Any]:
    """Return which Fast DDS profile counts, and whether the user has chosen it."""
    chosen = {name: os.environ[name] for name in DDS_CHOICES if os.environ.get(name)}
    ours = dds_environment()
    files = [Path(v) for k, v in (chosen | ours).items() if k.endswith('_PROFILES_FILE')]
    return {
        'chosen_by_user': not ours,
        'values': chosen | ours,
        'missing': [str(path) for path in files if not path.is_file()],
    }


def _send(topic: str) -> None:
    """Send clouds as soon as somebody listens; every stamp is the time of sending."""
    node = rclpy.create_node(f'doctor_sender_{os.getpid()}', start_parameter_services=False)
    publisher = node.create_publisher(PointCloud2, topic, QoSProfile(depth=CLOUDS))
    end = time.monotonic() + DISCOVERY
    while not publisher.get_subscription_count() and time.monotonic() < end:
        time.sleep(0.01)
    message = PointCloud2(data=array('B', bytes(CLOUD_BYTES)))
    for _ in range(CLOUDS):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        publisher.publish(message)
        time.sleep(1.0 / RATE)
    time.sleep(1.0)  # until reliable transport has sent again what was lost


def _probe(node: Node, executor, options: argparse.Namespace) -> dict[str, Any]:
    """Listen for some seconds, to our own sender too; return what was heard."""
    start, heard = time.monotonic(), Heard(node, options.topic)
    frames = Frames(node)
    topic, delays = f'/doctor_{os.getpid()}/clouds', []

    def receive(cloud: PointCloud2) -> None:
        delays.append(_age(cloud))

    node.create_subscription(PointCloud2, topic, receive, QoSProfile(depth=CLOUDS))
    with _sender(topic) as sender:
        while len(delays) < CLOUDS and sender.poll() is None:
            executor.spin_once(timeout_sec=0.1)
    while time.monotonic() < start + options.listen:
        executor.spin_once(timeout_sec=0.1)
    return {
        'distribution': os.environ.get('ROS_DISTRO', 'wheels of PyPI'),
        'middleware': get_rmw_implementation_identifier(),
        'domain': os.environ.get('ROS_DOMAIN_ID', '0'),
        'round_trip': {
            'sent': CLOUDS,
            'received': len(delays),
            'bytes': CLOUD_BYTES,
            'median': statistics.median(delays) if delays else None,
        },
        'nodes': sorted(
            f'{namespace.rstrip("/")}/{name}'
            for name, namespace in node.get_node_names_and_namespaces()
            if not name.startswith('doctor_')
        ),
        'tf': frames.found(options.map_frame, options.sensor_frame),
        **heard.found(),
    }


@contextmanager
def _sender(topic: str) -> Iterator[subprocess.Popen]:
    """Run the process that sends clouds."""
    with subprocess.Popen([sys.executable, '-m', __spec__.name, '--send', topic]) as process:
        try:
            yield process
        finally:
            process.kill()


class Heard:
    """Hear the clouds of a topic, /clock and /diagnostics."""

    def __init__(self, node: Node, topic: str):
        self._node, self._topic = node, node.resolve_topic_name(topic)
        self._newest: PointCloud2 | None = None
        self._times: list[float] = []
        self._statuses: dict[str, tuple[int, str]] = {}
        lenient = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(PointCloud2, topic, self._cloud, lenient)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, lenient)

    def _cloud(self, cloud: PointCloud2) -> None:
        self._newest = cloud
        self._times.append(time.monotonic())

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.partition(':')[0].rpartition('/')[2] in ('rescene4d', 'visit_builder'):
                self._statuses[status.name] = int.from_bytes(status.level), status.message

    def found(self) -> dict[str, Any]:
        """Return what came, and which publishers and subscribers do not understand each other."""
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        listeners = [
            info
            for info in self._node.get_subscriptions_info_by_topic(self._topic)
            if not info.node_name.startswith('doctor_')
        ]
        seconds = self._times[-1] - self._times[0] if self._times else 0.0
        newest = self._newest
        return {
            'clouds': {
                'topic': self._topic,
                'publishers': [*map(_named, publishers)],
                'listeners': [*map(_named, listeners)],
                'deaf': [
                    [_named(p), _named(s), p.qos_profile.reliability.name.lower()]
                    for p in publishers
                    for s in listeners
                    if qos_check_compatible(p.qos_profile, s.qos_profile)[0]
                    == QoSCompatibility.ERROR
                ],
                'heard': len(self._times),
                'rate': (len(self._times) - 1) / seconds if seconds else None,
                'frame': newest.header.frame_id if newest else '',
                'age': _age(newest) if newest else None,
            },
            'clock_publishers': self._node.count_publishers('/clock'),
            'diagnostics': self._statuses,
        }


class Frames:
    """Collect transforms where tf2 is installed."""

    def __init__(self, node: Node):
        self._buffer = self._listener = None
        if Buffer is not None:
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, node, spin_thread=False)

    def found(self, map_frame: str, sensor_frame: str) -> dict[str, Any]:
        """Return which frames are known, and why there is no map_T_sensor, if there is none."""
        if self._buffer is None:
            return {'installed': False}
        error = ''
        if sensor_frame:
            try:
                self._buffer.lookup_transform(map_frame, sensor_frame, rclpy.time.Time())
            except TransformException as found:
                error = str(found)
        return {
            'installed': True,
            'frames': self._buffer.all_frames_as_string().count('exists with parent'),
            'error': error,
        }


def _named(info: TopicEndpointInfo) -> str:
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'


def _age(cloud: PointCloud2) -> float:
    """Return how old the stamp of a cloud is, s."""
    return time.time() - cloud.header.stamp.sec - 1e-9 * cloud.header.stamp.nanosec


if __name__ == '__main__':
    sys.exit(main())
