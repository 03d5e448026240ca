"""`rescene4d view`: look at a memory in the browser."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
import threading
import time

from rescene4d_ros.cli.flags import add_flags, made
from rescene4d_ros.cli.memory.query_actions import add_memory, add_zone
from rescene4d_ros.errors import ConfigError, MemoryFormatError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.view.browser.viewer_config import ViewerConfig
from rescene4d_ros.view.report.local_time import LocalTime

WAIT = 1.0  # s; between looks for a memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the memory, where to listen, and how to show it."""
    add_memory(parser)
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen at; default: this machine only. There is no password: another '
        'address shows the memory to everybody who can reach it',
    )
    parser.add_argument('--port', type=int, default=8080, help='0 = any free one; default: 8080')
    add_zone(parser)
    parser.add_argument(
        '--edit',
        action='store_true',
        help='also offer corrections: rename, lock, merge, split, undo; default: read only',
    )
    parser.add_argument(
        '--wait',
        action='store_true',
        help='wait for a memory that a node is about to make; default: there must be one',
    )
    add_flags(parser, ViewerConfig)


def run(options: argparse.Namespace) -> None:
    """Serve until interrupted; also works while a node writes to the memory."""
    try:  # an extra that not everybody has
        from rescene4d_ros.view.browser.editing import Editor
        from rescene4d_ros.view.browser.server import start_server
        from rescene4d_ros.view.browser.viewer import Viewer
    except ImportError as error:
        raise ConfigError(
            f'expected the package viser 1.1 or newer, got none ({error}); run '
            "`pip install 'rescene4d_ros[view]'`"
        ) from error
    clock, config = LocalTime.named(options.zone), made(ViewerConfig, options)
    with (
        suppress(KeyboardInterrupt),  # as it is meant to end
        _opened(options.memory, options.url, options.wait) as memory,
    ):
        server = start_server(options.host, options.port, options.memory.name)
        editor = Editor(options.memory, options.url) if options.edit else None
        viewer = Viewer(server, memory, clock, config, editor)
        print(
            f'http://{options.host}:{server.get_port()} shows {options.memory}; Ctrl+C ends it',
            flush=True,
        )
        try:
            threading.Event().wait()
        finally:
            viewer.close()


def _opened(path: Path, url: str | None, is_waiting: bool) -> SceneMemory:
    """Open a memory for reading, as soon as there is one where that is asked."""
    told = ''
    while True:
        try:
            return SceneMemory.inspect(path, url)
        except MemoryFormatError as error:
            if not is_waiting:
                raise
            if str(error) != told:
                told = str(error)
                print(f'waiting: {told}', flush=True)
        time.sleep(WAIT)
