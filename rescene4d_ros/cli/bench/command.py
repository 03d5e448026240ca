"""The `rescene4d bench` commands: cost on this machine."""

from __future__ import annotations

import argparse

from rescene4d_ros.cli.bench import bench_memory, bench_segmenter

ACTIONS = {
    'segmenter': (bench_segmenter, 'seconds per stage, cached visits, memory, sparse convolution'),
    'memory': (
        bench_memory,
        'cost of a visit with few and many stored visits, association, bytes on disk',
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='action')
    for name, (module, text) in ACTIONS.items():
        module.add_arguments(actions.add_parser(name, help=text, description=text))


def run(options: argparse.Namespace) -> int:
    """Measure, print the tables, and write them if requested."""
    return ACTIONS[options.action][0].run(options)
