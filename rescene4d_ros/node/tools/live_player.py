"""
Play one drive of a bag as live topics, at the rate at which it was recorded, then end its visit.

Unlike `ros2 bag play` it waits for somebody who listens, and for the node to have processed the
visit. Exit code 1 when that does not come in time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from rclpy.utilities import remove_ros_args
from rescene4d_ros.msg import SceneObjectArray
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.ros_process import prepare
from rosbags.highlevel import AnyReader
from std_srvs.srv import Trigger

PAUSE_NS = 10 * 10**9  # between two drives
CLOUD = 'sensor_msgs/msg/PointCloud2'
ANSWER = 10.0  # s; then the service is asked again
STEP = 0.002  # s; how exactly a message is sent on time
Message = tuple[str, str, int, bytes]  # topic, type, time in ns, serialized


def drives_of(bag: Path) -> Iterator[list[Message]]:
    """Yield the messages of each drive of a bag, in the order of their times."""
    with AnyReader([bag]) as reader:
        drive: list[Message] = []
        for connection, at_ns, data in reader.messages():
            if drive and at_ns - drive[-1][2] > PAUSE_NS:
                yield drive
                drive = []
            drive.append((connection.topic, connection.msgtype, at_ns, bytes(data)))
        if drive:
            yield drive


def type_of(name: str) -> type | None:
    """Return the message class of a type, or None where its package is not installed."""
    package, _, kind = name.split('/')
    try:
        return getattr(import_module(f'{package}.msg'), kind)
    except ImportError:
        return None


class LivePlayer(Node):
    """Publish what a robot's drivers would, and watch how far the node has come."""

    def __init__(self, drive: list[Message], objects: str, finish: str):
        super().__init__('live_player')
        self.revision = -1
        self.create_subscription(SceneObjectArray, objects, self._note, interfaces.OBJECTS.qos())
        self._finish = self.create_client(Trigger, finish)
        # Not `_publishers`, which is rclpy's.
        self._outlets = {}
        for topic, name in dict.fromkeys((m[0], m[1]) for m in drive):
            kind = type_of(name)
            if kind is None:
                print(f'{topic}: left out, {name} is not installed', flush=True)
                continue
            qos = QoSProfile(depth=100)
            if topic == '/tf_static':
                qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
            self._outlets[topic] = self.create_publisher(kind, topic, qos)
        self._clouds = next(m[0] for m in drive if m[1] == CLOUD)

    def _note(self, message: SceneObjectArray) -> None:
        self.revision = message.revision

    def wait(self, condition, timeout: float) -> bool:
        """Spin until a condition holds; False when it does not within `timeout` seconds."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                return False
            rclpy.spin_once(self, timeout_sec=0.05)
        return True

    def has_listeners(self) -> bool:
        """Return whether somebody takes the clouds and the node has told its revision."""
        clouds = self._outlets[self._clouds]
        return clouds.get_subscription_count() > 0 and self.revision >= 0

    def play(self, drive: list[Message], speed: float, pause_at: int = 0) -> None:
        """Publish all messages, each at its time; wait for a line of input after one cloud."""
        began, n_clouds = time.monotonic(), 0
        for topic, _, at_ns, data in drive:
            due = began + (at_ns - drive[0][2]) / 1e9 / speed
            while (left := due - time.monotonic()) > STEP:
                rclpy.spin_once(self, timeout_sec=left)
            if topic in self._outlets:
                self._outlets[topic].publish(data)
            if topic == self._clouds:
                n_clouds += 1
                print(f'cloud {n_clouds}', flush=True)
                if n_clouds == pause_at:
                    paused = time.monotonic()
                    sys.stdin.readline()
                    began += time.monotonic() - paused

    def finish(self, timeout: float) -> str:
        """End the visit; return what the builder says, '' where it does not answer."""
        end = time.monotonic() + timeout
        asked: list[Future] = []
        while time.monotonic() < end:
            if not self.wait(self._finish.service_is_ready, end - time.monotonic()):
                break
            # It may be the service of a killed process, or know us later than we know it; and
            # the first answer may still come on a busy machine.
            asked.append(self._finish.call_async(Trigger.Request()))
            if self.wait(lambda: any(future.done() for future in asked), ANSWER):
                return next(future.result().message for future in asked if future.done())
        return ''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument('bag', type=Path, help='rosbag2 bag with clouds, /tf and /tf_static')
    parser.add_argument('--drive', type=int, default=1, help='which drive of the bag, from 1')
    parser.add_argument('--speed', type=float, default=1.0, help='times as fast as recorded')
    parser.add_argument(
        '--pause-at',
        type=int,
        default=0,
        metavar='N',
        help='after this cloud, the robot waits until a line comes on standard input',
    )
    parser.add_argument(
        '--objects',
        default=f'{interfaces.NODE_NAME}/objects',
        help='topic on which the node tells its revision',
    )
    parser.add_argument(
        '--finish', default='visit_builder/finish', help='service that ends the visit'
    )
    parser.add_argument('--timeout', type=float, default=120.0, help='longest wait in seconds')


def play(player: LivePlayer, drive: list[Message], options: argparse.Namespace) -> str:
    """Play a drive and wait for its visit to be processed; return what failed, '' = nothing."""
    if not player.wait(player.has_listeners, options.timeout):
        return f'nobody took the clouds, or no node told its revision in {options.timeout:g} s'
    before = player.revision
    player.play(drive, options.speed, options.pause_at)
    answer = player.finish(options.timeout)
    if not answer:
        return f'{options.finish} did not answer in {options.timeout:g} s'
    print(f'finish: {answer}', flush=True)
    if not player.wait(lambda: player.revision > before, options.timeout):
        return f'the visit was not processed in {options.timeout:g} s'
    print(f'processed, revision {player.revision}', flush=True)
    return ''


def main(args: list[str] | None = None) -> int:
    """Play a drive; 0 = its visit is processed, 1 = not in time, 2 = no such drive."""
    prepare()
    args = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(
        prog='live_player',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    options = parser.parse_args(remove_ros_args(['live_player', *args])[1:])
    drives = list(drives_of(options.bag))
    if not 1 <= options.drive <= len(drives):
        print(f'live_player: expected drive 1..{len(drives)}, got {options.drive}')
        return 2
    rclpy.init(args=args)
    drive = drives[options.drive - 1]
    player = LivePlayer(drive, options.objects, options.finish)
    try:
        failed = play(player, drive, options)
    except KeyboardInterrupt:
        return 130
    finally:
        player.destroy_node()
        rclpy.try_shutdown()
    if failed:
        print(f'live_player: {failed}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
