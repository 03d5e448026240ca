"""Flags that the commands of a fleet share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

URL = 'RESCENE4D_FLEET_URL'
POINTS = 'RESCENE4D_FLEET_POINTS'
SPOOL = Path('~/.ros/rescene4d_spool')


def add_database_flags(parser: argparse.ArgumentParser, with_points: bool = True) -> None:
    """Declare where the database and the points of a fleet are; environment for containers."""
    parser.add_argument(
        '--url',
        default=os.environ.get(URL, ''),
        help=f'database, as postgresql://user@host/name (default: ${URL})',
    )
    if with_points:
        parser.add_argument(
            '--points',
            default=os.environ.get(POINTS, ''),
            metavar='STORE',
            help='where the points of visits are: a folder that robots and workers share, or a '
            f'URL of fsspec such as s3://bucket/prefix (default: ${POINTS})',
        )
