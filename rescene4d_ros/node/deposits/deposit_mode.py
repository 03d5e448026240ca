"""A node whose visits a fleet processes: a spool, what is sent, what is published of results."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from rclpy.lifecycle import LifecycleNode
from rescene4d_ros.config import path_of
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.fleet.database import FleetDatabase, memory_url, schema_of
from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.fleet.fetched_files import FetchedFiles
from rescene4d_ros.fleet.point_store import open_store
from rescene4d_ros.fleet.results import Results
from rescene4d_ros.fleet.spool import Spool
from rescene4d_ros.fleet.visit_guard import Outcome
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.visit_files import POINTS
from rescene4d_ros.node.deposits.listening_thread import ListeningThread
from rescene4d_ros.node.deposits.sending_thread import SendingThread
from rescene4d_ros.node.diagnostics import NodeStats
from rescene4d_ros.node.parameters import Settings
from rescene4d_ros.node.processing_thread import count_memory
from rescene4d_ros.node.results import ResultPublisher
from rescene4d_ros.node.services import MemoryServices
from rescene4d_ros.plausibility.check import check_scan, checked_scan
from rescene4d_ros.structures import Scan, VisitChanges, VisitInfo, VisitStatus

FOLDER = 'memory'  # in the spool: copies of points that results are published with
COPIES = 10**9  # bytes of them


class DepositMode:
    """
    Deposit the visits of a node, and publish what workers make of them.

    The memory of the map belongs to the worker; the node reads it, once there is one.

    Parameters
    ----------
    node : LifecycleNode
    settings : Settings
    results : ResultPublisher
    stats : NodeStats

    Raises
    ------
    ConfigError
        No such database or store.
    MemoryLockedError, StorageError
        The spool cannot be used.

    """

    def __init__(
        self, node: LifecycleNode, settings: Settings, results: ResultPublisher, stats: NodeStats
    ):
        fleet, self._map_id = settings.fleet, settings.memory.map_id
        self._node, self._settings, self._results = node, settings, results
        self._stats, self._log = stats, node.get_logger()
        self.folder = path_of(fleet.spool)
        self._memory: SceneMemory | None = None
        with ExitStack() as held:
            self._database = FleetDatabase(fleet.url)
            held.callback(self._database.close)
            spool = held.enter_context(Spool(self.folder, round(fleet.spool_megabytes * 1e6)))
            self._depositor = held.enter_context(
                Depositor(
                    FleetDatabase(fleet.url),
                    fleet.points,
                    spool,
                    self._map_id,
                    settings.node.map_frame,
                    fleet.robot,
                )
            )
            self._held = held.pop_all()
        self._running = ExitStack()
        self._sending: SendingThread | None = None
        self.count()

    def start(self) -> None:
        """Send what waits, and hear of results, until `stop`."""
        self._sending = SendingThread(self._depositor, self.count, self._stats, self._log)
        self._running.callback(self._sending.stop)
        listening = ListeningThread(
            Results(self._database, (self._map_id,)),
            self._show_all,
            self._show_changes,
            self._show_scene,
            self._stats,
            self._log,
        )
        self._running.callback(listening.stop)

    def stop(self) -> None:
        """Stop sending and listening; harmless when repeated."""
        self._running.close()

    def checked(self, scan: Scan) -> Scan:
        """
        Return a scan in the map as it is deposited; the worker compares it with the memory.

        Raises
        ------
        ScanError
            It is implausible, whatever the map.

        """
        mode = self._settings.node.plausibility
        if mode == 'off':
            return scan
        found = check_scan(scan)
        if mode != 'warn':
            remedy = 'set the parameter plausibility to warn to deposit such clouds'
            found.require(scan.name, remedy=remedy)
        return checked_scan(scan, found)

    def store(self, scan: Scan) -> VisitInfo:
        """Store a visit durably in the spool; raises as `Depositor.add`."""
        path = self._depositor.add(scan)
        self.count()
        return VisitInfo(int(path.stem), scan.stamp_ns, VisitStatus.PENDING, scan.name, len(scan))

    def stored(self) -> None:
        """Send what was stored; returns at once."""
        if self._sending is not None:
            self._sending.wake()

    def count(self) -> None:
        """Note in the statistics what waits in the spool; asks no server, which may be away."""
        statuses = dict(self._stats.now().statuses)
        statuses[VisitStatus.PENDING] = self._depositor.waiting
        self._stats.update(statuses=statuses)

    def _show_all(self) -> None:
        """Publish the state of the memory, where there is one."""
        try:
            self._read_memory()
        except MemoryFormatError as error:
            self._log.info(f'no visit of map {self._map_id!r} is processed yet ({error})')
            return
        self._results.publish_all()
        self._count_remembered()

    def _show_changes(self, outcomes: list[Outcome]) -> None:
        """Publish what visits changed: all of it, or nothing where the server is away."""
        memory = self._read_memory()
        visits = {visit.visit_id: visit for visit in memory.visits()}
        updates = []
        for outcome in outcomes:
            if outcome.visit_id not in visits:
                continue  # deleted since
            visit = visits[outcome.visit_id]
            found = memory.changes(outcome.revision - 1)
            changes = tuple(c for c in found if c.visit_id == visit.visit_id)
            updates.append(VisitChanges(visit, outcome.revision, changes))
        for update in updates:
            self._results.publish_changes(update)

    def _show_scene(self) -> None:
        """Publish the scene as the memory has it now."""
        self._results.publish_remembered()
        self._count_remembered()

    def _count_remembered(self) -> None:
        """Note in the statistics what the memory holds, beside what waits in the spool."""
        if self._memory is not None:
            count_memory(self._memory, self._stats)
        self.count()

    def _read_memory(self) -> SceneMemory:
        """Return the memory of the map as it is now; opened, with its services, at the first."""
        if self._memory is None:
            self._memory = self._held.enter_context(self._opened())
            self._results.memory = self._memory
            services = MemoryServices(
                self._node,
                self._memory,
                self._stats,
                corrected=lambda: None,
                reprocess=lambda _: None,
                pause=lambda _: False,
                may_correct=False,
            )
            self._held.callback(services.close)
        with self._memory.mutex:
            self._memory.database.reload(with_records=False, with_past=False)
            self._memory.map_T_memory()  # known from here on, also while the server is away
        return self._memory

    def _opened(self) -> SceneMemory:
        folder = self.folder / FOLDER
        (folder / POINTS).mkdir(parents=True, exist_ok=True)
        schema = schema_of(self._map_id)
        files = FetchedFiles(
            folder / POINTS, open_store(self._settings.fleet.points, schema), COPIES
        )
        return SceneMemory.inspect(
            Path(folder), memory_url(self._database.url, self._map_id), files
        )

    def close(self) -> None:
        """Stop, and let another process have the spool; harmless when repeated."""
        self.stop()
        self._held.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()
