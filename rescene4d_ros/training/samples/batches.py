"""Batches of the steps of a run, loaded and made in other processes ahead of training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rescene4d_ros.processes import end_only_with_parent
from rescene4d_ros.training.samples.augmented_samples import Sample, TrainingSamples
from rescene4d_ros.training.samples.room_makers import RoomMakers
import torch
from torch.utils.data import DataLoader

AHEAD = 2  # batches per process that wait to be used


@contextmanager
def open_batches(
    samples: TrainingSamples, first: int, workers: int, makers: RoomMakers | None = None
) -> Iterator[Iterator[list[Sample]]]:
    """
    Load the batches from one step on in the background.

    Parameters
    ----------
    samples : TrainingSamples
    first : int
        Step of the first batch.
    workers : int
        Processes; 0 = this one.
    makers : RoomMakers, optional
        Make the rooms that the samples show, until the block ends.

    Yields
    ------
    iterator of list of Sample
        The batch of each step.

    """
    loader = DataLoader(
        samples,
        batch_size=None,
        sampler=range(first, len(samples)),
        num_workers=workers,
        collate_fn=_unchanged,
        worker_init_fn=end_only_with_parent,
        # A separate generator: drawing the workers' seeds must not advance that of the run.
        generator=torch.Generator(),
        prefetch_factor=AHEAD if workers else None,
    )
    batches = iter(loader)  # forks, so before the makers have a thread
    with makers or nullcontext():
        yield _each(batches, samples, first, AHEAD * workers, makers)


def _each(
    batches: Iterator[list[Sample]],
    samples: TrainingSamples,
    first: int,
    ahead: int,
    makers: RoomMakers | None,
) -> Iterator[list[Sample]]:
    """Yield each batch; tell the makers of rooms which one is next."""
    for step in range(first, len(samples)):
        if makers is not None:
            makers.advance(samples.first_of(step), samples.first_of(step + ahead + 1) - 1)
        yield next(batches)


def _unchanged(batch: list[Sample]) -> list[Sample]:
    """Return the batch unchanged; a module function, so that workers can import it."""
    return batch
