"""Many independent jobs with a progress bar, in one process or several."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from rescene4d_ros.errors import StorageError
from rescene4d_ros.processes import end_with_parent
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar('T')


def work_through(label: str, do: Callable[..., T], jobs: Sequence[tuple], processes: int,
                 done: int = 0) -> Iterator[tuple[tuple, T]]:
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
        for job, result in _results(do, jobs, processes):
            progress.advance(task)
            yield job, result


def _results(do: Callable[..., T], jobs: Sequence[tuple], processes: int
             ) -> Iterator[tuple[tuple, T]]:
    if processes <= 1 or len(jobs) < 2:
        for job in jobs:
            yield job, do(*job)
        return
    # Spawned, not forked: Open3D's threads do not survive a fork.
    with ProcessPoolExecutor(min(processes, len(jobs)), mp_context=get_context('spawn'),
                             initializer=end_with_parent) as pool:
        futures = {pool.submit(do, *job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise StorageError('a process was killed, perhaps for want of memory; run the command '
                               'again with fewer --jobs, it goes on where it was') from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
