"""`rescene4d mcp`: serve a memory by the Model Context Protocol on standard input and output."""

from __future__ import annotations

import argparse

from rescene4d_ros.cli.ask import add_time_zone
from rescene4d_ros.cli.memory.query_actions import add_memory
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.questions.asking import zone_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the memory and what assistants may do with it."""
    add_memory(parser)
    parser.add_argument(
        '--allow-corrections',
        action='store_true',
        help='also offer tools that rename, merge, split, lock and undo; default: read only',
    )
    add_time_zone(parser)


def run(options: argparse.Namespace) -> None:
    """Serve until standard input ends."""
    try:  # an extra that not everybody has
        from rescene4d_ros.cli.mcp_server.correction_tools import correction_tools
        from rescene4d_ros.cli.mcp_server.query_tools import make_server
    except ImportError as error:
        raise ConfigError(
            f'expected the package mcp 2.3 or newer, got none ({error}); run '
            "`pip install 'rescene4d_ros[mcp]'`"
        ) from error
    zone = zone_of(options.time_zone)
    SceneMemory.inspect(options.memory, options.url).close()  # refuse what is no memory at once
    writing = correction_tools(options.memory, options.url) if options.allow_corrections else ()
    make_server(options.memory, options.url, zone, writing).run('stdio')
