"""The `rescene4d rooms` commands: make rooms that change, check them, and show them."""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
import shutil

from rescene4d_ros.cli.jobs import work_through
from rescene4d_ros.cli.rooms import make_set, report
from rescene4d_ros.cli.rooms.write_room import add_superpoint_option, make_room_file
from rescene4d_ros.config import make
from rescene4d_ros.data.readers.bags.snapshots import read_snapshots
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.data.readers.truth_files import read_truth, write_truth_files
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.synthetic_rooms import make_sample, PRESETS, ROOM_TYPES, RoomsConfig
from rescene4d_ros.synthetic_rooms.catalog import Catalog
from rescene4d_ros.synthetic_rooms.furniture import Draw, draw_of, SPLITS

SAMPLE_SEED = 1161


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `make`, `set`, `sample`, `show` and `report`."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='action')
    made = actions.add_parser(
        'make', help='make sequences, one file each; a stopped run is continued'
    )
    made.add_argument('--out', type=Path, required=True, help='folder')
    made.add_argument('--count', type=int, default=100, help='number of sequences')
    made.add_argument('--seed', type=int, default=0, help='seed of the first one')
    made.add_argument('--visits', type=int, default=2, help='visits per sequence')
    made.add_argument('--preset', choices=PRESETS, default='default', help='how much changes')
    made.add_argument('--room-type', choices=('any', *ROOM_TYPES), default='any')
    made.add_argument('--min-objects', type=int, help='fewest objects at the first visit')
    made.add_argument('--max-objects', type=int, help='most objects at the first visit')
    made.add_argument(
        '--assets',
        type=Path,
        metavar='DIR',
        help='furniture libraries (.sh3f) to mix in, such as '
        '/usr/share/sweethome3d/furniture; without: parametric furniture only',
    )
    made.add_argument(
        '--split',
        choices=SPLITS,
        help='split of the furniture; without: parametric furniture of all shapes, and library '
        'models for training',
    )
    made.add_argument(
        '--furniture-cache',
        type=Path,
        metavar='DIR',
        help='folder of prepared models, shared between runs',
    )
    add_superpoint_option(made)
    made.add_argument('--jobs', type=int, default=1, help='processes')
    make_set.add_arguments(actions.add_parser('set', help='make or check a fixed set by name'))
    sample = actions.add_parser('sample', help='make the sample bag with its truth')
    sample.add_argument(
        '--out', type=Path, default=Path('data/sample'), help='output folder, replaced'
    )
    sample.add_argument('--seed', type=int, default=SAMPLE_SEED, help='first seed to try')
    shown = actions.add_parser('show', help='write a picture of one sequence')
    shown.add_argument('file', type=Path, help='a made sequence, or a bag with its truth')
    shown.add_argument('--out', type=Path, required=True, help='PNG or JPEG')
    report.add_arguments(
        actions.add_parser('report', help='write statistics and pictures of sequences')
    )


def run(options: argparse.Namespace) -> int:
    """Do one action."""
    return {
        'make': _make,
        'set': make_set.run,
        'sample': _sample,
        'show': _show,
        'report': report.run,
    }[options.action](options)


@cache
def _furniture(assets: Path | None, split: str | None, prepared: Path | None) -> Draw:
    """Return the furniture to draw from; read once per process."""
    parametric = draw_of(split or 'any')
    if assets is None:
        return parametric
    return Catalog.open(assets, prepared).source(split or 'train', rest=parametric)


def _make_one(
    seed: int, path: Path, values: dict, furniture: tuple, has_superpoints: bool
) -> None:
    config = make(RoomsConfig, values)
    make_room_file(path, seed, config, has_superpoints, _furniture(*furniture))


def _make(options: argparse.Namespace) -> int:
    values = {
        **PRESETS[options.preset],
        'visits': options.visits,
        'room_type': options.room_type,
        'split': options.split or 'any',
    }
    asked = {'min_objects': options.min_objects, 'max_objects': options.max_objects}
    values |= {k: v for k, v in asked.items() if v is not None}
    config = make(RoomsConfig, values)
    if options.min_objects is not None and config.min_objects > config.max_objects:
        raise ConfigError(
            f'--min-objects: expected at most {config.max_objects}, the most '
            f'objects per room, got {config.min_objects}; raise --max-objects'
        )
    furniture = options.assets, options.split, options.furniture_cache
    _furniture(*furniture)
    options.out.mkdir(parents=True, exist_ok=True)
    work = {
        seed: options.out / f'room_{seed:08d}.npz'
        for seed in range(options.seed, options.seed + options.count)
    }
    missing = [
        (seed, path, values, furniture, options.superpoints)
        for seed, path in work.items()
        if not path.exists()
    ]
    for _ in work_through('rooms', _make_one, missing, options.jobs, len(work) - len(missing)):
        pass
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
