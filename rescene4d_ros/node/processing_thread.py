"""The thread that processes stored visits in stamp order and has their results published."""

from __future__ import annotations

from collections.abc import Callable
import os
import subprocess
import sys
from threading import Condition, Thread
import time
from typing import TypeVar

from rescene4d_ros.config import path_of
from rescene4d_ros.errors import CorrectedMeanwhileError, StorageError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.diagnostics import NodeStats, text_of, UNTIL_A_VISIT
from rescene4d_ros.node.parameters import NodeConfig, RetentionConfig
from rescene4d_ros.node.results import ResultPublisher
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import SceneUpdate, VisitChanges, VisitStatus

PASSING = (StorageError, CorrectedMeanwhileError)  # errors that go away by themselves
U = TypeVar('U', bound=VisitChanges)
REPORT = 'rescene4d_ros.cli.main'
REPORT_LIMIT = 600.0  # s; for one report
DAY_NS = 86_400 * 10**9
RETRY = 5.0  # s; after an error that is not the visit's


class Stopped(Exception):
    """The node is deactivated while visits are processed anew; the memory is as before."""


class Canceled(Exception):
    """A reprocess was given up on request; the memory is as before."""


class ProcessingThread:
    """
    Process stored visits, and process them anew where that is asked for or one came late.

    The memory is the queue: a visit is durable before anything is computed from it, and what
    waits is read from there. So a crash loses nothing that was stored.

    Parameters
    ----------
    tracker : SceneTracker
    memory : SceneMemory
    results : ResultPublisher
    settings : NodeConfig
        Whether late visits are taken in without being asked, and where reports go.
    retention : RetentionConfig
        How long visits keep all points.
    stats : NodeStats
    log : logger

    """

    def __init__(
        self,
        tracker: SceneTracker,
        memory: SceneMemory,
        results: ResultPublisher,
        settings: NodeConfig,
        retention: RetentionConfig,
        stats: NodeStats,
        log,
    ):
        self._tracker, self._memory, self._results = tracker, memory, results
        self._settings, self._stats, self._log = settings, stats, log
        self._thinning = thinning(memory, retention)
        self._changed = Condition()
        self._has_work = True  # what a crash left behind
        self._tickets = 0  # requests to process visits anew so far
        self.answered = 0  # the ticket up to which they are done
        self.failure = ''  # why the newest of them failed; empty where it did not
        self.progress = (0, 0)  # visits computed and to compute of the one at hand
        self._canceled = False
        self._requested: set[int] = set()  # first visits of the reprocesses asked for; 0 = oldest
        self._stopping = False
        self._thread = Thread(target=self._run, name='processing', daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for stored visits; returns at once."""
        with self._changed:
            self._has_work = True
            self._changed.notify()

    def reprocess(self, from_visit: int) -> bool:
        """
        Ask for all visits from one on (0 = the oldest) to be processed anew; returns at once.

        Requests that wait are one: all from the earliest visit on.

        Returns
        -------
        bool
            Whether it joined a request that waits already.

        """
        with self._changed:
            joined = bool(self._requested)
            self._requested.add(from_visit)
            self._tickets += 1
            self._changed.notify()
        return joined

    @property
    def ticket(self) -> int:
        """Return the number of the newest request; it is done when `answered` has reached it."""
        return self._tickets

    def cancel_reprocess(self) -> None:
        """Give up the reprocess at hand, and what waits; the memory stays as it is."""
        with self._changed:
            self._canceled = True
            self._requested = set()

    def stop(self) -> None:
        """Finish the visit at hand; stored visits wait for the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def count(self) -> None:
        """Note in the statistics what is remembered."""
        count_memory(self._memory, self._stats)

    def _run(self) -> None:
        pause = None
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._has_work or self._requested, pause
                )
                if self._stopping:
                    return
                self._has_work = False
            try:
                self._work()
                self._stats.solved('processing')
                pause = 0.0 if self._thinning() else None  # visits that came meanwhile go first
            except Stopped:
                return
            except Exception as error:
                self._stats.problem('processing', text_of(error))
                self._log.error(f'processing: {text_of(error)}', throttle_duration_sec=30.0)
                if not isinstance(error, PASSING):  # it is not tried again
                    self.failure, self.answered = text_of(error), self._tickets
                # The disk may be back then, and nobody correct; else until something happens.
                pause = RETRY if isinstance(error, PASSING) else None

    def _work(self) -> None:
        """Process what waits, then what is asked for anew."""
        self.count()
        while not self._stopping and self._process_next():
            self.count()
        if self._stopping:
            return
        with self._changed:
            requested, self._requested = self._requested, set()
            ticket, self._canceled = self._tickets, False
        late = {v.visit_id for v in self._memory.visits(VisitStatus.LATE)}
        if self._settings.auto_reprocess:
            requested |= late
        if requested:
            try:
                self._reprocess(self._earliest(requested))
            except Canceled:
                self._log.info('reprocess canceled; the memory is as before')
            except PASSING:
                with self._changed:
                    self._requested |= requested - late
                raise
        self.answered, self.failure = ticket, ''
        self.count()

    def _process_next(self) -> bool:
        """Process one visit; False where none waits. One that fails does not stop the others."""
        start = time.perf_counter()
        pending = len(self._memory.pending())
        try:
            update = self._tracker.process_next()
        except StorageError:
            raise  # the visit stays PENDING
        except Exception as error:
            if len(self._memory.pending()) >= pending:
                raise  # not the visit's fault: it would be tried without end
            self._failed(error)
            return True
        if update is None:
            return False
        self._done(update, time.perf_counter() - start)
        with self._stats.stage('publish'):
            self._published(self._results.publish, update)
        if self._settings.report_folder:
            self._report(update.visit.visit_id)
        return True

    def _reprocess(self, from_visit: int | None) -> None:
        start = time.perf_counter()
        result = self._tracker.reprocess(from_visit, self._stop_when_asked)
        if result.scene is None:
            return
        share = (time.perf_counter() - start) / len(result.visits)
        for changes in result.visits:
            self._published(self._results.publish_changes, changes)
            self._stats.count('processed', seconds=share, failure='')
        self._published(self._results.publish_scene, result.scene)
        self._stats.update(refusal='')  # late visits are taken in now
        self._log.info(f'{len(result.visits)} visits processed anew, {share:.1f} s each')

    def _stop_when_asked(self, done: int, total: int) -> None:
        self.progress = (done, total)
        if self._stopping:
            raise Stopped
        if self._canceled:
            raise Canceled

    def _earliest(self, requested: set[int]) -> int | None:
        """Return the one with the earliest stamp; None = all."""
        if 0 in requested:
            return None
        return next((v.visit_id for v in self._memory.visits() if v.visit_id in requested), None)

    def _done(self, update: SceneUpdate, seconds: float) -> None:
        self._stats.count('processed', seconds=seconds, failure='')
        self._stats.solved(*UNTIL_A_VISIT)
        self._log.info(
            f'visit {update.visit.visit_id} processed in {seconds:.1f} s: '
            f'{len(update.objects)} objects remembered, {len(update.changes)} changes, '
            f'revision {update.revision}'
        )

    def _published(self, publish: Callable[[U], None], update: U) -> None:
        """Publish; what was processed is stored, so an error must not count as the visit's."""
        try:
            publish(update)
            self._stats.solved('publishing')
        except Exception as error:
            self._stats.problem('publishing', text_of(error))
            self._log.error(f'publishing failed: {text_of(error)}')

    def _report(self, visit_id: int) -> None:
        """
        Write what the visit changed as a page.

        A process of its own does it, so that it cannot end this one; an error is not the visit's.
        """
        path = path_of(self._settings.report_folder) / f'visit_{visit_id}.html'
        command = (sys.executable, '-m', REPORT, 'report', self._memory.path, '--out', path)
        password = self._memory.database.url.password
        known = {} if password is None else {'PGPASSWORD': password}  # not in the folder
        why = ''
        try:
            done = subprocess.run(
                command,
                env=os.environ | known,
                capture_output=True,
                text=True,
                timeout=REPORT_LIMIT,
            )
            if done.returncode:
                why = (done.stderr.strip() or f'exit status {done.returncode}').splitlines()[-1]
        except (OSError, subprocess.TimeoutExpired) as error:
            why = text_of(error)
        if why:
            self._stats.problem('report', f'{path}: {why}')
            self._log.error(f'{path}: no report ({why}); check the parameter report_folder')
        else:
            self._stats.solved('report')
            self._log.info(f'what visit {visit_id} changed: {path}')

    def _failed(self, error: Exception) -> None:
        self._stats.count('failed', failure=text_of(error))
        self._log.error(f'processing failed: {text_of(error)}')


def thinning(memory: SceneMemory, retention: RetentionConfig) -> Callable[[], int]:
    """Return what thins some old visits, and tells how many."""
    if not retention.thin_after:
        return lambda: 0
    from rescene4d_ros.memory.maintenance.thinning_policy import ThinningPolicy

    policy, age_ns = ThinningPolicy(memory, retention.spacing), retention.thin_after * DAY_NS
    return lambda: policy.step(time.time_ns() - round(age_ns)).visits


def count_memory(memory: SceneMemory, stats: NodeStats) -> None:
    """Note in the statistics what is remembered."""
    visits = memory.visits()
    stats.update(
        visits=len(visits),
        statuses={s: sum(visit.status == s for visit in visits) for s in VisitStatus},
        objects=len(memory.records),
        revision=memory.metadata.revision,
        origin=memory.origin or (0.0, 0.0, 0.0),
    )
