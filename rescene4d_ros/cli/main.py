"""Entry point of `rescene4d`: finds the sub-command, prints errors, returns exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
import io
import logging
import os
import sys
from types import ModuleType

from rescene4d_ros import __version__
from rescene4d_ros.errors import RescenError, without_torch

# Modules are imported on demand, because torch takes seconds to load.
MODULES = {
    'replay': 'visits.replay',
    'check': 'visits.check',
    'rooms': 'rooms.command',
    'prepare': 'prepare',
    'train': 'train.command',
    'convert': 'weights.convert_command',
    'weights': 'weights.command',
    'score': 'evaluate.score_command',
    'evaluate': 'evaluate.command',
    'bench': 'bench.command',
    'memory': 'memory.command',
    'archive': 'archive.command',
    'deposit': 'fleet.deposit_command',
    'worker': 'fleet.worker_command',
    'fleet': 'fleet.fleet_command',
    'ask': 'ask',
    'mcp': 'mcp_server.command',
    'report': 'report',
    'view': 'view',
    'figure': 'figure',
    'doctor': 'doctor.command',
    'demo': 'demo.command',
    'demo-robot': 'demo.robot_command',
}
COMMANDS = {
    'replay': 'process clouds or a bag into a memory, without ROS running',
    'check': 'say whether clouds or a bag can be visits, without storing anything',
    'rooms': 'make procedural rooms that change between visits',
    'prepare': 'make sequence files of public data sets',
    'train': 'train the segmenter',
    'convert': 'make a weights file of a published checkpoint',
    'weights': 'keep weights by name: add, list, show, remove',
    'score': 'compare prediction files with the truth: segmentation, identity, change',
    'evaluate': 'run network, memory and baselines on a folder or a fixed set and score them',
    'bench': 'measure the cost of segmentation and memory on this machine',
    'memory': 'show, query, correct and maintain a scene memory',
    'archive': 'process, evaluate or export many memories, by processes or a Ray cluster',
    'deposit': 'hand visits of a robot to a fleet, whose workers process them',
    'worker': 'process the visits that robots deposit, one map at a time',
    'fleet': 'make the roles of a fleet, and show what waits and what was done',
    'ask': 'answer a question in plain English from a scene memory',
    'mcp': 'offer a scene memory to assistants as tools, by the protocol MCP',
    'report': 'write what changed as one page of HTML that opens without network',
    'view': 'look at a memory in the browser: visits, objects, changes',
    'figure': 'draw the picture of docs/design/segmenter.md',
    'doctor': 'say whether this machine is ready: ROS 2, GPU, disk, weights, memory, time',
    'demo': 'run the pipeline on the sample bag, with the node killed and restarted',
    'demo-robot': 'let a simulated robot drive three visits, and compare with snapshots of them',
}


def command_module(command: str) -> ModuleType:
    """Import the module of a sub-command; it has `add_arguments` and `run`."""
    return import_module(f'rescene4d_ros.cli.{MODULES[command]}')


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command; 0 = done, 1 = a stage failed, 2 = wrong usage or input."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what it cannot write
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    called = 'rescene4d'
    try:
        try:
            command, run, options = _parsed(argv)
            called = f'rescene4d {command}'
            return run(options) or 0
        finally:
            sys.stdout.flush()  # what is left is written here, where errors are told
    except RescenError as error:
        print(f'{called}: {error}', file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        told = without_torch(error)
        if told is error:
            raise
        print(f'{called}: {told}', file=sys.stderr)
        return 2
    except BrokenPipeError:  # who reads what is printed has enough
        _drop_output()
        return 141
    except OSError as error:
        _drop_output()
        print(
            f'{called}: expected files that can be read and written, got: '
            f'{error}; check the path, its rights and the room on the disk',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print(f'{called}: interrupted', file=sys.stderr)
        return 130


def _parsed(argv: list[str]) -> tuple[str, Callable, argparse.Namespace]:
    """Return the command, what runs it, and its options."""
    parser = argparse.ArgumentParser(
        prog='rescene4d',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Which object is which, what changed, since when, and how sure.',
        epilog='commands:\n' + '\n'.join(f'  {k:10s} {v}' for k, v in COMMANDS.items()),
    )
    parser.add_argument('--version', action='version', version=__version__)
    parser.add_argument('--verbose', action='store_true', help='log details')
    parser.add_argument('command', choices=COMMANDS, metavar='command')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format='%(levelname)s %(name)s: %(message)s',
    )
    module = command_module(args.command)
    sub = argparse.ArgumentParser(
        prog=f'rescene4d {args.command}', description=COMMANDS[args.command]
    )
    module.add_arguments(sub)
    options = sub.parse_args(args.arguments, argparse.Namespace(arguments=args.arguments))
    return args.command, module.run, options


def _drop_output() -> None:
    """Forget what cannot be printed: Python would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == '__main__':
    sys.exit(main())
