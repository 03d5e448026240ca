"""From message to stored visit: a bounded queue, and a thread that never waits for one cloud."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread
import time

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rescene4d_ros.errors import (
    FrameUnavailableError,
    MemoryDamagedError,
    RescenError,
    StorageError,
    VisitOrderError,
)
from rescene4d_ros.node.config import NodeConfig
from rescene4d_ros.node.stats import NodeStats, text_of
from rescene4d_ros.structures import Scan, Severity, VisitInfo, VisitStatus
from sensor_msgs.msg import PointCloud2

TF_RETRY = 0.05  # s; between two looks for a transform
DISK_RETRY = 1.0  # s; between two tries to store


@dataclass(eq=False)
class HeldCloud:
    """Hold a cloud that is not stored yet; decoded once that has been done."""

    message: PointCloud2 | None
    n_bytes: int
    arrived: float  # s, monotonic
    scan: Scan | None = None
    next_try: float = 0.0  # s, monotonic


class Intake:
    """
    Take clouds in and store them as visits, in the order in which they can be stored.

    A cloud whose transform is not known yet, or that the disk refuses, is held and tried again
    until its time is up; clouds that came later are not kept waiting by a transform. What is held
    is bounded in number and bytes; beyond that `settings.intake_when_full` says what happens.

    Parameters
    ----------
    decode : callable(PointCloud2) -> Scan
        Checks a message; raises RescenError.
    prepare : callable(Scan, bool) -> Scan
        Brings a scan to the map frame without waiting, at the last try or before, and checks it;
        raises RescenError, FrameUnavailableError where waiting may help.
    store : callable(Scan) -> VisitInfo
        Makes a visit durable; raises RescenError.
    stored : callable()
        Called after each visit that waits for processing.
    settings : NodeConfig
    stats : NodeStats
    log : logger

    """

    def __init__(
        self,
        decode: Callable[[PointCloud2], Scan],
        prepare: Callable[[Scan, bool], Scan],
        store: Callable[[Scan], VisitInfo],
        stored: Callable[[], None],
        settings: NodeConfig,
        stats: NodeStats,
        log,
    ):
        self._decode, self._prepare, self._store, self._stored = decode, prepare, store, stored
        self._settings, self._stats, self._log = settings, stats, log
        self._held: deque[HeldCloud] = deque()
        self._changed = Condition()
        self._stopping = False
        self._thread = Thread(target=self._run, name='intake', daemon=True)
        self._thread.start()

    def receive(self, message: PointCloud2) -> None:
        """Queue a message, or drop one where too many are held; returns at once."""
        self._stats.count('received')
        cloud = HeldCloud(message, len(message.data), time.monotonic())
        with self._changed:
            if self._is_full(cloud.n_bytes) and self._settings.intake_when_full != 'wait':
                is_oldest = self._settings.intake_when_full == 'drop_oldest' and self._held
                dropped = self._held.popleft() if is_oldest else cloud
                self._dropped(dropped)
                if dropped is cloud:
                    return
            self._held.append(cloud)
            self._changed.notify()

    @property
    def is_full(self) -> bool:
        """Return whether another cloud would be too many."""
        with self._changed:
            return self._is_full(0)

    def stop(self) -> None:
        """Store what can be stored without waiting; refuse the rest."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _is_full(self, n_bytes: int) -> bool:
        held = sum(cloud.n_bytes for cloud in self._held) + n_bytes
        return (
            len(self._held) >= self._settings.intake_limit
            or (bool(self._held) and held > self._settings.intake_megabytes * 1e6)
            or self._stats.now().statuses[VisitStatus.PENDING] >= self._settings.backlog_limit
        )

    def _dropped(self, cloud: HeldCloud) -> None:
        text = (
            f'expected fewer than {self._settings.intake_limit} clouds, '
            f'{self._settings.intake_megabytes:g} MB and {self._settings.backlog_limit} visits to '
            f'wait, got more; cloud of {cloud.n_bytes} bytes dropped; send clouds less often, '
            'raise intake_limit, or set intake_when_full to wait'
        )
        self._stats.count('dropped', refusal=text)
        self._log.warning(text, throttle_duration_sec=5.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._due(), self._until_next())
                clouds, is_last = (
                    list(self._held) if self._stopping else self._due(),
                    self._stopping,
                )
            for cloud in clouds:
                if is_last or cloud.next_try <= time.monotonic():
                    self._try(cloud, is_last)
            self._stats.update(held=len(self._held))
            if is_last:
                return

    def _due(self) -> list[HeldCloud]:
        now = time.monotonic()
        return [cloud for cloud in self._held if cloud.next_try <= now]

    def _until_next(self) -> float | None:
        if not self._held:
            return None
        return max(0.0, min(cloud.next_try for cloud in self._held) - time.monotonic())

    def _try(self, cloud: HeldCloud, is_last: bool) -> None:
        """Store a cloud, hold it for later, or refuse it."""
        try:
            if cloud.scan is None:
                cloud.scan, cloud.message = self._decode(cloud.message), None
            waited = time.monotonic() - cloud.arrived >= self._settings.tf_timeout
            scan = self._prepare(cloud.scan, is_last or waited)
            warnings = tuple(str(f) for f in scan.findings if f.severity != Severity.INFO)
            visit = self._store(scan)
        except (FrameUnavailableError, StorageError) as error:
            is_disk = isinstance(error, StorageError)
            patience = self._settings.disk_timeout if is_disk else self._settings.tf_timeout
            now = time.monotonic()
            if not is_last and now - cloud.arrived < patience:
                if is_disk:
                    self._wait_for_disk(error, now + DISK_RETRY)
                else:
                    cloud.next_try = now + TF_RETRY
                return
            self._refused(error)
        except VisitOrderError as error:  # stored all the same
            self._stats.count('stored', refusal=str(error), warnings=warnings)
            self._log.warning(str(error))
            self._stored()
        except Exception as error:
            if isinstance(error, MemoryDamagedError):
                self._stats.problem('storing', str(error))
            self._refused(error)
        else:
            self._stats.solved('storing')
            self._stats.count('stored', refusal='', warnings=warnings)
            for warning in warnings:
                self._log.warning(f'visit {visit.visit_id}: {warning}')
            self._log.info(f'visit {visit.visit_id} stored ({visit.n_points} points)')
            self._stored()
        with self._changed:
            if cloud in self._held:  # else dropped meanwhile
                self._held.remove(cloud)

    def _wait_for_disk(self, error: StorageError, next_try: float) -> None:
        """Hold everything: the disk would refuse the other clouds too."""
        with self._changed:
            for cloud in self._held:
                cloud.next_try = next_try
        self._stats.problem('storing', f'{error}; trying again')
        self._log.warning(str(error), throttle_duration_sec=10.0)

    def _refused(self, error: Exception) -> None:
        self._stats.count('refused', refusal=text_of(error))
        if isinstance(error, RescenError):
            self._log.warning(f'snapshot refused: {error}')
        else:
            self._log.error(f'snapshot refused: {text_of(error)}')


class WhileNotFull(MutuallyExclusiveCallbackGroup):
    """Leave clouds in DDS while the intake is full: back pressure, as far as its history goes."""

    def __init__(self, intake: Intake):
        super().__init__()
        self._intake = intake

    def can_execute(self, entity) -> bool:
        """Return whether a cloud may be taken."""
        return not self._intake.is_full and super().can_execute(entity)
