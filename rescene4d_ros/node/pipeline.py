"""From message to published result: one thread stores visits at once, another processes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import time

from rescene4d_ros.errors import RescenError, StorageError, VisitOrderError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.diagnostics import Tally
from rescene4d_ros.node.worker import Worker
from rescene4d_ros.scene import SceneTracker
from rescene4d_ros.structures import Scan, SceneUpdate, VisitStatus
from sensor_msgs.msg import PointCloud2


class VisitPipeline:
    """
    Take every message in, whatever the processing is busy with; process in stamp order.

    The memory is the queue: a visit is durable before anything is computed from it, and what
    waits is read from there. So a crash loses nothing that was stored, and no visit is dropped.

    Parameters
    ----------
    tracker : SceneTracker
    memory : SceneMemory
    decode : callable(PointCloud2) -> Scan
        Checks a message and brings it to the map frame; raises RescenError.
    publish : callable(SceneUpdate)
        Told of every processed visit, in the processing thread.
    log : logger
        With `info`, `warning` and `error`.
    tally : Tally
        Counted up here.

    """

    def __init__(
        self,
        tracker: SceneTracker,
        memory: SceneMemory,
        decode: Callable[[PointCloud2], Scan],
        publish: Callable[[SceneUpdate], None],
        log,
        tally: Tally,
    ):
        self._tracker = tracker
        self._memory = memory
        self._decode = decode
        self._publish = publish
        self._log = log
        self._tally = tally
        self._intake = Worker('intake', self._storing_failed)
        self._processing = Worker('processing', self._processing_failed)
        self.count()
        self._processing.submit(self._process_pending)  # what a crash left behind

    def receive(self, message: PointCloud2) -> None:
        """Queue a message; returns at once."""
        self._tally.received += 1
        self._intake.submit(partial(self._store, message))

    def reprocess(self, from_visit: int | None) -> None:
        """Queue all visits from one on (None = the oldest) to be processed anew."""
        self._processing.submit(partial(self._reprocess, from_visit))

    def count(self) -> None:
        """Tell the tally what is remembered."""
        visits = self._memory.visits()
        self._tally.visits = len(visits)
        for status in VisitStatus:
            self._tally.statuses[status] = sum(visit.status == status for visit in visits)
        self._tally.objects = len(self._memory.records)
        self._tally.revision = self._memory.header.revision

    def stop(self) -> None:
        """Store what came, finish the visit at hand; stored visits wait for the next start."""
        self._intake.stop()
        self._processing.stop(discard=True)

    def _store(self, message: PointCloud2) -> None:
        try:
            visit = self._memory.add_visit(self._decode(message))
        except VisitOrderError as error:
            self._tally.stored += 1
            self._tally.refusal = str(error)
            self._log.warning(str(error))
            self.count()
            return
        self._tally.stored += 1
        self._tally.refusal = ''
        self._log.info(f'visit {visit.visit_id} stored ({visit.n_points} points)')
        self._processing.submit(self._process_pending)

    def _process_pending(self) -> None:
        while not self._processing.stopping:
            self.count()
            start = time.perf_counter()
            try:
                update = next(self._tracker.resume(), None)
                if update is None:
                    return
                self._done(update, time.perf_counter() - start)
            except StorageError:
                raise  # the visit stays PENDING; the next one that comes tries again
            except Exception as error:
                self._processing_failed(error)

    def _reprocess(self, from_visit: int | None) -> None:
        start = time.perf_counter()
        updates = list(self._tracker.reprocess(from_visit))
        share = (time.perf_counter() - start) / max(1, len(updates))
        self._tally.refusal = ''  # late visits are taken in now
        for update in updates:
            self._done(update, share)

    def _done(self, update: SceneUpdate, seconds: float) -> None:
        self._tally.processed += 1
        self._tally.seconds = seconds
        self._tally.failure = ''
        for warning in update.warnings:
            self._log.warning(f'visit {update.visit.visit_id}: {warning}')
        self._log.info(
            f'visit {update.visit.visit_id} processed in {seconds:.1f} s: '
            f'{len(update.objects)} objects remembered, {len(update.changes)} changes, '
            f'revision {update.revision}'
        )
        self._publish(update)
        self.count()

    def _storing_failed(self, error: Exception) -> None:
        self._tally.refused += 1
        self._tally.refusal = _text(error)
        if isinstance(error, RescenError):
            self._log.warning(f'snapshot refused: {error}')
        else:
            self._log.error(f'snapshot refused: {_text(error)}')

    def _processing_failed(self, error: Exception) -> None:
        self._tally.failed += 1
        self._tally.failure = _text(error)
        self._log.error(f'processing failed: {_text(error)}')


def _text(error: Exception) -> str:
    """Say what happened; unexpected errors with their type."""
    return str(error) if isinstance(error, RescenError) else f'{type(error).__name__}: {error}'
