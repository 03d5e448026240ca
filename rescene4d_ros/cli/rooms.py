"""The `rescene4d rooms` commands: make rooms that change, and show them."""
from __future__ import annotations

import argparse
from concurrent.futures import as_completed, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
import shutil

from rescene4d_ros.config import make
from rescene4d_ros.data import (
    read_sequence,
    read_snapshots,
    read_truth,
    write_sequence,
    write_snapshots,
    write_truth_files,
)
from rescene4d_ros.rooms import make_sample, make_sequence, PRESETS, ROOM_TYPES, RoomsConfig
from rescene4d_ros.rooms.catalog import Catalog
from rescene4d_ros.rooms.furniture import Draw, draw
from rescene4d_ros.structures import ScanSequence

SAMPLE_SEED = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `make`, `sample` and `show`."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='action')
    made = actions.add_parser('make', help='make sequences, one file each; goes on where it was')
    made.add_argument('--out', type=Path, required=True, help='folder')
    made.add_argument('--count', type=int, default=100, help='number of sequences')
    made.add_argument('--seed', type=int, default=0, help='seed of the first one')
    made.add_argument('--visits', type=int, default=2, help='visits per sequence')
    made.add_argument('--preset', choices=PRESETS, default='default', help='how much changes')
    made.add_argument('--room-type', choices=('any', *ROOM_TYPES), default='any')
    made.add_argument('--max-objects', type=int, help='most objects per room')
    made.add_argument('--assets', type=Path, metavar='DIR',
                      help='furniture libraries (.sh3f) to mix in, such as '
                           '/usr/share/sweethome3d/furniture; without: parametric furniture only')
    made.add_argument('--split', choices=('train', 'val', 'test'), default='train',
                      help='whose models of the libraries to use')
    made.add_argument('--furniture-cache', type=Path, metavar='DIR',
                      help='keeps prepared models between runs')
    made.add_argument('--jobs', type=int, default=1, help='processes')
    sample = actions.add_parser('sample', help='make the sample bag with its truth')
    sample.add_argument('--out', type=Path, default=Path('data/sample'), help='folder, made anew')
    sample.add_argument('--seed', type=int, default=SAMPLE_SEED, help='first seed that is tried')
    shown = actions.add_parser('show', help='write a picture of one sequence')
    shown.add_argument('file', type=Path, help='a made sequence, or a bag with its truth')
    shown.add_argument('--out', type=Path, required=True, help='PNG')


def run(options: argparse.Namespace) -> int:
    """Do one action."""
    return {'make': _make, 'sample': _sample, 'show': _show}[options.action](options)


@cache
def _furniture(assets: Path | None, split: str, prepared: Path | None) -> Draw:
    """Return what furniture is drawn from; read once per process."""
    return draw if assets is None else Catalog.open(assets, prepared).source(split)


def _make_one(seed: int, path: Path, values: dict, furniture: tuple) -> int:
    sequence, truth = make_sequence(seed, make(RoomsConfig, values), _furniture(*furniture))
    write_sequence(path, sequence, truth)
    return seed


def _make(options: argparse.Namespace) -> int:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    values = {**PRESETS[options.preset], 'visits': options.visits,
              'room_type': options.room_type}
    if options.max_objects:
        values['max_objects'] = options.max_objects
    make(RoomsConfig, values)
    furniture = options.assets, options.split, options.furniture_cache
    _furniture(*furniture)
    options.out.mkdir(parents=True, exist_ok=True)
    work = {seed: options.out / f'room_{seed:08d}.npz'
            for seed in range(options.seed, options.seed + options.count)}
    missing = {seed: path for seed, path in work.items() if not path.exists()}
    columns = (TextColumn('rooms'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('', total=len(work), completed=len(work) - len(missing))
        if options.jobs <= 1:
            for seed, path in missing.items():
                _make_one(seed, path, values, furniture)
                progress.advance(task)
            return 0
        # Spawned, not forked: Open3D's threads do not survive a fork.
        with ProcessPoolExecutor(options.jobs, mp_context=get_context('spawn')) as pool:
            futures = [pool.submit(_make_one, seed, path, values, furniture)
                       for seed, path in missing.items()]
            for future in as_completed(futures):
                future.result()
                progress.advance(task)
    return 0


def _sample(options: argparse.Namespace) -> int:
    sequence, truth = make_sample(options.seed)
    shutil.rmtree(options.out, ignore_errors=True)
    write_snapshots(options.out, sequence.scans)
    write_truth_files(options.out, sequence, truth)
    return 0


def _show(options: argparse.Namespace) -> int:
    from rescene4d_ros.view.clouds import sequence_picture
    if options.file.is_dir():
        scans = tuple(scan for scan, _ in read_snapshots(options.file))
        sequence, truth = ScanSequence(scans, options.file.name), read_truth(options.file)
    else:
        sequence, truth = read_sequence(options.file)
    sequence_picture(sequence, truth, options.out)
    return 0
