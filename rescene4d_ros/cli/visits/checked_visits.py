"""Visits of inputs, each checked before it is stored."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np
from rescene4d_ros.cli.visits.bag_inputs import BURSTS
from rescene4d_ros.cli.visits.inputs import find_visits, Inputs, Origin, Reader
from rescene4d_ros.data.readers.cloud_files import SUFFIXES
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.scene.scan_acceptance import ScanAcceptance
from rescene4d_ros.structures import Scan

ACCEPTED = ('unit', 'registration')  # findings that refuse a scan unless a person accepts them


def add_input_arguments(
    parser: argparse.ArgumentParser, with_memory: bool = True, nargs: str = '+'
) -> None:
    """Declare the flags that say what the inputs are, and how strictly they are checked."""
    parser.add_argument(
        'inputs',
        nargs=nargs,
        type=Path,
        metavar='INPUT',
        help=f'{", ".join(SUFFIXES)} files, folders of them, or a bag (folder, .mcap, .db3, .bag)',
    )
    parser.add_argument(
        '--topic', default='', help='topic of the clouds in a bag, if it has several'
    )
    parser.add_argument('--map-frame', default='map', help='frame of the clouds')
    parser.add_argument(
        '--sensor-frame',
        default='',
        metavar='FRAME',
        help='frame of the sensor, whose path is read from the transforms of a bag; then '
        'evidence of absence is stronger',
    )
    parser.add_argument(
        '--sensor-path-duration',
        type=float,
        default=0.0,
        metavar='S',
        help='duration of the collection of a cloud before its stamp, over which the path is read',
    )
    parser.add_argument(
        '--bursts',
        choices=BURSTS,
        default='refuse',
        help='what becomes of clouds of a bag that follow each other within 10 s: refused as '
        'frames of one drive, the last of each drive is the visit, or each is one',
    )
    parser.add_argument(
        '--accept',
        nargs='+',
        default=[],
        choices=ACCEPTED,
        metavar='CODE',
        help=f'take scans in spite of these findings: {", ".join(ACCEPTED)}',
    )
    if with_memory:
        parser.add_argument(
            '--register',
            action='store_true',
            help='move a scan that does not lie on the memory onto it, where a rigid motion does, '
            'and lay one that is off by up to 10 cm and 3 degrees on what stayed in its place',
        )
    parser.add_argument(
        '--keep-people',
        action='store_true',
        help='keep the points of what is shaped like a standing person',
    )


def inputs_of(options: argparse.Namespace, **more: Any) -> Inputs:
    """
    Find the visits of the flags; tell of what is left out and refused before any is read.

    Parameters
    ----------
    options : Namespace
        With the flags of `add_input_arguments`.
    **more
        Of `find_visits`, besides what these flags say.

    """
    inputs = find_visits(
        options.inputs,
        topic=options.topic,
        map_frame=options.map_frame,
        bursts=options.bursts,
        now_ns=time.time_ns(),
        sensor_frame=options.sensor_frame,
        path_duration=options.sensor_path_duration,
        **more,
    )
    for note in inputs.notes:
        print(note, file=sys.stderr)
    for line in inputs.refused:
        print(f'refused: {line}', file=sys.stderr)
    return inputs


def config_of(options: argparse.Namespace) -> PlausibilityConfig:
    """Return the settings of the check that the flags give."""
    return PlausibilityConfig(drop_people=not options.keep_people)


def checked_visit(
    read: Reader, origin: Origin | None, check: ScanAcceptance
) -> tuple[Scan, np.ndarray]:
    """
    Read a visit and check it.

    Parameters
    ----------
    read : callable
        Of `find_visits`.
    origin : tuple of 3 float, m, or None
        Of the map, None before its first visit.
    check : ScanAcceptance

    Returns
    -------
    scan : Scan
        What is to be stored, with the findings.
    kept : ndarray (M,), bool
        Which of the M points of the input are in it.

    Raises
    ------
    ScanError
        The input is none, or a finding refuses it.

    """
    scan, kept = read(origin)
    scan, stays = check.checked(scan)
    kept = kept.copy()
    kept[kept] = stays
    return scan, kept
