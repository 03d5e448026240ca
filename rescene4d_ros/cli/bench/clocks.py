"""Clocks of a bench: wall time, or CPU time of this process."""

from __future__ import annotations

import argparse
import time

CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}


def add_clock(parser: argparse.ArgumentParser) -> None:
    """Declare the flag `--clock`."""
    parser.add_argument(
        '--clock',
        choices=CLOCKS,
        default='wall',
        help='cpu excludes waiting for the disk and other programs, and sums threads',
    )
