"""`rescene4d rooms set`: make a fixed set of rooms, and compare it with its record."""
from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from rescene4d_ros.cli.jobs import work_through
from rescene4d_ros.cli.rooms_file import add_superpoint_option, write_room
from rescene4d_ros.data import read_sequence
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.rooms import make_sequence, RoomsConfig
from rescene4d_ros.rooms.sets import (
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
    parser.add_argument('--out', type=Path, required=True, help='folder; goes on where it was')
    parser.add_argument('--jobs', type=int, default=1, help='processes')
    parser.add_argument('--limit', type=int, metavar='N', help='only the first N sequences')
    add_superpoint_option(parser)
    parser.add_argument('--check', action='store_true',
                        help='make nothing, only compare the folder with the record')
    parser.add_argument('--allow-rounding', action='store_true',
                        help='accept the same rooms with other points, as another processor may '
                             'give them')
    parser.add_argument('--record', action='store_true',
                        help='write the record anew in place of comparing; for maintainers')
    parser.add_argument('--records', type=Path, default=RECORDS, metavar='DIR',
                        help='where records are; default: in the package')


def run(options: argparse.Namespace) -> int:
    """Make what is missing, then compare; 1 if the set is not as recorded."""
    if options.limit is not None and options.limit < 1:
        raise ConfigError(f'--limit: expected at least 1 sequence, got {options.limit}; leave it '
                          'out for the whole set')
    wanted = dict(islice(SETS[options.name].sequences(), options.limit))
    paths = {seed: options.out / f'room_{seed:08d}.npz' for seed in wanted}
    missing = [seed for seed, path in paths.items() if not path.exists()]
    if options.check and missing:
        raise FileFormatError(f'{options.out}: expected {len(wanted)} sequences of '
                              f'{options.name}, got {len(wanted) - len(missing)}, for example '
                              f'{paths[missing[0]].name} is missing; run without --check')
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = [(paths[seed], seed, wanted[seed], options.superpoints) for seed in missing]
    done = len(wanted) - len(jobs)
    for _ in work_through('make', make_file, jobs, options.jobs, done) if jobs else ():
        pass
    digests = {seed: digest for (seed, _), digest
               in work_through('check', digest_file, list(paths.items()), options.jobs)}
    if options.record:
        path = write_record(options.name, digests, options.records)
        print(f'{options.name}: {len(digests)} of {len(SETS[options.name])} sequences recorded '
              f'in {path}')
        return 0
    found = compare(options.name, digests, read_record(options.name, options.records))
    print(found.text)
    fine = found.is_equal or (options.allow_rounding and not found.different
                              and not found.unrecorded)
    return 0 if fine else 1


def make_file(path: Path, seed: int, config: RoomsConfig, has_superpoints: bool) -> None:
    """Make one sequence of parametric furniture."""
    write_room(path, *make_sequence(seed, config), has_superpoints)


def digest_file(_: int, path: Path) -> Digest:
    """Return the checksums of one file."""
    return digest_of(*read_sequence(path))
