"""A thread that runs jobs one after the other and outlives those that fail."""

from __future__ import annotations

from collections.abc import Callable
import queue
import threading

Job = Callable[[], None]


class Worker:
    """
    Run jobs in the order they came, so that the executor's thread never waits.

    Parameters
    ----------
    name : str
        Of the thread.
    on_error : callable(exception)
        Told of every job that raised; the next job runs all the same.

    """

    def __init__(self, name: str, on_error: Callable[[Exception], None]):
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._on_error = on_error
        self._discarding = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; returns at once."""
        self._jobs.put(job)

    def stop(self, discard: bool = False) -> None:
        """Finish the running job and, unless they are discarded, all queued ones."""
        self._discarding = discard
        self._jobs.put(None)
        self._thread.join()

    @property
    def stopping(self) -> bool:
        """Return whether queued work is to be left alone; long jobs look at it between steps."""
        return self._discarding

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._discarding:
                continue
            try:
                job()
            except Exception as error:
                self._on_error(error)
