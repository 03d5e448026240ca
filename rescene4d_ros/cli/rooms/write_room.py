"""Writing of one sequence, shared by `rooms make` and `rooms set`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.synthetic_rooms import make_life, notes_of_life, RoomsConfig, scan_life
from rescene4d_ros.synthetic_rooms.furniture import Draw
from rescene4d_ros.synthetic_rooms.life import Life


def add_superpoint_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--superpoints` and `--no-superpoints`."""
    parser.add_argument(
        '--superpoints',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='write superpoints into new files; existing files are unchanged',
    )


def make_room_file(
    path: Path,
    seed: int,
    config: RoomsConfig,
    has_superpoints: bool,
    draw: Draw | None = None,
    life: Life | None = None,
) -> None:
    """Make one sequence and write it, with superpoints or without; see `make_sequence`."""
    life = life or make_life(seed, config, draw)
    sequence, truth = scan_life(life, seed, config)
    # Files of rooms whose truth is plain are as they have always been.
    notes = notes_of_life(life, seed, config) if config.layout == 'contact' else None
    if not has_superpoints:
        write_sequence(path, sequence, truth, notes=notes)
        return
    # Imported on demand: Numba takes half a second to load.
    from rescene4d_ros.data.sequences.cut_sequences import write_cut_sequence

    write_cut_sequence(path, sequence, truth, notes=notes)
