"""Many jobs by processes of this machine or by a Ray cluster; a killed worker repeats its job."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.processes import end_with_parent

ATTEMPTS = (
    3  # at a job whose worker is killed each time: perhaps it needs more memory than there is
)
Do = Callable[..., dict[str, Any]]
Result = tuple[int, dict[str, Any]]  # number of the job, and what came of it


@dataclass
class _Worker:
    """Hold a process, the way to it, and the job that it has."""

    process: BaseProcess
    connection: Connection
    job: int | None = None

    def end(self) -> None:
        """End the process; what it had begun is not stored."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def local_results(do: Do, jobs: Sequence[tuple], processes: int) -> Iterator[Result]:
    """
    Do jobs in processes of this machine; yield the number of each with its result as it ends.

    Parameters
    ----------
    do : callable
        Of a module; called with the items of a job.
    jobs : sequence of tuple
    processes : int

    """
    waiting, attempts = deque(range(len(jobs))), [0] * len(jobs)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.job is not None for worker in workers):
            while waiting and len(workers) < processes:
                workers.append(_started(do))
            for worker in workers:
                if worker.job is None and waiting:
                    worker.job = waiting.popleft()
                    attempts[worker.job] += 1
                    with suppress(OSError):  # it is dead, which is seen below
                        worker.connection.send(jobs[worker.job])
            busy = {worker.connection: worker for worker in workers if worker.job is not None}
            for ready in wait(list(busy)):
                worker = busy[ready]  # type: ignore[index]
                job, worker.job = worker.job, None
                assert job is not None  # only those that have one are waited for
                try:
                    yield job, worker.connection.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    worker.end()
                    if attempts[job] < ATTEMPTS:
                        waiting.appendleft(job)
                    else:
                        yield job, _killed()
    finally:
        for worker in workers:
            worker.end()


def ray_results(
    do: Do, jobs: Sequence[tuple], processes: int, address: str | None
) -> Iterator[Result]:
    """
    Do jobs on a Ray cluster; yield the number of each with its result as it ends.

    Parameters
    ----------
    do, jobs, processes
        As for `local_results`; `processes` counts only where Ray is started for this call.
    address : str or None
        Of a cluster, such as auto or ray://host:10001; None = start Ray on this machine.

    Raises
    ------
    ConfigError
        Ray is not installed, or no cluster is at the address.

    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--engine ray: expected Ray, found none; pip install 'rescene4d_ros[ray]'"
        ) from error
    try:
        if address:
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init('local', num_cpus=processes, include_dashboard=False, log_to_driver=False)
    except Exception as error:  # of any kind: a node that does not start is a plain Exception
        raise ConfigError(
            f'--engine ray: expected a Ray cluster at {address or "this machine"}, got none '
            f'({error}); `ray start --head` starts one, --engine local needs none'
        ) from error
    try:
        remote = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(do)
        running = {remote.remote(*job): number for number, job in enumerate(jobs)}
        while running:
            for done in ray.wait(list(running), num_returns=1)[0]:
                number = running.pop(done)
                try:
                    yield number, ray.get(done)
                except ray.exceptions.RayError as error:
                    yield number, {**_killed(), 'error': f'Ray: {error}'}
    finally:
        ray.shutdown()


def _started(do: Do) -> _Worker:
    """Start a process; not a fork, as threads of the libraries do not survive one."""
    context = get_context('spawn')
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(do, there), daemon=True)
    process.start()
    there.close()  # so that its death is seen
    return _Worker(process, here)


def _serve(do: Do, connection: Connection) -> None:
    """Do the jobs that come, in a process of its own."""
    end_with_parent()
    with suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            try:
                result = do(*job)
            except Exception as error:  # of any kind: the other jobs go on
                result = {'outcome': 'failed', 'error': f'{type(error).__name__}: {error}'}
            connection.send(result)


def _killed() -> dict[str, Any]:
    return {
        'outcome': 'failed',
        'error': f'its worker was killed {ATTEMPTS} times, perhaps for want of memory; the memory '
        'is as before, run the command again with fewer --jobs',
    }
