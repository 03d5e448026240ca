"""Processes that help another one: many jobs at once, and an end with the one they help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
import ctypes
from multiprocessing import get_context
import signal
from typing import TypeVar

from rescene4d_ros.errors import StorageError

T = TypeVar('T')

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl


def end_with_parent(*_) -> None:
    """
    Ask Linux to end this process when the one that started it ends, also by a SIGKILL.

    For pools and data loaders, whose processes would otherwise work on, or wait for ever. Does
    nothing on other systems.
    """
    prctl = getattr(ctypes.CDLL(None), 'prctl', None)
    if prctl is not None:
        prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)


def end_only_with_parent(*_) -> None:
    """
    Ask the same, and stay where ^C or a SIGTERM goes to the whole group of processes.

    For data loaders whose owner wants to finish a step and write a checkpoint then.
    """
    end_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def each_result(
    do: Callable[..., T], jobs: Sequence[tuple], processes: int
) -> Iterator[tuple[tuple, T]]:
    """
    Do all jobs in this process or in several; yield each with its result as it ends.

    Parameters
    ----------
    do : callable
        Called with the items of a job; of a module, so that other processes find it.
    jobs : sequence of tuple
    processes : int
        1 = this one.

    Raises
    ------
    StorageError
        A process was killed.

    """
    if processes <= 1 or len(jobs) < 2:
        for job in jobs:
            yield job, do(*job)
        return
    # Spawned, not forked: threads of the libraries do not survive a fork.
    with ProcessPoolExecutor(
        min(processes, len(jobs)), mp_context=get_context('spawn'), initializer=end_with_parent
    ) as pool:
        futures = {pool.submit(do, *job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise StorageError(
                'a process was killed, perhaps for want of memory; run the command '
                'again with fewer --jobs (train: --threads), it goes on where it '
                'was'
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
