"""`rescene4d rooms set`: make a fixed set of rooms, and compare it with its record."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from rescene4d_ros.cli.jobs import work_through
from rescene4d_ros.cli.rooms.write_room import add_superpoint_option, make_room_file
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.synthetic_rooms import RoomsConfig
from rescene4d_ros.synthetic_rooms.building import placed_lives
from rescene4d_ros.synthetic_rooms.life import Life
from rescene4d_ros.synthetic_rooms.sets import (
    compare,
    Digest,
    digest_of,
    read_record,
    RECORDS,
    SETS,
    write_record,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `set`."""
    parser.add_argument('name', choices=SETS, metavar='NAME', help=', '.join(SETS))
    parser.add_argument(
        '--out', type=Path, required=True, help='folder of the set; a stopped run is continued'
    )
    parser.add_argument('--jobs', type=int, default=1, help='processes')
    parser.add_argument('--limit', type=int, metavar='N', help='only the first N sequences')
    add_superpoint_option(parser)
    parser.add_argument(
        '--check', action='store_true', help='only compare the folder with the record'
    )
    parser.add_argument(
        '--allow-rounding',
        action='store_true',
        help='accept the same rooms with other points, as another processor may give them',
    )
    parser.add_argument(
        '--record',
        action='store_true',
        help='replace the record instead of comparing; for maintainers',
    )
    parser.add_argument(
        '--records',
        type=Path,
        default=RECORDS,
        metavar='DIR',
        help='folder of records; default: in the package',
    )


def run(options: argparse.Namespace) -> int:
    """Make what is missing, then compare; 1 if the set is not as recorded."""
    paths = files_of(options.name, options.out, options.limit)
    missing = [path for path in paths.values() if not path.exists()]
    if options.check and missing:
        raise FileFormatError(
            f'{options.out}: expected {len(paths)} sequences of '
            f'{options.name}, got {len(paths) - len(missing)}, for example '
            f'{missing[0].name} is missing; run without --check'
        )
    make_missing(options.name, paths, options.jobs, options.superpoints)
    digests = digests_of(paths, options.jobs)
    if options.record:
        most = SETS[options.name].recorded or len(digests)
        digests = dict(islice(digests.items(), most))
        path = write_record(options.name, digests, options.records)
        print(
            f'{options.name}: {len(digests)} of {len(SETS[options.name])} sequences recorded '
            f'in {path}'
        )
        return 0
    found = compare(options.name, digests, read_record(options.name, options.records))
    print(found.text)
    if found.different or (found.rounded and not options.allow_rounding):
        return 1
    return 1 if found.unrecorded and not SETS[options.name].recorded else 0


def files_of(
    name: str, folder: Path, limit: int | None = None, visits: int = 0
) -> dict[int, Path]:
    """
    Return the files of a set by seed; they need not exist.

    Parameters
    ----------
    name : str
        Of the set.
    folder : Path
        Where they are.
    limit : int, optional
        Only the first sequences.
    visits : int
        Only sequences with at least this number of visits.

    """
    if limit is not None and limit < 1:
        raise ConfigError(
            f'--limit: expected at least 1 sequence, got {limit}; leave it out for the whole set'
        )
    seeds = (seed for seed, config in SETS[name].sequences() if config.visits >= visits)
    return {seed: folder / f'room_{seed:08d}.npz' for seed in islice(seeds, limit)}


def make_missing(
    name: str, paths: Mapping[int, Path], processes: int, has_superpoints: bool = True
) -> None:
    """Make the files of a set that do not exist."""
    configs = dict(SETS[name].sequences())
    lives = _lives_of_building(name)
    jobs = [
        (path, seed, configs[seed], has_superpoints, lives.get(seed))
        for seed, path in paths.items()
        if not path.exists()
    ]
    for path in {path.parent for path, *_ in jobs}:
        path.mkdir(parents=True, exist_ok=True)
    for _ in (
        work_through('make', make_file, jobs, processes, len(paths) - len(jobs)) if jobs else ()
    ):
        pass


def _lives_of_building(name: str) -> dict[int, Life]:
    """Return the rooms of a building by seed, each at its place; none of other sets."""
    chosen = SETS[name]
    if not chosen.on_floor:
        return {}
    configs = dict(chosen.sequences())
    lives = placed_lives(list(configs), next(iter(configs.values())), chosen.on_floor)
    return dict(zip(configs, lives))


def digests_of(paths: Mapping[int, Path], processes: int) -> dict[int, Digest]:
    """Return the checksums of the files of a set, by seed."""
    return {
        seed: digest
        for (seed, _), digest in work_through('check', digest_file, list(paths.items()), processes)
    }


def make_file(
    path: Path, seed: int, config: RoomsConfig, has_superpoints: bool, life: Life | None = None
) -> None:
    """Make one sequence of parametric furniture, of a room that is furnished already or not."""
    make_room_file(path, seed, config, has_superpoints, life=life)


def digest_file(_: int, path: Path) -> Digest:
    """Return the checksums of one file."""
    return digest_of(*read_sequence(path))
