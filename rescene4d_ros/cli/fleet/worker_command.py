"""`rescene4d worker`: process the visits that robots deposit, until a signal comes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
import logging
import os
from pathlib import Path
import signal
from threading import Event
from typing import Any

from rescene4d_ros.cli.flags import add_flags, add_parameter_flags, made, parameters_of
from rescene4d_ros.cli.fleet.flags import add_database_flags
from rescene4d_ros.cli.json_log import log_as_json
from rescene4d_ros.fleet.worker import Worker, WorkerConfig
from rescene4d_ros.scene.mask_source import load_masks
from rescene4d_ros.scene.processing_settings import configs_of

log = logging.getLogger(__name__)

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
    add_parameter_flags(parser)
    parser.add_argument(
        '--http-port',
        type=int,
        metavar='PORT',
        help='answer /metrics and /healthz on this port; 0 = any (default: none)',
    )
    parser.add_argument(
        '--http-host',
        default='127.0.0.1',
        metavar='ADDRESS',
        help='address of that port; 0.0.0.0 = for other machines, too (default: 127.0.0.1)',
    )
    parser.add_argument(
        '--most-silent',
        type=float,
        default=600.0,
        metavar='S',
        help='/healthz answers 503 where a stage of a visit takes longer (default: 600)',
    )
    parser.add_argument('--log-json', action='store_true', help='write the log as lines of JSON')
    add_flags(parser, WorkerConfig)


def run(options: argparse.Namespace) -> int:
    """Work until SIGINT or SIGTERM; the visit at hand is finished first."""
    if options.log_json:
        log_as_json()
    values = parameters_of(options)
    values.setdefault('inference.torch_threads', os.cpu_count() or 1)
    settings = configs_of(values.items())
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as held:
        worker = held.enter_context(_worker(options, settings))
        if options.http_port is not None:
            from rescene4d_ros.fleet.monitoring import Monitor

            monitor = Monitor(worker, options.http_host, options.http_port, options.most_silent)
            held.callback(monitor.close)
            log.info('http://%s:%d/metrics and /healthz', options.http_host, monitor.port)
        worker.run(stop, options.until_idle)
    return 0


def _worker(options: argparse.Namespace, settings: Mapping[str, Any]) -> Worker:
    """Return the worker of the flags."""
    return Worker(
        options.url,
        options.points,
        options.folder.expanduser(),
        load_masks(settings['inference']),
        made(WorkerConfig, options),
        settings,
        tuple(options.maps),
    )
