"""`rescene4d bench memory`: cost of a visit after segmentation, in seconds and bytes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
import json
from pathlib import Path
import platform
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rescene4d_ros import __version__
from rescene4d_ros.cli.bench.clocks import add_clock, CLOCKS
from rescene4d_ros.cli.bench.memory_costs import (
    association_costs,
    AssociationCosts,
    FEW,
    Sequenced,
    still,
    visit_costs,
    VisitCosts,
)
from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from rich.table import Table

SEED = 900_000
ROOMY = 400  # failed placements after which a room counts as full: crowded rooms


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='sequence files for the cost per visit; default: one procedural room',
    )
    parser.add_argument('--rooms', type=int, default=3, help='number of sequences to use')
    parser.add_argument(
        '--visits', type=int, default=12, help='number of stored visits to compare with 2'
    )
    parser.add_argument(
        '--objects',
        type=int,
        nargs='+',
        default=[12, 50, 150],
        help='objects of the procedural rooms for the association',
    )
    parser.add_argument('--repeats', type=int, default=3, help='runs; the fastest counts')
    add_clock(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='file for all numbers')


def run(options: argparse.Namespace) -> int:
    """Measure, print the tables, and write them if requested."""
    if options.visits <= FEW:
        raise ConfigError(f'--visits: expected more than {FEW}, got {options.visits}')
    clock, progress = CLOCKS[options.clock], TextConsole(stderr=True)
    with progress.status('visits') as status, TemporaryDirectory() as folder:
        visits: list[Any] = []
        unchanged: list[Any] = []
        for name, sequenced in _long_sequences(options):
            status.update(f'visits: {name}')
            place = Path(folder) / str(len(visits))
            visits.append(visit_costs(sequenced, place, options.repeats, clock))
            unchanged.append(
                visit_costs(still(sequenced), place / 'still', options.repeats, clock)
            )
        rooms = []
        for number, objects in enumerate(options.objects):
            status.update(f'association: {objects} objects')
            made = make_sequence(
                SEED + number,
                RoomsConfig(
                    visits=FEW,
                    min_objects=objects,
                    max_objects=objects,
                    max_failures=ROOMY,
                    views=22 + objects // 4,
                ),
            )
            rooms.append(
                association_costs(made, Path(folder) / f'room {number}', options.repeats, clock)
            )
    console = TextConsole()
    console.print(_visit_table(visits, unchanged))
    console.print(_byte_table(visits))
    console.print(_association_table(rooms))
    ratios = {
        name: median(v.many_s / v.few_s for v in costs)
        for name, costs in (('as it is', visits), ('nothing changes', unchanged))
    }
    console.print(
        f'a visit with {options.visits - 1} visits stored over one with 1 stored: '
        + ', '.join(f'{ratio:.2f} ({name})' for name, ratio in ratios.items())
    )
    if options.json:
        document = {
            'version': __version__,
            'machine': platform.processor() or platform.machine(),
            'data': options.data and str(options.data),
            'clock': options.clock,
            'ratios': ratios,
            'visits': [asdict(v) for v in visits],
            'unchanged': [asdict(v) for v in unchanged],
            'association': [asdict(r) for r in rooms],
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + '\n')
        print(options.json)
    return 0


def _long_sequences(options: argparse.Namespace) -> Iterator[tuple[str, Sequenced]]:
    """Yield names and sequences with enough visits, cut to the requested number."""
    if options.data is None:
        yield 'a made room', make_sequence(SEED, RoomsConfig(visits=options.visits))
        return
    found = 0
    for path in sorted(options.data.glob('*.npz')):
        if found == options.rooms:
            return
        sequence, truth = read_sequence(path)
        if len(sequence.scans) >= options.visits:
            found += 1
            yield (
                path.stem,
                (
                    replace(sequence, scans=sequence.scans[: options.visits]),
                    replace(truth, visits=truth.visits[: options.visits]),
                ),
            )
    if not found:
        raise ConfigError(
            f'{options.data}: expected sequence files of at least {options.visits} '
            'visits, found none; give fewer with --visits, or other files'
        )


def _visit_table(visits: Sequence[VisitCosts], unchanged: Sequence[VisitCosts]) -> Table:
    """Return seconds per visit, for rooms with and without changes."""
    table = Table(
        'room',
        'as visit 2',
        'objects',
        'as the last visit',
        'objects',
        'ratio',
        title=f'one visit, masks given, seconds; the last of {visits[0].visits} visits',
    )
    for number, pair in enumerate(zip(visits, unchanged), start=1):
        for name, cost in zip((f'{number}', f'{number}, nothing changes'), pair):
            table.add_row(
                name,
                f'{cost.few_s:.3f}',
                str(cost.few_objects),
                f'{cost.many_s:.3f}',
                str(cost.many_objects),
                f'{cost.many_s / cost.few_s:.2f}',
            )
    return table


def _byte_table(costs: Sequence[VisitCosts]) -> Table:
    """Return bytes on disk."""
    table = Table(
        'room',
        'points per visit',
        'database, 2 visits',
        f'{costs[0].visits} visits',
        'database per object',
        'per object and further visit',
        title='kB on disk',
    )
    for number, cost in enumerate(costs, start=1):
        more = (cost.many_bytes - cost.few_bytes) / (cost.visits - FEW) / cost.many_objects
        sizes = (
            cost.points_bytes,
            cost.few_bytes,
            cost.many_bytes,
            cost.few_bytes / cost.few_objects,
            more,
        )
        table.add_row(str(number), *(f'{size / 1000:.1f}' for size in sizes))
    return table


def _association_table(costs: Sequence[AssociationCosts]) -> Table:
    """Return milliseconds of the association."""
    table = Table(
        'objects',
        'seen',
        'association, ms',
        'middles alone, ms',
        'whole visit, ms',
        title='the second visit of a room, masks given',
    )
    for cost in costs:
        table.add_row(
            str(cost.objects),
            str(cost.observations),
            f'{1e3 * cost.associate_s:.1f}',
            f'{1e3 * cost.plain_s:.2f}',
            f'{1e3 * cost.visit_s:.0f}',
        )
    return table
