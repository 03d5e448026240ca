"""A stream of clouds to visits: one after the other, whatever the topic carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
import logging
from pathlib import Path
from typing import TypeVar

import numpy as np
from rescene4d_ros.errors import FileFormatError, ScanError, StorageError
from rescene4d_ros.structures import Finding, Scan, Severity
from rescene4d_ros.visit_building.builder import BuiltVisit, VisitBuilder
from rescene4d_ros.visit_building.close_rules import CloseRule
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.map_topics import MapTopic, MapVerdict
from rescene4d_ros.visit_building.posed_clouds import check_pose, check_stamp, name_of, PosedCloud
from rescene4d_ros.visit_building.spool import cut_torn, left_by, read_spool, Spool
from rescene4d_ros.visit_building.stamp_order import GAP_NS, StampOrder
from rescene4d_ros.visit_building.visit_findings import BuildCounts
from scipy.spatial import cKDTree

log = logging.getLogger(__name__)

T = TypeVar('T')
# Pose, whether the points are in map, and what gives them.
Offered = tuple[np.ndarray | None, bool, Callable[[], Scan]]


class VisitSeries:
    """
    Build visits of the clouds of one topic.

    A visit ends by `finish`, by a rule, by a pause of 10 s, or where the clock was set back. A
    topic that carries a growing map gives one visit per session: its newest map.

    Parameters
    ----------
    config : VisitBuildingConfig
    rules : callable() -> sequence of CloseRule
        Makes the rules of one visit.
    map_frame : str
    spool_path : Path, optional
        Where keyframes of the visit in the making are kept, and in files beside it those of
        finished visits until they are `delivered`; see `recover`.

    Attributes
    ----------
    counts : BuildCounts
        Of the visit in the making.
    is_resumed : bool
        A killed process began it, and no cloud has continued it yet.

    """

    def __init__(
        self,
        config: VisitBuildingConfig,
        rules: Callable[[], Sequence[CloseRule]] = tuple,
        map_frame: str = 'map',
        spool_path: Path | None = None,
    ):
        self._config, self._make_rules = config, rules
        self._map_frame, self._spool_path = map_frame, spool_path
        self._topic = MapTopic()
        self._order: StampOrder[Offered] = StampOrder(self._refused)
        self._builder: VisitBuilder | None = None
        self._spool: Spool | None = None
        self._begin()

    def _begin(self) -> None:
        self._rules = list(self._make_rules())
        if self._spool is not None:
            self._spool.remove()
        self._builder = self._spool = None
        self._map: Scan | None = None
        self._map_path: list[np.ndarray] = []
        self._newest_ns = self._first_ns = 0
        self.is_resumed = False
        self.counts = BuildCounts()

    @property
    def n_voxels(self) -> int:
        """Return the size of the visit in the making."""
        return 0 if self._builder is None else self._builder.n_voxels

    @property
    def has_points(self) -> bool:
        """Return whether there is anything of the visit in the making."""
        return self._map is not None or self.n_voxels > 0

    @property
    def seconds(self) -> float:
        """Return the time from the first cloud of the visit in the making to the newest, s."""
        return (self._newest_ns - self._first_ns) / 1e9 if self._first_ns else 0.0

    def recover(self, resume: bool = False) -> list[BuiltVisit]:
        """
        Return the visits that a killed process left: in the making, or not delivered yet.

        Parameters
        ----------
        resume : bool
            The visit in the making goes on with the clouds to come, instead of being returned.

        """
        if self._spool_path is None:
            return []
        visits = []
        for path in left_by(self._spool_path):
            if resume and path == self._spool_path:
                self._resume(path)
                continue
            builder = VisitBuilder(self._config, self._map_frame)
            try:
                builder.restore(read_spool(path))
                visit = builder.finish()
            except (FileFormatError, OSError) as error:  # not ours, or unreadable: left alone
                log.warning('%s: %s', path, error)
                continue
            except ScanError as error:
                log.warning('%s: %s', path, error)
                path.unlink()
                continue
            path.rename(self._finished_spool(visit))
            visits.append(visit)
        return visits

    def _resume(self, path: Path) -> None:
        try:
            cut_torn(path)
            self._builder = builder = self._new_builder()
            builder.restore(read_spool(path))
        except (FileFormatError, OSError) as error:  # not ours, or unreadable: left alone
            log.warning('%s: %s', path, error)
            self._spool = None
            self._begin()
            return
        if not builder.n_voxels:
            self._begin()
            return
        self.is_resumed = True
        self._first_ns = builder.newest_ns
        self._newest_ns = self._order.newest_ns = builder.newest_ns

    def delivered(self, visit: BuiltVisit) -> None:
        """Forget the keyframes of a finished visit: others have it now."""
        if self._spool_path is not None:
            self._finished_spool(visit).unlink(missing_ok=True)

    def _finished_spool(self, visit: BuiltVisit) -> Path:
        assert self._spool_path is not None
        return self._spool_path.with_name(f'{self._spool_path.name}.{visit.scan.stamp_ns}')

    def offer(
        self, pose: np.ndarray | None, stamp_ns: int, is_in_map: bool, decode: Callable[[], Scan]
    ) -> list[BuiltVisit]:
        """
        Take a cloud; return the visits that end by it.

        Parameters
        ----------
        pose : ndarray (4, 4), optional
            map_T_sensor; None where unknown, which only maps may lack.
        stamp_ns : int, ns since the Unix epoch
        is_in_map : bool
            The points are in map, not in the frame of the sensor.
        decode : callable() -> Scan
            Gives the points; not called where they are not needed, or with the next cloud.

        Raises
        ------
        ScanError
            The cloud cannot be used; the visit goes on without it.

        """
        if pose is None:
            check_stamp(stamp_ns)
        else:
            check_pose(pose, stamp_ns)
        certain = [(stamp_ns, (pose, is_in_map, decode))]
        if self._map is None and pose is not None:  # of maps, the newest message counts
            certain = self._counted(lambda: self._order.admit(stamp_ns, certain[0][1]))
        finished: list[BuiltVisit | None] = []
        for at_ns, cloud in certain:
            pause = (at_ns - self._newest_ns) / 1e9 if self._newest_ns else 0.0
            if pause > GAP_NS / 1e9:
                finished.append(self._close(f'pause of {pause:.1f} s'))
            elif pause < -GAP_NS / 1e9 and self._map is None:
                finished.append(self._close(f'the clock was set back by {-pause:.1f} s'))
            try:
                finished += self._take(at_ns, *cloud)
            except ScanError as error:
                if at_ns == stamp_ns and not any(finished):
                    raise
                log.warning('%s', error)
        return [visit for visit in finished if visit is not None]

    def finish(self, reason: str = 'asked for') -> BuiltVisit | None:
        """
        End the visit in the making and return it; None where nothing has come.

        Raises
        ------
        ScanError
            Nothing is left of it.

        """
        self._order.drop_held()
        self._order.newest_ns = 0
        return self._finish(reason)

    def discard(self) -> bool:
        """Forget the visit in the making, its keyframes too; return whether there was one."""
        was_building = self._map is not None or self._builder is not None
        self._order.drop_held()
        self._order.newest_ns = 0
        self._begin()
        return was_building

    def _finish(self, reason: str) -> BuiltVisit | None:
        if self._map is None and self._builder is None:
            return None
        try:
            if self._map is not None:
                return replace(self._finished_map(self._map), reason=reason)
            visit = self._builder.finish() if self._builder else None
            if visit is not None and self._spool is not None:
                self._keep_finished(self._spool, visit)
                self._spool = None
            return visit and replace(visit, reason=reason)
        finally:
            self._begin()

    def _keep_finished(self, spool: Spool, visit: BuiltVisit) -> None:
        """Give the keyframes of a visit the name under which they wait for its delivery."""
        spool.close()
        try:
            spool.path.rename(self._finished_spool(visit))
        except OSError as error:
            log.warning('%s: expected to keep a finished visit, got: %s', spool.path, error)

    def _new_builder(self) -> VisitBuilder:
        try:
            self._spool = None if self._spool_path is None else Spool(self._spool_path)
        except StorageError as error:
            log.warning('%s; until then a kill loses the visit', error)
        return VisitBuilder(self._config, self._map_frame, self._spool, self.counts)

    def _close(self, reason: str) -> BuiltVisit | None:
        try:
            return self._finish(reason)
        except ScanError as error:
            log.warning('%s', error)
            return None

    def _refused(self, text: str) -> None:
        log.warning('%s', text)
        self.counts.refuse(text)

    def _counted(self, do: Callable[[], T]) -> T:
        """Do what may refuse a cloud that the builder does not get, and count that."""
        try:
            return do()
        except ScanError as error:
            self.counts.refuse(str(error))
            raise

    def _take(
        self, stamp_ns: int, pose: np.ndarray | None, is_in_map: bool, decode: Callable[[], Scan]
    ) -> list[BuiltVisit | None]:
        scan = self._counted(decode) if is_in_map else None
        if scan is not None:
            verdict = self._topic.look(scan.xyz)
            if verdict.is_map or pose is None:
                return [self._take_map(scan, pose, verdict)]
        if pose is None:
            raise ScanError(
                f'{name_of(stamp_ns)}: expected the pose of the sensor, got none; check /tf'
            )
        if self._builder is None:
            self._builder = self._new_builder()
        builder, self.is_resumed = self._builder, False
        if self._counted(partial(builder.wants, pose, stamp_ns)):
            scan = self._counted(decode) if scan is None else scan
            xyz = scan.xyz + np.array(scan.origin) if any(scan.origin) else scan.xyz
            builder.add(PosedCloud(xyz, pose, stamp_ns, scan.rgb, is_in_map))
        else:
            self.counts.clouds += 1
        self._newest_ns = stamp_ns
        self._first_ns = self._first_ns or stamp_ns
        reasons = [r for rule in self._rules if (r := rule.reason(pose[:3, 3], stamp_ns))]
        return [self._close(reasons[0])] if reasons else []

    def _take_map(
        self, scan: Scan, pose: np.ndarray | None, verdict: MapVerdict
    ) -> BuiltVisit | None:
        if pose is None and self._map is not None and not verdict.is_map and not verdict.repeats:
            raise ScanError(
                f'{scan.name}: expected a map that grows, or the frame of the sensor, got a cloud '
                f'that has {verdict.repeated:.0%} of the one before again; set sensor_frame'
            )
        finished = self._close('a new map began') if verdict.is_new_session else None
        if self._builder is not None:  # clouds that came before it was certain
            self._begin()
        self._map, self._newest_ns = scan, scan.stamp_ns
        self._first_ns = self._first_ns or scan.stamp_ns
        if pose is not None:
            self._map_path.append(pose[:3, 3] - np.array(scan.origin))
        return finished

    def _finished_map(self, scan: Scan) -> BuiltVisit:
        path = np.array(self._map_path, np.float32).reshape(-1, 3)
        found = Finding(
            'map_topic',
            Severity.INFO,
            'a topic that repeats its map as it grows',
            'one cloud per visit',
            'the newest map is the visit',
        )
        viewpoint = cKDTree(path).query(scan.xyz)[1] if len(path) else np.zeros(0, np.int32)
        scan = replace(
            scan,
            sensor_path=path if len(path) else None,
            frame_id=self._map_frame,
            findings=(*scan.findings, found),
        )
        return BuiltVisit(scan, viewpoint.astype(np.int32))
