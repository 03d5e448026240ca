"""`rescene4d prepare`: make sequence files of public data sets."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
import sys
from typing import Any

from rescene4d_ros.config import make, settings
from rescene4d_ros.data.datasets.multiscan import multiscan_jobs, MultiScanConfig
from rescene4d_ros.data.datasets.prepare import Job, left_out, prepare, remarks, write_report
from rescene4d_ros.data.datasets.rio.config import RioConfig
from rescene4d_ros.data.datasets.rio.sequences import rio_jobs
from rescene4d_ros.data.datasets.single_scans.arkitscenes import ARKitConfig, arkitscenes_jobs
from rescene4d_ros.data.datasets.single_scans.changed_scannet import (
    changed_scannet_jobs,
    ChangedScanNetConfig,
)
from rescene4d_ros.data.datasets.single_scans.s3dis import s3dis_jobs, S3DISConfig
from rescene4d_ros.data.datasets.single_scans.scannet import scannet_jobs, ScanNetConfig
from rescene4d_ros.data.datasets.single_scans.scannetpp import scannetpp_jobs, ScanNetPPConfig
from rescene4d_ros.data.datasets.single_scans.structured3d import (
    structured3d_jobs,
    Structured3DConfig,
)
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SPLITS = ('train', 'validation', 'test')
MOST_TOLD = 20


@dataclass(frozen=True)
class Source:
    """
    A data set of the command.

    Attributes
    ----------
    config : type
        Its settings, which are flags.
    jobs : callable
        Root, settings and splits, and a folder of lists if it has `lists` -> jobs.
    text : str
        Help.
    lists : str
        Name of the lists that may lie in another folder; '' = none.

    """

    config: type[Any]
    jobs: Callable[..., list[Job]]
    text: str
    lists: str = ''


SOURCES = {
    '3rscan': Source(
        RioConfig, rio_jobs, 'rooms scanned again after changes; needs 3RScan.json in --root'
    ),
    'scannet': Source(
        ScanNetConfig,
        scannet_jobs,
        'single scans; needs the lists of the benchmark',
        lists='scannetv2_train.txt and so on',
    ),
    'scannet-changes': Source(
        ChangedScanNetConfig,
        changed_scannet_jobs,
        'two visits of each labeled scan, between which objects are made to change',
        lists='scannetv2_train.txt and so on',
    ),
    'scannetpp': Source(ScanNetPPConfig, scannetpp_jobs, 'laser scans of ScanNet++, with splits/'),
    'arkitscenes': Source(ARKitConfig, arkitscenes_jobs, 'tablet scans with boxes as objects'),
    'multiscan': Source(
        MultiScanConfig,
        multiscan_jobs,
        'tablet scans, several of some rooms; needs the list of the benchmark',
        lists='scans_split.csv',
    ),
    's3dis': Source(S3DISConfig, s3dis_jobs, 'rooms of six office areas'),
    'structured3d': Source(Structured3DConfig, structured3d_jobs, 'panoramas of designed rooms'),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the data sets; their settings come from the configs."""
    sources = parser.add_subparsers(dest='source', required=True, metavar='source')
    for name, source in SOURCES.items():
        added = sources.add_parser(name, help=source.text)
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
        if source.lists:
            added.add_argument(
                '--lists',
                type=Path,
                metavar='DIR',
                help=f'folder with {source.lists}; default: --root',
            )
        for s in settings(source.config):
            added.add_argument(
                f'--{s.name}',
                type=s.type,
                default=s.default,
                choices=s.one_of,
                help=f'{s.text} (default: {s.default})',
            )


def run(options: argparse.Namespace) -> int:
    """Convert what is missing; 1 if a part failed or was left out."""
    source = SOURCES[options.source]
    config = make(
        source.config, {s.name: getattr(options, s.name) for s in settings(source.config)}
    )
    lists = (options.lists,) if source.lists else ()
    jobs = source.jobs(options.root, config, options.splits, *lists)
    columns = (
        TextColumn(options.source, markup=False),
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
    lost, noted = left_out(jobs, options.out), remarks(jobs, options.out)
    report = write_report(options.out, len(jobs), failures, lost, noted)
    _tell('not prepared', failures.values())
    _tell('left out', lost.values())
    _tell('note', noted)
    print(
        f'{len(jobs) - len(failures)} of {len(jobs)} prepared in {options.out}; '
        f'stamps are artificial, because the data set has no times; all messages are in {report}'
    )
    return 1 if failures or lost else 0


def _tell(kind: str, texts: Iterable[str]) -> None:
    """Print the first messages of a kind, and how many more there are."""
    every = list(texts)
    for text in every[:MOST_TOLD]:
        print(f'{kind}: {text}', file=sys.stderr)
    if len(every) > MOST_TOLD:
        print(f'{kind}: {len(every) - MOST_TOLD} more', file=sys.stderr)
