"""`rescene4d prepare`: make sequence files of 3RScan or ScanNet."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
import sys
from typing import Any

from rescene4d_ros.config import make, settings
from rescene4d_ros.data.datasets.prepare import left_out, prepare
from rescene4d_ros.data.datasets.rio.config import RioConfig
from rescene4d_ros.data.datasets.rio.sequences import rio_jobs
from rescene4d_ros.data.datasets.scannet import scannet_jobs, ScanNetConfig
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SPLITS = ('train', 'validation', 'test')
MOST_TOLD = 20
CONFIGS = {'3rscan': RioConfig, 'scannet': ScanNetConfig}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `3rscan` and `scannet`; their settings come from the configs."""
    sources = parser.add_subparsers(dest='source', required=True, metavar='source')
    texts = {
        '3rscan': 'rooms scanned again after changes; needs 3RScan.json in --root',
        'scannet': 'single scans; needs the lists of the benchmark',
    }
    for source, config in CONFIGS.items():
        added = sources.add_parser(source, help=texts[source])
        added.add_argument(
            '--root',
            type=Path,
            required=True,
            metavar='DIR',
            help='folder of the data set as downloaded',
        )
        added.add_argument(
            '--out',
            type=Path,
            required=True,
            metavar='DIR',
            help='folder for sequence files; a stopped run is continued',
        )
        added.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
        added.add_argument('--jobs', type=int, default=1, help='processes')
        if source == 'scannet':
            added.add_argument(
                '--lists',
                type=Path,
                metavar='DIR',
                help='folder with scannetv2_train.txt and so on; default: --root',
            )
        for s in settings(config):
            added.add_argument(
                f'--{s.name}',
                type=s.type,
                default=s.default,
                choices=s.one_of,
                help=f'{s.text} (default: {s.default})',
            )


def run(options: argparse.Namespace) -> int:
    """Convert what is missing; 1 if a part failed or was left out."""
    cls: type[Any] = CONFIGS[options.source]
    config = make(cls, {s.name: getattr(options, s.name) for s in settings(cls)})
    if options.source == '3rscan':
        jobs = rio_jobs(options.root, config, options.splits)
    else:
        jobs = scannet_jobs(options.root, config, options.splits, options.lists)
    columns = (
        TextColumn(options.source),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task('', total=len(jobs))
        failures = prepare(
            jobs,
            options.out,
            {'source': options.source, **asdict(config)},
            workers=options.jobs,
            progress=lambda done, total: bar.update(task, completed=done),
        )
    for text in list(failures.values())[:MOST_TOLD]:
        print(f'not prepared: {text}', file=sys.stderr)
    if len(failures) > MOST_TOLD:
        print(f'not prepared: {len(failures) - MOST_TOLD} more', file=sys.stderr)
    lost = left_out(jobs, options.out)
    for text in list(lost.values())[:MOST_TOLD]:
        print(f'left out: {text}', file=sys.stderr)
    if len(lost) > MOST_TOLD:
        print(f'left out: {len(lost) - MOST_TOLD} scans more', file=sys.stderr)
    print(
        f'{len(jobs) - len(failures)} of {len(jobs)} prepared in {options.out}; '
        'stamps are artificial, because the data set has no times'
    )
    return 1 if failures or lost else 0
