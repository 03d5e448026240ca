"""What a worker does with one map: deposits become visits, and visits are processed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import logging
from pathlib import Path
from threading import Event
from typing import Any, TYPE_CHECKING

from rescene4d_ros.data.readers.columns import with_origin
from rescene4d_ros.errors import (
    DuplicateVisitError,
    FileFormatError,
    MemoryLockedError,
    ScanError,
    StorageError,
    VisitOrderError,
)
from rescene4d_ros.fleet.database import deposits, DepositStatus, FleetDatabase, schema_of
from rescene4d_ros.fleet.fetched_files import FetchedFiles
from rescene4d_ros.fleet.leases import Lease
from rescene4d_ros.fleet.point_store import open_store
from rescene4d_ros.fleet.visit_guard import Outcome, tell, VisitGuard
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.visit_files import POINTS
from rescene4d_ros.plausibility.check import in_memory_frame
from rescene4d_ros.scene.mask_source import MaskProvider
from rescene4d_ros.scene.processing_settings import make_tracker
from rescene4d_ros.scene.scan_acceptance import ScanAcceptance
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import Scan, VisitStatus
from sqlalchemy import select

if TYPE_CHECKING:
    from rescene4d_ros.fleet.worker import WorkerConfig, WorkerStats

log = logging.getLogger(__name__)


@dataclass
class _OpenMap:
    """Hold what is open while a lease is held."""

    lease: Lease
    memory: SceneMemory
    guard: VisitGuard
    tracker: SceneTracker
    acceptance: ScanAcceptance


class MapWork:
    """
    Process the deposits of one map after another.

    Parameters
    ----------
    database : FleetDatabase
    points : str
        Folder or URL of the store of points.
    folder : path
        Of this worker alone.
    segmenter : MaskProvider
    config : WorkerConfig
    settings : mapping
        As for `Worker`.
    stats : WorkerStats

    """

    def __init__(
        self,
        database: FleetDatabase,
        points: str,
        folder: Path,
        segmenter: MaskProvider,
        config: WorkerConfig,
        settings: Mapping[str, Any],
        stats: WorkerStats,
    ):
        self._database, self._points, self._folder = database, points, folder
        self._segmenter, self._config, self._settings = segmenter, config, settings
        self._stats = stats
        open_store(points, '')  # raises where there is no such kind of store

    def process(self, lease: Lease, stop: Event) -> None:
        """
        Process what waits for a map, in the order of stamps.

        Raises
        ------
        LeaseLostError
            Another worker has the map.
        RescenError
            The map cannot be worked on now; what is stored is kept.

        """
        with self._memory_of(lease) as memory:
            memory.database.guard = guard = VisitGuard(lease)
            with memory.database.writing() as connection:
                lease.note_writer(connection)
            self._segmenter.keep_features(memory.files.derived)
            tracker = make_tracker(memory, self._segmenter, self._settings, self._stats.stage)
            register = self._config.plausibility == 'register'
            acceptance = ScanAcceptance(memory, register=register)
            opened = _OpenMap(lease, memory, guard, tracker, acceptance)
            ids = memory.metadata.next_object_id
            try:
                self._process_all(opened, stop)
            finally:
                self._stats.ids += memory.metadata.next_object_id - ids
                self._stats.outcomes.update(outcome.status for outcome in guard.outcomes)

    def _process_all(self, opened: _OpenMap, stop: Event) -> None:
        """Finish what another worker began, then take one deposit after the other."""
        if opened.lease.is_inherited:
            self._count_ended_worker(opened)
        for visit in opened.memory.pending():
            if not stop.is_set():
                self._process_next(opened, visit.visit_id)
        while not stop.is_set() and not opened.lease.is_lost:
            row = self._next_deposit(opened.lease)
            if row is None:
                break
            self._take_in(opened, row)
        if stop.is_set() or opened.lease.is_lost:
            return
        late = opened.memory.visits(VisitStatus.LATE)
        if late and self._config.auto_reprocess:
            with self._stats.stage('reprocess'):
                opened.tracker.reprocess(late[0].visit_id)

    def _memory_of(self, lease: Lease) -> SceneMemory:
        """Open the memory of a map for writing; end the connection of a holder that stalls."""
        path = self._folder / schema_of(lease.map_id)
        store = open_store(self._points, schema_of(lease.map_id))
        most = round(self._config.cache_megabytes * 1e6)
        how = {
            'map_id': lease.map_id,
            'frame_id': self._config.map_frame,
            'class_names': self._segmenter.class_names,
            'weights_hash': self._segmenter.weights_hash,
            'url': self._database.map_url(lease.map_id),
            'files': FetchedFiles(path / POINTS, store, most),
        }
        try:
            return SceneMemory.open(path, **how)
        except MemoryLockedError:
            if not lease.end_previous_writer():
                raise  # a person has it open
            log.warning('map %s: ended the connection of a worker that stalls', lease.map_id)
            return SceneMemory.open(path, **how)

    def _next_deposit(self, lease: Lease):
        """Return the oldest deposit that waits; None where none does."""
        with self._database.transaction() as connection:
            of_map = deposits.c.map_id == lease.map_id
            waiting = select(deposits).where(of_map, deposits.c.status == DepositStatus.PENDING)
            return connection.execute(waiting.order_by(deposits.c.stamp_ns).limit(1)).first()

    def _take_in(self, opened: _OpenMap, row) -> None:
        """Make a deposit a visit and process it, or refuse it."""
        memory, guard = opened.memory, opened.guard
        try:
            with self._stats.stage('read'):
                sent = memory.files.read(row.file)
            with self._stats.stage('check'):
                scan = self._checked(opened, sent)
            file_name = row.file if scan is sent else None
            guard.taking = row.deposit_id
            with self._stats.stage('store'):
                visit = memory.add_visit(scan, file_name)
        except VisitOrderError:  # stored as LATE
            return
        except (ScanError, FileFormatError, DuplicateVisitError) as error:
            self._refuse(opened, row.deposit_id, error)
            return
        finally:
            guard.taking = None
        if file_name is None and memory.key(visit.visit_id) != row.file:
            memory.files.remove(row.file)  # the visit has the points that were checked
        self._process_next(opened, visit.visit_id)

    def _checked(self, opened: _OpenMap, scan: Scan) -> Scan:
        """Return what should be stored of a scan; the scan itself where nothing is different."""
        memory = opened.memory
        scan = with_origin(scan, memory.origin) if memory.origin is not None else scan
        if self._config.plausibility == 'off':
            return in_memory_frame(scan, memory.map_T_memory())
        checked, kept = opened.acceptance.checked(scan)
        is_same = kept.all() and checked.findings == scan.findings and checked.xyz is scan.xyz
        return scan if is_same else checked

    def _process_next(self, opened: _OpenMap, visit_id: int) -> None:
        """Process a visit, the oldest that waits; one that fails does not stop the others."""
        try:
            with self._stats.stage('process'):
                update = opened.tracker.process_next()
        except StorageError:
            raise
        except Exception as error:  # of any kind: the visit is FAILED with it
            if any(visit.visit_id == visit_id for visit in opened.memory.pending()):
                raise  # not the visit's fault: it would be tried without end
            log.error('map %s: a visit failed: %s', opened.lease.map_id, error)
            return
        if update is not None:
            log.info(
                'map %s: visit %d processed, %d changes, revision %d',
                opened.lease.map_id,
                update.visit.visit_id,
                len(update.changes),
                update.revision,
                extra={
                    'fields': {
                        'map': opened.lease.map_id,
                        'visit': update.visit.visit_id,
                        'revision': update.revision,
                        'changes': len(update.changes),
                        'objects': len(update.objects),
                    }
                },
            )

    def _count_ended_worker(self, opened: _OpenMap) -> None:
        """Count that the visit at hand ended a worker; give it up where it ended too many."""
        lease, memory = opened.lease, opened.memory
        pending = memory.pending()
        if pending:
            at_hand = deposits.c.visit_id == pending[0].visit_id
        else:
            row = self._next_deposit(lease)
            at_hand = deposits.c.deposit_id == (row.deposit_id if row else 0)
        with self._database.transaction() as connection:
            lease.check(connection)
            change = deposits.update().where(deposits.c.map_id == lease.map_id, at_hand)
            counted = change.values(attempts=deposits.c.attempts + 1)
            kept = deposits.c.deposit_id, deposits.c.attempts
            found = connection.execute(counted.returning(*kept)).first()
        if found is None or found.attempts < self._config.attempts:
            return
        reason = (
            f'{found.attempts} workers ended while they had this visit, perhaps for want of memory'
        )
        if pending:
            memory.fail(pending[0].visit_id, reason)
        else:
            self._refuse(opened, found.deposit_id, ScanError(reason))

    def _refuse(self, opened: _OpenMap, deposit_id: int, error: Exception) -> None:
        """Mark a deposit that cannot be a visit; its points stay in the store."""
        lease, revision = opened.lease, opened.memory.metadata.revision
        refused = DepositStatus.REFUSED
        with self._database.transaction() as connection:
            lease.check(connection)
            tell(
                connection,
                Outcome(lease.map_id, deposit_id, refused, None, revision, str(error)[:2000]),
            )
        self._stats.outcomes[refused] += 1
        log.warning('map %s: a deposit was refused: %s', lease.map_id, error)
