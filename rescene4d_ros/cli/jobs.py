"""Many independent jobs with a progress bar, in one process or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rescene4d_ros.processes import each_result
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar('T')


def work_through(
    label: str, do: Callable[..., T], jobs: Sequence[tuple], processes: int, done: int = 0
) -> Iterator[tuple[tuple, T]]:
    """
    Do all jobs and yield each with its result, in the order in which they end.

    Parameters
    ----------
    label : str
        Before the bar.
    do : callable
        Called with the items of a job; of a module, so that other processes find it.
    jobs : sequence of tuple
    processes : int
        1 = this one.
    done : int
        How many were done before; the bar starts there.

    Raises
    ------
    StorageError
        A process was killed.

    """
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('', total=len(jobs) + done, completed=done)
        for job, result in each_result(do, jobs, processes):
            progress.advance(task)
            yield job, result
