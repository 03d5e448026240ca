"""From message to stored visit: a bounded queue, and a thread that never waits for one cloud."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math
from threading import Condition, Thread, TIMEOUT_MAX
import time
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rescene4d_ros.errors import (
    FrameUnavailableError,
    MemoryDamagedError,
    RescenError,
    StorageError,
    VisitOrderError,
)
from rescene4d_ros.node.diagnostics import NodeStats, text_of
from rescene4d_ros.node.parameters import NodeConfig
from rescene4d_ros.structures import Scan, Severity, VisitInfo, VisitStatus
from sensor_msgs.msg import PointCloud2

TF_RETRY = 0.05  # s; between two looks for a transform
PUBLISHERS = 64  # whose numbers are kept
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

    Attributes
    ----------
    is_paused : bool
        Whether clouds are refused, until it is set back.

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
        self._newest: dict[bytes, int] = {}  # publisher -> number of its newest cloud
        self._disk_retry = 0.0  # s, monotonic; the disk is left alone until then
        self.is_paused = False
        self._changed = Condition()
        self._stopping = False
        self._thread = Thread(target=self._run, name='intake', daemon=True)
        self._thread.start()

    def on_message(self, message: PointCloud2, info: Mapping[str, Any]) -> None:
        """Receive a message with what rclpy says of it."""
        self._count_lost(info)
        self.receive(message)

    def receive(self, message: PointCloud2) -> None:
        """Queue a message, or drop one where too many are held; returns at once."""
        self._stats.count('received')
        if self.is_paused:
            self._stats.count('refused', refusal='paused; call ~/resume to take snapshots again')
            return
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

    def lost(self, count: int) -> None:
        """Count clouds that the middleware says are lost, where gaps in numbers do not tell."""
        if not self._newest:
            self._tell_lost(count)

    def _count_lost(self, info: Mapping[str, Any]) -> None:
        """Count the gap before a message: DDS overwrites what is not taken without a word."""
        number, publisher = info.get('publication_sequence_number'), info.get('publisher_gid')
        if number is None or publisher is None:
            return
        key = bytes(publisher['data'])
        before = self._newest.pop(key, None)
        self._newest[key] = number  # the last one again
        if len(self._newest) > PUBLISHERS:
            del self._newest[next(iter(self._newest))]
        if before is not None and number - before > 1:
            self._tell_lost(number - before - 1)

    def _tell_lost(self, count: int) -> None:
        text = (
            f'expected every cloud that was sent, {count} were lost in DDS before they were '
            'taken; send clouds less often or raise snapshots_depth, and where '
            'snapshots_reliability is best_effort, make it reliable'
        )
        self._stats.count('lost', count, refusal=text)
        self._log.warning(text, throttle_duration_sec=5.0)

    @property
    def n_held(self) -> int:
        """Return how many clouds are neither stored nor refused yet."""
        return len(self._held)

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
                self._changed.wait_for(
                    lambda: self._stopping or self._seconds_left() <= 0.0, self._seconds_left()
                )
                is_last, clouds = self._stopping, []
                if is_last or self._seconds_left() <= 0.0:
                    clouds = list(self._held)  # all, so that they are stored in their order
            for cloud in clouds:
                if not self._is_done(cloud, is_last):
                    continue
                with self._changed:
                    if cloud in self._held:  # else dropped meanwhile
                        self._held.remove(cloud)
            self._stats.update(held=len(self._held))
            if is_last:
                return

    def _seconds_left(self) -> float:
        """Return the time to the next try, s; without end where nothing is held."""
        next_try = min((cloud.next_try for cloud in self._held), default=math.inf)
        return min(next_try - time.monotonic(), TIMEOUT_MAX)

    def _is_done(self, cloud: HeldCloud, is_last: bool) -> bool:
        """Store a cloud or refuse it; False where it is to be tried again."""
        now = time.monotonic()
        try:
            if now < self._disk_retry and not is_last:
                cloud.next_try = self._disk_retry
                return False
            self._store_visit(cloud, is_last or now - cloud.arrived >= self._settings.tf_timeout)
            return True
        except FrameUnavailableError as error:
            if not is_last and now - cloud.arrived < self._settings.tf_timeout:
                cloud.next_try = now + TF_RETRY
                return False
            self._refused(error)
        except StorageError as error:
            if not is_last and now - cloud.arrived < self._settings.disk_timeout:
                self._disk_retry = cloud.next_try = now + DISK_RETRY
                self._stats.problem('storing', f'{error}; trying again')
                self._log.warning(str(error), throttle_duration_sec=10.0)
                return False
            self._refused(error)
        except Exception as error:
            if isinstance(error, MemoryDamagedError):
                self._stats.problem('storing', str(error))
            self._refused(error)
        return True

    def _store_visit(self, cloud: HeldCloud, is_last_try: bool) -> None:
        if cloud.scan is None:
            with self._stats.stage('decode'):
                cloud.scan, cloud.message = self._decode(cloud.message), None
        with self._stats.stage('check'):
            scan = self._prepare(cloud.scan, is_last_try)
        warnings = tuple(str(f) for f in scan.findings if f.severity != Severity.INFO)
        refusal = ''
        try:
            with self._stats.stage('store'):
                visit = self._store(scan)
            self._log.info(f'visit {visit.visit_id} stored ({visit.n_points} points)')
        except VisitOrderError as error:  # stored all the same
            refusal = str(error)
            self._log.warning(refusal)
        for warning in warnings:
            self._log.warning(f'{scan.name}: {warning}')
        self._stats.solved('storing')
        self._stats.count('stored', refusal=refusal, warnings=warnings)
        self._stored()

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
