"""Curves and pictures of a training run for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rescene4d_ros.training import Progress
from rescene4d_ros.view.truth_and_prediction import truth_and_prediction

MISSING = (
    'no curves and pictures: expected the package tensorboard, found none; '
    '`pip install tensorboard` brings it, metrics.jsonl has the numbers'
)


@contextmanager
def open_tensorboard(
    folder: Path, step: int, warn: Callable[[str], None]
) -> Iterator[Callable[[Progress], None]]:
    """
    Open the event files of a run.

    Parameters
    ----------
    folder : Path
    step : int
        First step of the run; later entries of a killed run are hidden.
    warn : callable
        Called if the package is missing; reports are then dropped.

    Yields
    ------
    callable
        Called with the `Progress` of each report.

    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        warn(MISSING)
        yield lambda progress: None
        return
    with SummaryWriter(str(folder), purge_step=step + 1) as writer:
        yield lambda progress: _write(writer, progress)


def _write(writer, progress: Progress) -> None:
    """Write all numbers of one report, and its pictures."""
    for name, value in progress.metrics.items():
        writer.add_scalar(name, value, progress.step)
    writer.add_scalar('seconds_per_step', progress.seconds_per_step, progress.step)
    for example in progress.examples:
        picture = truth_and_prediction(example.scans, example.true, example.predicted)
        writer.add_image(f'held out/{example.name}', picture, progress.step, dataformats='HWC')
    writer.flush()
