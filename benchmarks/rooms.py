"""
What rooms cost: processor seconds of five visits, and bytes per point.

    .venv/bin/python benchmarks/rooms.py [--objects 5 25 80 150] [--seed 11]
    .venv/bin/python benchmarks/rooms.py --set rooms-long --number 28

Each room is made, and written with superpoints and without. Seconds are of one core and do not
count what else runs on the machine, though they grow when others use its caches. With `--set` the
room is one of a fixed set, by its place in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import tempfile
import time

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.cut_sequences import write_cut_sequence
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.data.sequences.stored_bytes import stored_bytes
from rescene4d_ros.geometry.superpoints.cut import superpoints
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from rescene4d_ros.synthetic_rooms.sets import SETS

VISITS = 5
CROWDED = 50  # objects above which a room needs more views
HEAD = (
    'objects',
    'visits',
    'points/visit',
    'make s',
    'write s',
    '+ cut s',
    'bytes/point',
    '+ cut',
)


def measure(seed: int, config: RoomsConfig, folder: Path) -> tuple:
    """Return the row of one room."""
    bare, cut = folder / 'bare.npz', folder / 'cut.npz'
    clock = [time.process_time()]
    made = make_sequence(seed, config)
    clock.append(time.process_time())
    write_sequence(bare, *made)
    clock.append(time.process_time())
    write_cut_sequence(cut, *made)
    clock.append(time.process_time())
    making, writing, cutting = np.diff(clock)
    points = sum(map(len, made[0].scans))
    return (
        sum(o.in_room for o in made[1].visits[0].objects),
        config.visits,
        points // config.visits,
        *(f'{seconds:.2f}' for seconds in (making, writing, cutting - writing)),
        *(f'{stored_bytes(path).packed / points:.2f}' for path in (bare, cut)),
    )


def asked(options: argparse.Namespace) -> Iterator[tuple[int, RoomsConfig]]:
    """Yield seed and settings of the rooms to make."""
    if options.set:
        yield list(SETS[options.set].sequences())[options.number]
        return
    for count in options.objects:
        yield (
            options.seed,
            make(
                RoomsConfig,
                {
                    'visits': VISITS,
                    'room_type': 'living',
                    'min_objects': count,
                    'max_objects': count,
                    'views': 64 if count > CROWDED else 22,
                },
            ),
        )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--objects', type=int, nargs='+', default=[5, 25, 80, 150])
    parser.add_argument('--seed', type=int, default=11)
    parser.add_argument('--set', choices=SETS)
    parser.add_argument('--number', type=int, default=0)
    options = parser.parse_args()
    # The first calls load libraries and compile.
    make_sequence(1, make(RoomsConfig, {'visits': 1, 'room_type': 'bath', 'views': 4}))
    superpoints(np.eye(30, 3), None, None)
    print(''.join(f'{name:>13}' for name in HEAD))
    with tempfile.TemporaryDirectory() as folder:
        for seed, config in asked(options):
            print(
                ''.join(f'{value:>13}' for value in measure(seed, config, Path(folder))),
                flush=True,
            )


if __name__ == '__main__':
    main()
