"""
Play the snapshots of a bag over DDS, one visit after the other.

Unlike `ros2 bag play` it waits for somebody who listens and, with `--acks`, for the node to have
processed a visit before the next is sent. Exit code 1 when that does not come in time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
import sys
import time

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from rescene4d_ros.errors import FileFormatError, RescenError
from rescene4d_ros.msg import SceneObjectArray
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.ros_process import prepare
from rosbags.highlevel import AnyReader
from rosbags.typesys import get_typestore, Stores

POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'


def clouds_of(bag: Path, topic: str) -> Iterator[bytes]:
    """
    Yield the serialized clouds of a bag as they were recorded.

    Parameters
    ----------
    bag : Path
        A rosbag2 folder, or one of its .mcap or .db3 files.
    topic : str
        Empty = the only topic with clouds.

    Raises
    ------
    FileFormatError
        No bag, or no such topic.

    """
    folder = bag if bag.is_dir() else bag.parent
    if not (folder / 'metadata.yaml').is_file():
        raise FileFormatError(
            f'{folder}: expected a rosbag2 folder with metadata.yaml, found none; check the path'
        )
    with AnyReader([folder], default_typestore=get_typestore(Stores.LATEST)) as reader:
        clouds = [c for c in reader.connections if c.msgtype == POINT_CLOUD]
        chosen = [c for c in clouds if topic in ('', c.topic, c.topic[1:])]
        if len({c.topic for c in chosen}) != 1:
            names = ', '.join(sorted({c.topic for c in clouds})) or 'none'
            raise FileFormatError(
                f'{bag}: expected one topic with clouds, got: {names}; choose one with --topic'
            )
        for _, _, data in reader.messages(connections=chosen):
            yield data


class Player(Node):
    """Publish clouds, and watch how far the node has come."""

    def __init__(self, to: str, objects: str):
        super().__init__('player')
        topic = interfaces.SNAPSHOTS
        self._publisher = self.create_publisher(topic.type, to, topic.qos())
        self.revision = -1
        self.create_subscription(SceneObjectArray, objects, self._note, interfaces.OBJECTS.qos())

    def _note(self, message: SceneObjectArray) -> None:
        self.revision = message.revision

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Spin until a condition holds; False when it does not within `timeout` seconds."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                return False
            rclpy.spin_once(self, timeout_sec=0.05)
        return True

    def wait_beyond(self, revision: int, timeout: float) -> bool:
        """Spin until a later revision is told; False as for `wait`."""
        return self.wait(lambda: self.revision > revision, timeout)

    @property
    def has_listener(self) -> bool:
        """Return whether somebody subscribes to the clouds."""
        return self._publisher.get_subscription_count() > 0

    def play(self, data: bytes, timeout: float) -> None:
        """Publish one serialized cloud and wait until the listener has it."""
        self._publisher.publish(data)
        self._publisher.wait_for_all_acked(Duration(seconds=timeout))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument('bag', type=Path, help='rosbag2 bag with registered clouds')
    parser.add_argument('--topic', default='', help='in the bag; needed if several hold clouds')
    parser.add_argument('--to', default=interfaces.SNAPSHOTS.name, help='topic to publish on')
    parser.add_argument(
        '--objects',
        default=f'{interfaces.NODE_NAME}/objects',
        help='topic on which the node tells its revision, for --acks',
    )
    parser.add_argument('--skip', type=int, default=0, help='leave out the first clouds')
    parser.add_argument('--count', type=int, help='play so many; default: all')
    parser.add_argument(
        '--acks', action='store_true', help='wait until the node has processed each visit'
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=120.0,
        help='longest wait in seconds, for a listener and for each visit',
    )


def play(player: Player, options: argparse.Namespace) -> int:
    """Play the chosen clouds; 1 = nobody listens or not processed in time, 2 = no such clouds."""
    end = None if options.count is None else options.skip + options.count
    clouds = islice(enumerate(clouds_of(options.bag, options.topic), 1), options.skip, end)
    first = next(clouds, None)  # a wrong bag is said before anybody is waited for
    if first is None:
        print('player: the bag has no such clouds', file=sys.stderr)
        return 2
    if not player.wait(lambda: player.has_listener, options.timeout):
        print(
            f'player: nobody subscribed to {options.to} in {options.timeout:g} s', file=sys.stderr
        )
        return 1
    if options.acks and not player.wait(lambda: player.revision >= 0, options.timeout):
        print(
            f'player: no node told its revision on {options.objects} in {options.timeout:g} s',
            file=sys.stderr,
        )
        return 1
    for number, data in chain([first], clouds):
        before, start = player.revision, time.monotonic()
        player.play(data, options.timeout)
        if options.acks:
            if not player.wait_beyond(before, options.timeout):
                print(
                    f'player: cloud {number} was not processed in {options.timeout:g} s',
                    file=sys.stderr,
                )
                return 1
            print(
                f'cloud {number}: processed in {time.monotonic() - start:.1f} s, '
                f'revision {player.revision}',
                flush=True,
            )
        else:
            print(f'cloud {number}: sent', flush=True)
    return 0


def main(args: list[str] | None = None) -> int:
    """Play a bag; 0 = all sent (and processed), 1 = not in time, 2 = no such bag or topic."""
    prepare()
    args = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(
        prog='player', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    options = parser.parse_args(remove_ros_args(['player', *args])[1:])
    rclpy.init(args=args)
    player = Player(options.to, options.objects)
    try:
        return play(player, options)
    except RescenError as error:
        print(f'player: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        player.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
