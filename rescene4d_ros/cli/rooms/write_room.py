"""What `rooms make` and `rooms set` share: how one sequence is written."""

from __future__ import annotations

import argparse
from pathlib import Path

from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.structures import ScanSequence, SequenceTruth


def add_superpoint_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--superpoints` and `--no-superpoints`."""
    parser.add_argument(
        '--superpoints',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='write superpoints into new files; those that are there stay as they are',
    )


def write_room(
    path: Path, sequence: ScanSequence, truth: SequenceTruth, has_superpoints: bool
) -> None:
    """Write one made sequence, with superpoints or without."""
    if not has_superpoints:
        write_sequence(path, sequence, truth)
        return
    # Numba takes half a second to load; only who cuts pays for it.
    from rescene4d_ros.data.sequences.cut_sequences import write_cut_sequence

    write_cut_sequence(path, sequence, truth)
