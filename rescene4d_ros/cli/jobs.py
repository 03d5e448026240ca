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
    Run all jobs and yield each with its result, in the order of completion.

    Parameters
    ----------
    label : str
        Text before the bar.
    do : callable
        Called with the items of a job; a module function, so that other processes can import it.
    jobs : sequence of tuple
    processes : int
        1 = this one.
    done : int
        Number of jobs finished before; the bar starts there.

    Raises
    ------
    StorageError
        A process was killed.

    """
    columns = (
        TextColumn(label, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task('', total=len(jobs) + done, completed=done)
        for job, result in each_result(do, jobs, processes):
            progress.advance(task)
            yield job, result
