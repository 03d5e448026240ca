"""
Record what the node publishes into a rosbag2 MCAP bag, until ^C or SIGTERM.

For machines without rosbag2; `ros2 bag play` reads the result.
"""

from __future__ import annotations

import argparse
from functools import partial
import os
from pathlib import Path
import sys
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from rescene4d_ros.data.readers.bags.writing import offered_qos
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.ros_process import interface_files, spin
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

TOPICS = (interfaces.OBJECTS, interfaces.CHANGES, interfaces.MARKERS, interfaces.SEGMENTED_CLOUD)


def typestore() -> Typestore:
    """Return the types of the running ROS (of the PyPI wheels where none is named), and ours."""
    store = get_typestore(Stores(f'ros2_{os.environ.get("ROS_DISTRO", "kilted")}'))
    types: dict[str, Any] = {}
    for path in interface_files():
        types |= get_types_from_msg(path.read_text(), f'rescene4d_ros/msg/{path.stem}')
    store.register(types)
    return store


class Recorder(Node):
    """Write serialized messages as they come."""

    def __init__(self, writer: Writer, node_name: str, builder: str = ''):
        super().__init__('recorder')
        self._heard: set[str] = set()
        store = typestore()
        topics = {topic.name.replace('~', node_name): topic for topic in TOPICS}
        if builder:
            topics[interfaces.LEFT_OUT.name.replace('~', builder)] = interfaces.LEFT_OUT
        self._count = len(topics)
        for name, topic in topics.items():
            connection = writer.add_connection(
                self.resolve_topic_name(name),
                interfaces.type_name(topic.type),
                typestore=store,
                offered_qos_profiles=[
                    offered_qos(topic.reliability, topic.durability, topic.depth)
                ],
            )
            self.create_subscription(
                topic.type,
                name,
                partial(self._write, writer, connection),
                topic.qos(),
                raw=True,
                event_callbacks=SubscriptionEventCallbacks(matched=partial(self._matched, name)),
            )

    def _matched(self, name: str, info) -> None:
        """Say when the node was found: what is published before that is lost."""
        before = len(self._heard)
        (self._heard.add if info.current_count else self._heard.discard)(name)
        if before < len(self._heard) == self._count:
            print('hears all topics', flush=True)

    def _write(self, writer: Writer, connection, data: bytes) -> None:
        writer.write(connection, self.get_clock().now().nanoseconds, data)


def main(args: list[str] | None = None) -> int:
    """Record until told to stop; 2 = the folder exists already."""
    args = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(
        prog='recorder', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('bag', type=Path, help='folder to make')
    parser.add_argument('--node', default=interfaces.NODE_NAME, help='whose topics to record')
    parser.add_argument(
        '--builder', default='', help='visit builder whose ~/left_out to record as well'
    )
    options = parser.parse_args(remove_ros_args(['recorder', *args])[1:])
    if options.bag.exists():
        print(
            f'recorder: {options.bag} exists already; remove it or name another folder',
            file=sys.stderr,
        )
        return 2
    with Writer(options.bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        return spin(partial(begin, writer, options), args)


def begin(writer: Writer, options: argparse.Namespace) -> Recorder:
    """Return the node, and say that it listens."""
    recorder = Recorder(writer, options.node, options.builder)
    print(f'recording to {options.bag}', flush=True)
    return recorder


if __name__ == '__main__':
    sys.exit(main())
