"""`rescene4d deposit`: hand visits to a fleet, now or as soon as the network is back."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
import time

from rescene4d_ros.cli.fleet.flags import add_database_flags, SPOOL
from rescene4d_ros.cli.visits.checked_visits import add_input_arguments, config_of, inputs_of
from rescene4d_ros.data.readers.bags.parts import is_bag
from rescene4d_ros.errors import ConfigError, RescenError, StorageError
from rescene4d_ros.fleet.database import FleetDatabase
from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.fleet.spool import Spool
from rescene4d_ros.plausibility.check import check_scan, checked_scan
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.structures import Scan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser, with_memory=False, nargs='*')
    add_database_flags(parser)
    parser.add_argument('--map', required=True, metavar='NAME', dest='map_id', help='map')
    parser.add_argument(
        '--times',
        nargs='+',
        metavar='TIME',
        help='time of each visit: ISO 8601 or seconds since 1970; default: that of the change of '
        'each file',
    )
    parser.add_argument(
        '--robot', default='', metavar='NAME', help='who deposits; default: name of the machine'
    )
    parser.add_argument(
        '--spool',
        type=Path,
        default=SPOOL,
        metavar='DIR',
        help=f'folder of visits that are not sent yet, of this robot alone (default: {SPOOL})',
    )
    parser.add_argument(
        '--spool-megabytes',
        type=float,
        default=20_000.0,
        metavar='MB',
        help='largest size of the spool; a visit beyond it is refused (default: 20000)',
    )
    parser.add_argument(
        '--wait',
        action='store_true',
        help='try until everything in the spool is sent; without inputs: send what is there',
    )


def run(options: argparse.Namespace) -> int:
    """Deposit every visit; 1 if one was refused, or waits in the spool."""
    spool = Spool(options.spool.expanduser(), round(options.spool_megabytes * 1e6))
    with Depositor(
        FleetDatabase(options.url),
        options.points,
        spool,
        options.map_id,
        options.map_frame,
        options.robot,
    ) as depositor:
        refused = _add(depositor, options) if options.inputs else 0
        while True:
            try:
                for deposit_id in depositor.send():
                    print(f'deposited as {deposit_id}')
                break
            except StorageError as error:
                print(f'{depositor.waiting} visits wait in the spool: {error}', file=sys.stderr)
                if not options.wait:
                    return 1
                time.sleep(5.0)
    return 1 if refused else 0


def _add(depositor: Depositor, options: argparse.Namespace) -> int:
    """Check and spool the visits of the inputs; return how many were refused."""
    inputs = inputs_of(options, times=options.times or _times_of_files(options.inputs))
    config, refused = config_of(options), inputs.refused_count
    for read in inputs.visits():
        try:
            depositor.add(_checked(read(None)[0], config, options.accept))
        except RescenError as error:
            refused += 1
            print(f'refused: {error}', file=sys.stderr)
    return refused


def _times_of_files(paths: list[Path]) -> list[str] | None:
    """Return when cloud files were written, in s since 1970; None for bags, which have stamps."""
    if any(is_bag(path) for path in paths):
        return None
    folders = [path for path in paths if path.is_dir()]
    if folders:
        raise ConfigError(
            f'{folders[0]}: expected --times for a folder of clouds, got none; give them, or name '
            'the files, whose times of change are taken'
        )
    stamps = [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]
    return [f'{stamp // 10**9}.{stamp % 10**9:09d}' for stamp in stamps]


def _checked(scan: Scan, config: PlausibilityConfig, accepted: list[str]) -> Scan:
    """Return a scan without people and stray points; what needs the memory is checked later."""
    found = check_scan(scan, None, config)
    found.require(scan.name, frozenset(accepted))
    return checked_scan(scan, found)
