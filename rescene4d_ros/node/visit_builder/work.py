"""From messages to published snapshots: a bounded queue and the thread that works on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread
import time

from rclpy.duration import Duration
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rescene4d_ros.errors import FrameUnavailableError, RescenError, ScanError
from rescene4d_ros.node.diagnostics import NodeStats, text_of, UNTIL_A_VISIT
from rescene4d_ros.node.messages.conversions import time_from_msg
from rescene4d_ros.node.visit_builder.inputs.measured import Measured, Poses
from rescene4d_ros.node.visit_builder.outlets import Outlets
from rescene4d_ros.node.visit_builder.settings import BuilderNodeConfig
from rescene4d_ros.structures.scan import check_not_future
from rescene4d_ros.visit_building.builder import BuiltVisit
from rescene4d_ros.visit_building.series import VisitSeries
from sensor_msgs.msg import PointCloud2


@dataclass
class End:
    """Say how a visit that was to end ended; `visit` is None where there is nothing of it."""

    is_done: bool = False
    visit: BuiltVisit | None = None
    message: str = ''


NOTHING = 'expected clouds of a visit, none have come; check the topic'
RETRY = 0.05  # s; between two looks for a pose
DELIVERY = 10.0  # s; how long subscribers may take for a snapshot
Task = Callable[[], None]


class VisitWork:
    """
    Offer clouds to a series of visits in their order, and publish the visits that end.

    A snapshot is published when somebody listens; until then, and until its arrival is
    acknowledged, its keyframes stay on the disk.

    Parameters
    ----------
    series : VisitSeries
    poses : Poses
    outlets : Outlets
    settings : BuilderNodeConfig
    stats : NodeStats
        `stored` counts published visits, `held` clouds that wait.
    log : logger
    now_ns : callable() -> int
        Time of the node, ns; 0 = unknown yet.

    Attributes
    ----------
    begins_at_once : bool
        Whether a visit begins without being asked for.
    is_building : bool
        Whether clouds belong to a visit; others are left out.
    is_paused : bool
        Whether clouds are refused and snapshots kept, until it is set back.
    n_ended : int
        Visits that ended since the start.
    ended : BuiltVisit, optional
        The newest of them.

    """

    def __init__(
        self,
        series: VisitSeries,
        poses: Poses,
        outlets: Outlets,
        settings: BuilderNodeConfig,
        stats: NodeStats,
        log,
        now_ns: Callable[[], int],
    ):
        self._series, self._poses, self._outlets = series, poses, outlets
        self._settings, self._stats, self._log = settings, stats, log
        self._now_ns = now_ns
        self._waiting: deque[tuple[float, Measured]] = deque()
        self._tasks: deque[tuple[float, Task]] = deque()
        self._finished: deque[BuiltVisit] = deque()
        self.begins_at_once = settings.begin_at_once
        self.is_building, self.is_paused = self.begins_at_once, False
        self.n_ended = 0
        self.ended: BuiltVisit | None = None
        self._heard = time.monotonic()  # the newest cloud
        self._changed = Condition()
        self._stopping = False
        self._thread = Thread(target=self._run, name='visits', daemon=True)
        self._thread.start()

    @property
    def n_undelivered(self) -> int:
        """Return how many finished visits wait for a subscriber."""
        return len(self._finished)

    def on_cloud(self, message: PointCloud2) -> None:
        """Queue a cloud; see `take`."""
        self.take(Measured(message.header, lambda: scan_from_cloud(message)))

    def take(self, measured: Measured) -> None:
        """Queue what was measured; where too many wait, the oldest is dropped and counted."""
        self._stats.count('received')
        if self.is_paused:
            self._stats.count('refused', refusal='paused; call ~/resume to build visits again')
            return
        if not self.is_building:
            return
        with self._changed:
            if len(self._waiting) >= self._settings.waiting_limit:
                self._waiting.popleft()
                text = (
                    f'expected at most {self._settings.waiting_limit} clouds to wait, got more; '
                    'the oldest is dropped: send clouds less often, or raise waiting_limit'
                )
                self._stats.count('dropped', refusal=text)
                self._log.warning(text, throttle_duration_sec=5.0)
            self._heard = time.monotonic()
            self._waiting.append((self._heard, measured))
            self._changed.notify_all()

    def finish(self) -> tuple[bool, str]:
        """End the visit with the clouds that wait; return whether there was one, and a text."""
        end = self.end()
        with self._changed:
            self._changed.wait_for(lambda: end.is_done, timeout=60.0)
        if not end.is_done:
            return False, 'expected an end within 60 s; it goes on'
        return end.visit is not None, end.message

    def end(self, reason: str = 'asked for', discard: bool = False) -> End:
        """End the visit after the clouds that wait, or drop it; returns at once."""
        end = End()

        def task() -> None:
            try:
                if discard:
                    was_there = self._series.discard()
                    end.message = 'dropped' if was_there else NOTHING
                elif (visit := self._series.finish(reason)) is not None:
                    self._note(visit)
                    end.visit, end.message = visit, f'{visit.scan.name}: {len(visit.scan)} points'
                else:
                    end.message = NOTHING
            except Exception as error:
                end.message = text_of(error)
            with self._changed:
                self.is_building = self.begins_at_once
                end.is_done = True
                self._changed.notify_all()

        with self._changed:
            self._tasks.append((time.monotonic(), task))
            self._changed.notify_all()
        return end

    def stop(self) -> None:
        """Finish the clouds at hand; the visit in the making stays in the spool."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        patience = self._settings.resume_within
        self._guarded(lambda: self._finished.extend(self._series.recover(patience > 0)))
        resumed = time.monotonic()
        if self._series.is_resumed:
            keyframes = self._series.counts.keyframes
            self._log.info(f'a visit goes on that was killed after {keyframes} keyframes')
        while True:
            waits_for_more = self._series.is_resumed and not self._waiting
            if waits_for_more and time.monotonic() - resumed > patience:
                self._guarded(lambda: self._finish_by_itself('no cloud since the restart'))
            if self._is_silent:
                self._guarded(lambda: self._finish_by_itself('no cloud came any more'))
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._waiting or self._tasks, timeout=0.5
                )
                if self._stopping:
                    return
                cloud = self._waiting[0] if self._waiting else None
                asked = self._tasks[0][0] if self._tasks else None
                task = None
                if asked is not None and (cloud is None or cloud[0] > asked):
                    task = self._tasks.popleft()[1]
            if task is not None:
                task()
            elif cloud is not None and self._is_done(*cloud):
                with self._changed:
                    if self._waiting and self._waiting[0] is cloud:
                        self._waiting.popleft()
            self._stats.update(held=len(self._waiting))
            is_wanted = not self.is_paused and self._outlets.snapshots.get_subscription_count()
            if self._finished and is_wanted:
                self._guarded(self._deliver)

    @property
    def _is_silent(self) -> bool:
        """Return whether the visit in the making waits for clouds for too long."""
        silence = self._settings.silence
        is_waiting = self._series.has_points and not self._waiting and not self._series.is_resumed
        return 0 < silence < time.monotonic() - self._heard and is_waiting

    def _finish_by_itself(self, reason: str) -> None:
        visit = self._series.finish(reason)
        if visit is not None:
            self._note(visit)

    def _note(self, visit: BuiltVisit) -> None:
        """Keep a visit that has ended for its delivery."""
        self._log.info(f'{visit.scan.name} ended: {visit.reason}')
        self._finished.append(visit)
        self.ended, self.n_ended = visit, self.n_ended + 1

    def _is_done(self, arrived: float, measured: Measured) -> bool:
        """Offer a cloud or refuse it; False where its pose may still come."""
        try:
            self._offer(measured)
        except FrameUnavailableError as error:
            if time.monotonic() - arrived < self._settings.tf_timeout:
                time.sleep(RETRY)
                return False
            self.refuse(error)
        except Exception as error:
            self.refuse(error)
        return True

    def _offer(self, measured: Measured) -> None:
        header = measured.header
        frame, stamp_ns = header.frame_id, time_from_msg(header.stamp)
        check_not_future(stamp_ns, self._now_ns(), self._settings.max_future)
        is_in_map = frame == self._settings.map_frame
        if is_in_map and not measured.is_cloud:
            raise ScanError(
                f'expected a depth image in the optical frame of its camera, got {frame!r}, the '
                'map; set header.frame_id'
            )
        sensor = self._settings.sensor_frame if is_in_map else frame
        pose = self._poses.pose(sensor, stamp_ns) if sensor else None
        for visit in self._series.offer(pose, stamp_ns, is_in_map, measured.decode):
            self._note(visit)
        self._stats.update(refusal='')

    def _deliver(self) -> None:
        visit = self._finished[0]
        self._outlets.publish(visit)
        if not self._outlets.snapshots.wait_for_all_acked(Duration(seconds=DELIVERY)):
            raise RescenError(
                f'{visit.scan.name}: expected subscribers to take the snapshot within '
                f'{DELIVERY:g} s, they did not; it is sent again'
            )
        self._finished.popleft()
        self._series.delivered(visit)
        for finding in visit.scan.findings:
            self._log.info(f'{visit.scan.name}: {finding}')
        self._stats.count('stored')
        self._stats.solved('visits', *UNTIL_A_VISIT)

    def refuse(self, error: Exception) -> None:
        """Count and tell what cannot be used."""
        self._stats.count('refused', refusal=text_of(error))
        self._log.warning(f'cloud refused: {text_of(error)}', throttle_duration_sec=1.0)

    def _guarded(self, task: Task) -> None:
        try:
            task()
        except Exception as error:
            self._stats.problem('visits', text_of(error))
            self._log.error(text_of(error), throttle_duration_sec=5.0)
