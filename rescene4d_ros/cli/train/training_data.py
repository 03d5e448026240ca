"""What `rescene4d train` learns from: folders of sequences, and rooms made as it goes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.mixing import MixedSampler
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms import make_sequence, PRESETS, RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import draw_of
from rescene4d_ros.training import prepare_folder, Recipe
from rescene4d_ros.training.distributed import world
from rescene4d_ros.training.samples.made_rooms import RoomStream
from rescene4d_ros.training.samples.room_makers import RoomMakers
import torch

SYNTHETIC = 'synthetic:'
SPLIT = 'train'  # of the furniture; sets for validation and test have the others
TOLD_EVERY = 20


@dataclass(frozen=True)
class DataSource:
    """
    One data set by name.

    Attributes
    ----------
    name : str
        Folder, or preset of rooms.
    is_made : bool
        Whether rooms are made.
    weight : float

    """

    name: str
    is_made: bool
    weight: float


@dataclass(frozen=True)
class TrainingData:
    """
    Arguments of `Trainer` that say what it learns from.

    Attributes
    ----------
    train_files, validation_files : list of Path
    mixing : MixedSampler, optional
    streams : tuple of RoomStream
    makers : RoomMakers, optional
        In the first process only.

    """

    train_files: list[Path]
    validation_files: list[Path]
    mixing: MixedSampler | None
    streams: tuple[RoomStream, ...]
    makers: RoomMakers | None


def data_source(text: str) -> DataSource:
    """Read `DIR[:WEIGHT]` or `synthetic:PRESET[:WEIGHT]`."""
    is_made = text.startswith(SYNTHETIC)
    name, weight = text.removeprefix(SYNTHETIC) if is_made else text, 1.0
    before, colon, last = name.rpartition(':')
    if colon and (is_made or not Path(text).is_dir()):
        try:
            name, weight = before, float(last)
        except ValueError:
            pass
    if is_made and name not in PRESETS:
        raise argparse.ArgumentTypeError(
            f'expected synthetic:PRESET with one of {", ".join(PRESETS)}, got {text!r}'
        )
    return DataSource(name, is_made, weight)


def make_room(preset: str, visits: int, seed: int) -> tuple[ScanSequence, SequenceTruth]:
    """Make a sequence of a preset of procedural rooms, of furniture for training."""
    config = make(RoomsConfig, {**PRESETS[preset], 'visits': visits, 'split': SPLIT})
    return make_sequence(seed, config, draw_of(SPLIT))


def training_data(
    sources: Sequence[DataSource],
    held_out: Path | None,
    prepared: Path,
    recipe: Recipe,
    threads: int,
    room_workers: int,
) -> TrainingData:
    """
    Prepare the sequences of all folders, and what makes rooms.

    Parameters
    ----------
    sources : sequence of DataSource
    held_out : Path, optional
        Folder of held-out sequences.
    prepared : Path
        Folder of prepared sequences.
    recipe : Recipe
    threads : int
        Processes for preparation.
    room_workers : int
        Processes that make rooms.

    """
    folders = [s for s in sources if not s.is_made]
    made = [s for s in sources if s.is_made]
    parts = [_prepare(Path(s.name), prepared, recipe, threads) for s in folders]
    validation = [] if held_out is None else _prepare(held_out, prepared, recipe, threads)
    config, mixing = recipe.train, None
    total = sum(s.weight for s in sources)
    streams = tuple(
        RoomStream(
            s.name,
            partial(make_room, s.name, max(2, config.max_visits)),
            prepared,
            config.seed,
            recipe.superpoints,
            config.normals,
            config.room_pool,
            config.room_uses * total / s.weight,
        )
        for s in made
    )
    if made or len(parts) > 1:
        lengths = [*map(len, parts), *(s.pool for s in streams)]
        mixing = MixedSampler(lengths, [s.weight for s in (*folders, *made)], config.seed)
    makers = None
    if made and world()[0] == 0:
        makers = RoomMakers(streams, room_workers, _tell)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()  # the first process has now removed a note of an earlier end
    return TrainingData([f for part in parts for f in part], validation, mixing, streams, makers)


def _prepare(source: Path, prepared: Path, recipe: Recipe, processes: int) -> list[Path]:
    """Return the prepared sequences of a folder; only the first process makes them."""
    is_first = world()[0] == 0
    sources = sorted(source.glob('*.npz'))
    if not sources:
        raise ConfigError(
            f'{source}: expected sequence files (*.npz), found none; make some '
            'with `rescene4d rooms` or `rescene4d prepare`'
        )
    if torch.distributed.is_initialized() and not is_first:
        torch.distributed.barrier()
    files = prepare_folder(
        sources,
        prepared,
        recipe.superpoints,
        normals=recipe.train.normals,
        workers=processes,
        progress=_print_preparing if is_first else lambda *_: None,
    )
    if torch.distributed.is_initialized() and is_first:
        torch.distributed.barrier()
    return files


def _print_preparing(done: int, of: int) -> None:
    """Print the number of prepared sequences from time to time."""
    if done in (0, of) or done % 20 == 0:
        print(f'prepared {done} of {of} sequences', flush=True)


def _tell(made: int, seconds: float) -> None:
    """Print the number of rooms made from time to time."""
    if made == 1 or made % TOLD_EVERY == 0:
        print(f'made {made} rooms, the last one in {seconds:.1f} s', flush=True)
