"""`rescene4d worker`: process the visits that robots deposit, until a signal comes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import signal
from threading import Event

from rescene4d_ros.cli.archive.work import configs_of
from rescene4d_ros.cli.flags import add_flags, made, setting
from rescene4d_ros.cli.fleet.flags import add_database_flags
from rescene4d_ros.fleet.worker import Worker, WorkerConfig
from rescene4d_ros.scene.mask_source import load_masks

FOLDER = Path('~/.cache/rescene4d/fleet')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_database_flags(parser)
    parser.add_argument(
        '--maps', nargs='+', default=[], metavar='NAME', help='only these maps (default: all)'
    )
    parser.add_argument(
        '--folder',
        type=Path,
        default=FOLDER,
        metavar='DIR',
        help='local folder for copies of points and features; workers of one machine may share '
        f'it (default: {FOLDER})',
    )
    parser.add_argument('--until-idle', action='store_true', help='end as soon as no visit waits')
    parser.add_argument(
        '--weights',
        default='',
        help='weights file, or a name of `rescene4d weights`; default: the shipped one',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        dest='values',
        help='a parameter, such as tracker.window=4 or inference.source=none',
    )
    add_flags(parser, WorkerConfig)


def run(options: argparse.Namespace) -> int:
    """Work until SIGINT or SIGTERM; the visit at hand is finished first."""
    values = dict(map(setting, options.values))
    if options.weights:
        values['inference.weights'] = options.weights
    values.setdefault('inference.torch_threads', os.cpu_count() or 1)
    settings = configs_of(tuple(sorted(values.items())))
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Worker(
        options.url,
        options.points,
        options.folder.expanduser(),
        load_masks(settings['inference']),
        made(WorkerConfig, options),
        settings,
        tuple(options.maps),
    ) as worker:
        worker.run(stop, options.until_idle)
    return 0
