"""A stream of clouds to visits: one after the other, whatever the topic carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import logging
from pathlib import Path

import numpy as np
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import Finding, Scan, Severity
from rescene4d_ros.visit_building.builder import BuildCounts, BuiltVisit, VisitBuilder
from rescene4d_ros.visit_building.close_rules import CloseRule
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.map_topics import MapTopic, MapVerdict
from rescene4d_ros.visit_building.posed_clouds import check_pose, name_of, PosedCloud
from rescene4d_ros.visit_building.spool import read_spool, Spool
from scipy.spatial import cKDTree

log = logging.getLogger(__name__)

GAP_NS = 10 * 10**9  # a pause as long begins another visit


class VisitSeries:
    """
    Build visits of the clouds of one topic.

    A visit ends by `finish`, by a rule, or by a pause of 10 s. A topic that carries a growing map
    gives one visit per session: its newest map.

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
    reason : str
        Why the newest visit was closed.

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
        self.reason = ''
        self._topic = MapTopic()
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
        self._newest_ns = 0

    @property
    def counts(self) -> BuildCounts:
        """Return what came of the visit in the making."""
        return BuildCounts() if self._builder is None else self._builder.counts

    @property
    def n_voxels(self) -> int:
        """Return the size of the visit in the making."""
        return 0 if self._builder is None else self._builder.n_voxels

    def recover(self) -> list[BuiltVisit]:
        """Return the visits that a killed process left: in the making, or not delivered yet."""
        if self._spool_path is None:
            return []
        visits = []
        for path in sorted(self._spool_path.parent.glob(f'{self._spool_path.name}*')):
            builder = VisitBuilder(self._config, self._map_frame)
            try:
                builder.restore(read_spool(path))
                visit = builder.finish()
            except (ScanError, FileFormatError) as error:
                log.warning('%s: %s', path, error)
                path.unlink()
                continue
            path.rename(self._finished_spool(visit))
            visits.append(visit)
        return visits

    def delivered(self, visit: BuiltVisit) -> None:
        """Forget the keyframes of a finished visit: others have it now."""
        if self._spool_path is not None:
            self._finished_spool(visit).unlink(missing_ok=True)

    def _finished_spool(self, visit: BuiltVisit) -> Path:
        assert self._spool_path is not None
        return self._spool_path.with_name(f'{self._spool_path.name}.{visit.scan.stamp_ns}')

    def offer(
        self, pose: np.ndarray | None, stamp_ns: int, is_in_map: bool, decode: Callable[[], Scan]
    ) -> BuiltVisit | None:
        """
        Take a cloud; return the visit that it ends, if it ends one.

        Parameters
        ----------
        pose : ndarray (4, 4), optional
            map_T_sensor; None where unknown, which only maps may lack.
        stamp_ns : int, ns since the Unix epoch
        is_in_map : bool
            The points are in map, not in the frame of the sensor.
        decode : callable() -> Scan
            Gives the points; not called where they are not needed.

        Raises
        ------
        ScanError
            The cloud cannot be used; the visit goes on without it.

        """
        finished = None
        if self._newest_ns and stamp_ns - self._newest_ns > GAP_NS:
            pause = (stamp_ns - self._newest_ns) / 1e9
            finished = self._close(f'pause of {pause:.1f} s')
        try:
            return self._take(pose, stamp_ns, is_in_map, decode) or finished
        except ScanError as error:
            if finished is None:
                raise
            log.warning('%s', error)
            return finished

    def finish(self, reason: str = 'asked for') -> BuiltVisit | None:
        """
        End the visit in the making and return it; None where nothing has come.

        Raises
        ------
        ScanError
            Nothing is left of it.

        """
        if self._map is None and self._builder is None:
            return None
        self.reason = reason
        try:
            if self._map is not None:
                return self._finished_map(self._map)
            visit = self._builder.finish() if self._builder else None
            if visit is not None and self._spool is not None:
                self._spool.close()
                self._spool.path.rename(self._finished_spool(visit))
                self._spool = None
            return visit
        finally:
            self._begin()

    def _close(self, reason: str) -> BuiltVisit | None:
        try:
            return self.finish(reason)
        except ScanError as error:
            log.warning('%s', error)
            return None

    def _take(
        self, pose: np.ndarray | None, stamp_ns: int, is_in_map: bool, decode: Callable[[], Scan]
    ) -> BuiltVisit | None:
        if pose is not None:
            check_pose(pose, stamp_ns)
        if is_in_map:
            scan = decode()
            verdict = self._topic.look(scan.xyz)
            if verdict.is_map or pose is None:
                return self._take_map(scan, pose, verdict)
        if pose is None:
            raise ScanError(
                f'{name_of(stamp_ns)}: expected the pose of the sensor, got none; check /tf'
            )
        if self._builder is None:
            if self._spool_path is not None:
                self._spool = Spool(self._spool_path)
            self._builder = VisitBuilder(self._config, self._map_frame, self._spool)
        builder = self._builder
        if builder.wants(pose, stamp_ns):
            scan = scan if is_in_map else decode()
            xyz = scan.xyz + np.array(scan.origin) if any(scan.origin) else scan.xyz
            builder.add(PosedCloud(xyz, pose, stamp_ns, scan.rgb, is_in_map))
        else:
            builder.counts.clouds += 1
        self._newest_ns = stamp_ns
        reasons = [r for rule in self._rules if (r := rule.reason(pose[:3, 3], stamp_ns))]
        return self._close(reasons[0]) if reasons else None

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
