"""Posed clouds of one drive to the scan of one visit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
import logging

import numpy as np
from rescene4d_ros.data.readers.columns import origin_of
from rescene4d_ros.errors import ScanError, StorageError
from rescene4d_ros.structures import Scan
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.drift import DriftGauge, told_of_drift
from rescene4d_ros.visit_building.posed_clouds import (
    check_pose,
    Keyframe,
    make_keyframe,
    name_of,
    PosedCloud,
)
from rescene4d_ros.visit_building.spool import Spool
from rescene4d_ros.visit_building.visit_findings import BuildCounts, findings_of, told_of_full
from rescene4d_ros.visit_building.volume.free_space import FreeCells
from rescene4d_ros.visit_building.volume.thinning import (
    flattened,
    hanging,
    one_per_voxel,
    with_remains,
)
from rescene4d_ros.visit_building.volume.voxels import VoxelVolume

log = logging.getLogger(__name__)

JUMP = 0.1  # m; what a pose may jump whatever the time between
GRAY = 128  # of a point without color beside others that have one


@dataclass(frozen=True)
class BuiltVisit:
    """
    Hold a finished visit.

    Attributes
    ----------
    scan : Scan
        With the path of the sensor and what it looked through (not of maps, nor without
        `carve_range`); its stamp is that of the last keyframe.
    viewpoint : ndarray (N,), int32
        Position in `scan.sensor_path` from which each point was measured.
    reason : str
        Why the visit ended.
    left_out : ndarray (M, 3), float32, m
        Where something was measured that is not in the scan, less its origin: observed too
        briefly, or looked through since.

    """

    scan: Scan
    viewpoint: np.ndarray
    reason: str = ''
    left_out: np.ndarray = field(default_factory=lambda: np.empty((0, 3), np.float32))


class VisitBuilder:
    """
    Fuse the clouds of a drive into a bounded volume, without what moved.

    A cloud is fused where the sensor has moved or turned since the last one that was. At the end a
    voxel is kept if surfaces around it were hit over `min_keyframes` keyframes, fewer keyframes
    looked through it than hit it, and it does not lie amid voxels that were looked through. The
    result depends on the keyframes alone.

    Parameters
    ----------
    config : VisitBuildingConfig
    map_frame : str
    spool : Spool, optional
        Where keyframes are kept for the case that the process is killed.
    counts : BuildCounts, optional
        Of what came before the visit began.

    Attributes
    ----------
    counts : BuildCounts

    """

    def __init__(
        self,
        config: VisitBuildingConfig | None = None,
        map_frame: str = 'map',
        spool: Spool | None = None,
        counts: BuildCounts | None = None,
    ):
        self.config = config or VisitBuildingConfig()
        self.counts = counts or BuildCounts()
        self._map_frame, self._spool = map_frame, spool
        self._drift = DriftGauge()
        self._volume = VoxelVolume(self.config.voxel_size, self.config.max_voxels)
        self._free = FreeCells()
        self._path: list[np.ndarray] = []
        self._origin: tuple[float, float, float] | None = None
        self._newest_ns = self._last_ns = 0  # of the newest good cloud, and keyframe
        self._pose: np.ndarray | None = None  # of the newest good cloud
        self._fused_pose: np.ndarray | None = None  # of the newest keyframe
        self._is_partial = False
        self._is_kept = True  # the newest keyframe, in the spool

    @property
    def newest_ns(self) -> int:
        """Return the stamp of the newest good cloud, ns since the Unix epoch; 0 = none."""
        return self._newest_ns

    @property
    def n_voxels(self) -> int:
        """Return how many voxels there are, at most `max_voxels`."""
        return self._volume.n_voxels

    def wants(self, map_T_sensor: np.ndarray, stamp_ns: int) -> bool:
        """
        Return whether the cloud of a pose is to be added; others need not be decoded.

        Raises
        ------
        ScanError
            A pose or stamp that is none, a stamp before the newest one, or a pose that jumps.

        """
        check_pose(map_T_sensor, stamp_ns)
        pose = np.array(map_T_sensor, np.float64)
        if stamp_ns < self._newest_ns:
            raise ScanError(
                f'{name_of(stamp_ns)}: expected a stamp after {self._newest_ns / 1e9:.3f} s, that '
                'of the cloud before; check the clocks, or finish the visit first'
            )
        if self._pose is not None:
            moved = float(np.linalg.norm(pose[:3, 3] - self._pose[:3, 3]))
            seconds = (stamp_ns - self._newest_ns) / 1e9
            most = self.config.max_speed * seconds + JUMP
            if moved > most:
                raise ScanError(
                    f'{name_of(stamp_ns)}: expected the sensor to move by at most {most:.2f} m in '
                    f'{seconds:.2f} s, got {moved:.2f} m; the localization jumped: finish the '
                    'visit, or raise max_speed'
                )
        self._pose, self._newest_ns = pose, stamp_ns
        if self._fused_pose is None:
            return True
        change = self._fused_pose[:3, :3].T @ pose[:3, :3]
        angle = np.degrees(np.arccos(np.clip((np.trace(change) - 1) / 2, -1, 1)))
        moved = float(np.linalg.norm(pose[:3, 3] - self._fused_pose[:3, 3]))
        config = self.config
        return moved >= config.keyframe_distance or bool(angle >= config.keyframe_angle)

    def add(self, cloud: PosedCloud) -> bool:
        """
        Take a cloud; return whether it became a keyframe.

        Raises
        ------
        ScanError
            As `wants`, or a cloud without usable points; the visit is as before.

        """
        try:
            if not self.wants(cloud.map_T_sensor, cloud.stamp_ns):
                self.counts.clouds += 1
                return False
            if self._origin is None:
                self._origin = origin_of(np.asarray(cloud.map_T_sensor, np.float64)[None, :3, 3])
            config = self.config
            keyframe = make_keyframe(
                cloud, self._origin, config.voxel_size, (config.min_range, config.max_range)
            )
        except ScanError as error:
            self.counts.refuse(str(error))
            raise
        self.counts.clouds += 1
        self._keep(keyframe)
        self._fuse(keyframe)
        self._fused_pose = np.array(cloud.map_T_sensor, np.float64)
        return True

    def restore(self, kept: Iterable[tuple[Keyframe, tuple[float, float, float]]]) -> None:
        """Fuse the keyframes of a spool: the visit is a partial one then."""
        for keyframe, origin in kept:
            self._origin, self._newest_ns = origin, keyframe.stamp_ns
            pose = keyframe.map_T_sensor.copy()
            pose[:3, 3] += origin
            self._pose = self._fused_pose = pose
            self.counts.clouds += 1
            self._fuse(keyframe)
            self._is_partial = True

    def finish(self) -> BuiltVisit:
        """
        Return the visit.

        Raises
        ------
        ScanError
            Nothing is left of it.

        """
        volume, config = self._volume, self.config
        count = volume.n_voxels
        if not count:
            raise ScanError(
                f'visit: expected keyframes, got none of {self.counts.clouds} clouds '
                f'({self.counts.refused} refused); check the topic and the poses'
            )
        duration, hits = volume.around()
        brief = duration < config.min_keyframes
        passes = volume.passes[:count] + volume.passes_before[:count]
        through = ((passes >= hits) & (passes > 0)) | (
            volume.passes_since[:count] >= config.left_after
        )
        xyz = volume.xyz[:count]
        remains = with_remains(xyz, hits, through)
        is_kept = ~brief & ~remains
        is_kept &= ~hanging(xyz, hits, is_kept, remains)
        kept = np.flatnonzero(is_kept)
        if not len(kept):
            raise ScanError(
                f'visit: expected surfaces seen over {config.min_keyframes} keyframes, got none '
                f'among {count} voxels of {self.counts.keyframes} keyframes; drive longer, or '
                'lower min_keyframes'
            )
        flat = flattened(volume.xyz[kept], volume.weight[kept], config.voxel_size)
        chosen, xyz = one_per_voxel(flat, volume.weight[kept], config.voxel_size)
        order = np.lexsort((volume.key[kept[chosen]], volume.first[kept[chosen]]))
        kept, xyz = kept[chosen[order]], xyz[order]
        dropped = int(brief.sum()), int((~is_kept & ~brief).sum())
        findings = findings_of(self.counts, volume, dropped, config, self._is_partial)
        findings += told_of_drift(self._drift.measure())
        scan = Scan(
            xyz,
            self._last_ns,
            self._colors(kept),
            sensor_path=np.array(self._path, np.float32),
            frame_id=self._map_frame,
            name=f'visit of {self._last_ns / 1e9:.0f} s',
            origin=self._origin or (0.0, 0.0, 0.0),
            findings=tuple(findings),
            free=self._free.without(xyz),
        )
        # The first and the last view take turns, so that nearly every place of the path is named.
        odd = np.arange(len(kept)) % 2 == 1
        viewpoint = np.where(odd, volume.last[kept], volume.first[kept])
        left_out = volume.xyz[:count][~is_kept]
        return BuiltVisit(scan, viewpoint, left_out=left_out)

    def _keep(self, keyframe: Keyframe) -> None:
        """Write a keyframe to the spool; where the disk refuses, the visit goes on without."""
        if self._spool is None or self._origin is None:
            return
        try:
            self._spool.append(keyframe, self._origin)
            self._is_kept = True
        except StorageError as error:
            if self._is_kept:
                log.warning('%s; until then a kill loses what comes', error)
            self._is_kept = False

    def _fuse(self, keyframe: Keyframe) -> None:
        was_full = self._volume.n_left_out > 0
        reach, margin = self.config.carve_range, self.config.carve_margin
        look = self._volume.add(keyframe, reach, margin)
        if look is not None:
            self._free.add(look, keyframe.xyz, reach, margin)
        self._drift.add(keyframe.xyz)
        self._path.append(keyframe.position)
        self._last_ns = keyframe.stamp_ns
        self.counts.keyframes += 1
        if self._volume.n_left_out and not was_full:
            log.warning('visit in the making: %s', told_of_full(self._volume, self.config))

    def _colors(self, kept: np.ndarray) -> np.ndarray | None:
        has_color = self._volume.colored[kept] > 0
        if not has_color.any():
            return None
        rgb = np.rint(self._volume.rgb[kept]).astype(np.uint8)
        rgb[~has_color] = GRAY
        return rgb
