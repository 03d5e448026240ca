"""`rescene4d rooms report`: statistics of made sequences, and pictures of some."""

from __future__ import annotations

import argparse
from pathlib import Path
import time

import numpy as np
from rescene4d_ros.cli.jobs import work_through
from rescene4d_ros.cli.rooms.comparison_picture import draw_comparison
from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.data.sequences.stored_bytes import stored_bytes
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from rescene4d_ros.synthetic_rooms.comparison import (
    comparison_table,
    read_real_scans,
    scan_statistics,
    spans_of,
)
from rescene4d_ros.synthetic_rooms.statistics import (
    statistics_of,
    statistics_table,
    VisitStatistics,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `report`."""
    parser.add_argument('folder', type=Path, help='folder with sequences (.npz)')
    parser.add_argument('--out', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--pictures', type=int, default=10, metavar='N', help='number of random sequences to draw'
    )
    parser.add_argument('--seed', type=int, default=0, help='decides which')
    parser.add_argument('--format', choices=('jpg', 'png'), default='jpg')
    parser.add_argument(
        '--time',
        type=int,
        default=0,
        metavar='N',
        help='make N sequences with default settings and report the time per visit',
    )
    parser.add_argument('--jobs', type=int, default=1, help='processes')


def run(options: argparse.Namespace) -> int:
    """Write `statistics.md`, `comparison.md`, `comparison.jpg` and `sequence_01.jpg` ..."""
    paths = sorted(options.folder.glob('*.npz'))
    if not paths:
        raise FileFormatError(
            f'{options.folder}: expected a folder with sequences (.npz), got '
            'none; make some with `rescene4d rooms make`'
        )
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = [(path, (options.seed, k)) for k, path in enumerate(paths)]
    rows = {
        path: row for (path, _), row in work_through('statistics', measure, jobs, options.jobs)
    }
    seconds = _seconds_per_visit(options.time) if options.time else None
    table = statistics_table(
        [rows[path][0] for path in paths], list(map(stored_bytes, paths)), seconds
    )
    (options.out / 'statistics.md').write_text(table)
    print(table, end='')
    spans = spans_of([v for path in paths for v in rows[path][1]], read_real_scans())
    compared = comparison_table(spans)
    (options.out / 'comparison.md').write_text(compared)
    print(f'\n{compared}', end='')
    draw_comparison(spans, options.out / f'comparison.{options.format}')
    chosen = np.random.default_rng(options.seed).permutation(len(paths))[: options.pictures]
    jobs = [
        (paths[k], options.out / f'sequence_{n:02d}.{options.format}')
        for n, k in enumerate(sorted(chosen), start=1)
    ]
    for _ in work_through('pictures', draw_file, jobs, options.jobs):
        pass
    return 0


def measure(
    path: Path, seed: tuple[int, int]
) -> tuple[list[VisitStatistics], list[dict[str, float]]]:
    """Return the statistics of one file, and those that are compared with real scans."""
    sequence, truth = read_sequence(path)
    own = statistics_of(sequence, truth, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    return own, [
        scan_statistics(scan, visit, rng) for scan, visit in zip(sequence.scans, truth.visits)
    ]


def draw_file(path: Path, picture: Path) -> None:
    """Draw one file."""
    from rescene4d_ros.view.clouds import sequence_picture

    sequence_picture(*read_sequence(path), picture)


def _seconds_per_visit(count: int) -> float:
    """Return the processor time of a visit; the first sequence also loads libraries."""
    config = make(RoomsConfig)
    make_sequence(0, config)
    start = time.process_time()
    for seed in range(1, count + 1):
        make_sequence(seed, config)
    return (time.process_time() - start) / (count * config.visits)
