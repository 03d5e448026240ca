"""
Cut the checkpoint of a run into small files, and put it together again without loss.

    python scripts/checkpoint_pieces.py split RUN PIECES [--mib 15]
    python scripts/checkpoint_pieces.py join PIECES RUN

For machines that give back small files only. The bytes of numbers are sorted by their place in
the number before they are compressed, so that signs and exponents, which repeat, come together.
Needs NumPy alone.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
import sys
import zipfile

import numpy as np

CHECKPOINT = 'checkpoint.pt'
WIDTH = 4  # bytes of a float32; other content is compressed as well, less so
MIB = 2**20


def sorted_bytes(data: bytes) -> bytes:
    """Return the first bytes of all numbers, then the second ones, and so on, then the rest."""
    whole = len(data) // WIDTH * WIDTH
    places = np.frombuffer(data, np.uint8, whole).reshape(-1, WIDTH)
    return places.T.tobytes() + data[whole:]


def unsorted_bytes(data: bytes) -> bytes:
    """Return what `sorted_bytes` was given."""
    whole = len(data) // WIDTH * WIDTH
    places = np.frombuffer(data, np.uint8, whole).reshape(WIDTH, -1)
    return places.T.tobytes() + data[whole:]


def split(run: Path, pieces: Path, mib: float) -> list[Path]:
    """Write the pieces of a run's checkpoint, and return them; others are removed."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(run / CHECKPOINT) as given,
        zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as made,
    ):
        for name in given.namelist():
            made.writestr(name, sorted_bytes(given.read(name)))
    data, size = packed.getvalue(), int(mib * MIB)
    pieces.mkdir(parents=True, exist_ok=True)
    for old in pieces.glob('checkpoint.[0-9][0-9]'):
        old.unlink()
    paths = []
    for number, start in enumerate(range(0, len(data), size)):
        paths.append(pieces / f'checkpoint.{number:02d}')
        paths[-1].write_bytes(data[start : start + size])
    return paths


def join(pieces: Path, run: Path) -> Path:
    """Write the checkpoint of the pieces into a run folder, and return it."""
    paths = sorted(pieces.glob('checkpoint.[0-9][0-9]'))
    packed = io.BytesIO(b''.join(p.read_bytes() for p in paths))
    run.mkdir(parents=True, exist_ok=True)
    draft = run / f'{CHECKPOINT}.part'
    try:
        with (
            zipfile.ZipFile(packed) as given,
            zipfile.ZipFile(draft, 'w', zipfile.ZIP_STORED) as made,
        ):
            for name in given.namelist():
                made.writestr(name, unsorted_bytes(given.read(name)))
    except zipfile.BadZipFile as error:
        raise SystemExit(
            f'{pieces}: expected all pieces of one checkpoint, checkpoint.00 and on, got '
            f'{len(paths)} that do not fit ({error}); copy them again'
        ) from error
    return draft.replace(run / CHECKPOINT)


def main() -> int:
    """Split or join as the command line says."""
    parser = argparse.ArgumentParser(description='Cut a checkpoint into small files, or join.')
    actions = parser.add_subparsers(dest='action', required=True)
    cut = actions.add_parser('split', help='of a run folder into pieces')
    cut.add_argument('run', type=Path)
    cut.add_argument('pieces', type=Path)
    cut.add_argument('--mib', type=float, default=15.0, help='largest size of a piece')
    joined = actions.add_parser('join', help='of pieces into a run folder')
    joined.add_argument('pieces', type=Path)
    joined.add_argument('run', type=Path)
    options = parser.parse_args()
    if options.action == 'join':
        print(join(options.pieces, options.run))
        return 0
    for path in split(options.run, options.pieces, options.mib):
        print(f'{path} {path.stat().st_size / MIB:.1f} MiB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
