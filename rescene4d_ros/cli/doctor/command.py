"""The command: run all checks, print them, and say by the exit status whether one failed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import time

from rescene4d_ros.cli.doctor import machine
from rescene4d_ros.cli.doctor.report import Line, print_lines, Verdict, worst
from rescene4d_ros.cli.doctor.robot import ros_lines

DEFAULT_MEMORY = Path('~/.ros/rescene4d_memory')  # as the parameter memory.path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is looked at."""
    parser.add_argument(
        '--memory',
        type=Path,
        default=DEFAULT_MEMORY,
        metavar='DIR',
        help=f'folder of the memory; default: {DEFAULT_MEMORY}',
    )
    parser.add_argument('--url', default='', help='database of the memory')
    parser.add_argument('--weights', default='', help='file or name; default: the shipped ones')
    parser.add_argument('--device', default='auto', choices=('auto', 'cpu', 'cuda'))
    parser.add_argument('--topic', default='snapshots', help='where the clouds come from')
    parser.add_argument('--map-frame', default='map', metavar='FRAME')
    parser.add_argument(
        '--sensor-frame', default='', metavar='FRAME', help='must be known to TF if given'
    )
    parser.add_argument(
        '--listen', type=float, default=3.0, metavar='SECONDS', help='to topics; default: 3'
    )
    parser.add_argument('--without-ros', action='store_true', help='leave out the checks of ROS 2')
    parser.add_argument('--json', action='store_true', help='print the lines for programs')


def run(options: argparse.Namespace) -> int:
    """Print the lines; 1 = one of them failed."""
    lines = [*_lines(options)]
    print_lines(lines, options.json)
    return int(worst(lines) == Verdict.FAIL)


def _lines(options: argparse.Namespace) -> Iterator[Line]:
    yield machine.python_line()
    yield machine.main_memory_line()
    yield machine.gpu_line(options.device)
    yield machine.weights_line(options.weights)
    memory = options.memory.expanduser()
    yield machine.disk_line(memory)
    yield from machine.memory_lines(memory, options.url, time.time_ns())
    if options.without_ros:
        return
    yield machine.shared_memory_line()
    frames = ('--map-frame', options.map_frame, '--sensor-frame', options.sensor_frame)
    yield from ros_lines(('--topic', options.topic, *frames), options.listen)
