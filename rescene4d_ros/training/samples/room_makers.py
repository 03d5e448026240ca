"""Processes that make rooms ahead of training, as many as it can show soon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from threading import Event, Thread
from typing import Any

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.errors import ConfigError, RescenError
from rescene4d_ros.processes import end_only_with_parent
from rescene4d_ros.training.samples.made_rooms import FAILURE, RoomStream

LOOK_EVERY_S = 0.2
ENDED = 'rooms: expected training to go on, it has ended; train again with --resume'

# Called with the number of rooms made in this run and how long the last one took, in s.
Report = Callable[[int, float], None]


class RoomMakers:
    """
    Make the rooms of streams in other processes while this one trains.

    Rooms that samples being read may show come first, then as many again as a pool holds. Older
    ones are deleted when twice as many were made since. Use it once, in a `with` statement, after
    other processes are forked: it works in a thread.

    Parameters
    ----------
    streams : sequence of RoomStream
        In one folder.
    processes : int
        At least 1.
    report : callable

    """

    def __init__(
        self,
        streams: Sequence[RoomStream],
        processes: int,
        report: Report = lambda made, seconds: None,
    ):
        if processes < 1:
            raise ConfigError(
                f'rooms: expected at least 1 process that makes them, got {processes}; '
                'raise --room-workers'
            )
        self.streams, self.processes, self.report = tuple(streams), processes, report
        self.failure: RescenError | None = None
        self._span = 0, 0
        self._made = 0
        self._stop = Event()
        self._thread: Thread | None = None
        for folder in {s.folder for s in self.streams}:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / FAILURE).unlink(missing_ok=True)

    def __enter__(self) -> RoomMakers:
        """Start to make rooms."""
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """
        End the processes, also those in the middle of a room.

        Raises
        ------
        RescenError
            Why there were no rooms, if that is what ended the block.

        """
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.failure is not None and isinstance(error, RescenError):
            raise self.failure from error

    def advance(self, first: int, last: int) -> None:
        """Say which samples of the run are being read; `first` is the oldest one."""
        self._span = first, last

    def _run(self) -> None:
        """Keep the processes busy until stopped; leave a note for those who wait on an error."""
        pool = ProcessPoolExecutor(
            self.processes, mp_context=get_context('spawn'), initializer=end_only_with_parent
        )
        running: dict[Future, tuple[int, int]] = {}
        try:
            while not self._stop.is_set():
                self._submit(pool, running)
                self._delete_old()
                done, _ = wait(running, LOOK_EVERY_S, FIRST_COMPLETED)
                if not running:
                    self._stop.wait(LOOK_EVERY_S)
                for future in done:
                    del running[future]
                    self._made += 1
                    self.report(self._made, future.result())
        except Exception as error:  # of any kind, or training would wait for ever
            self._fail(error)
        finally:
            # Not public before Python 3.14 (`kill_workers`); a room would take seconds to end.
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
            if self.failure is None:
                self._note(ENDED)

    def _submit(self, pool: ProcessPoolExecutor, running: dict[Future, tuple[int, int]]) -> None:
        """Give each idle process the room that is needed soonest."""
        taken = set(running.values())
        first, last = self._span
        missing = [
            (room - stream.newest(first), k, room)
            for k, stream in enumerate(self.streams)
            for room in range(stream.oldest(first), stream.newest(last) + stream.pool + 1)
            if (k, room) not in taken and not stream.path(room).exists()
        ]
        for _, k, room in sorted(missing)[: self.processes - len(running)]:
            running[pool.submit(self.streams[k].write, room)] = (k, room)

    def _delete_old(self) -> None:
        """Delete the files of rooms that no sample shows any more, nor one since a checkpoint."""
        for stream in self.streams:
            for room in range(stream.oldest(self._span[0]) - 2 * stream.pool - 1, -1, -1):
                path = stream.path(room)
                if not path.exists():
                    break
                path.unlink()

    def _fail(self, error: Exception) -> None:
        """Keep the error for this process, and write it down for those that wait for rooms."""
        if isinstance(error, BrokenProcessPool):
            text = (
                'rooms: expected every process that makes them to live, one was killed, perhaps '
                'for want of memory; train again with --resume and fewer --room-workers'
            )
        else:
            text = (
                f'rooms: expected to make one, got {type(error).__name__}: {error}; train again '
                'with --resume, or with another train.seed'
            )
        self.failure = RescenError(text)
        self.failure.__cause__ = error
        self._note(text)

    def _note(self, text: str) -> None:
        """Tell those who wait for rooms that none come."""
        for folder in {s.folder for s in self.streams}:
            with atomic_write(folder / FAILURE) as file:
                file.write(text.encode())
