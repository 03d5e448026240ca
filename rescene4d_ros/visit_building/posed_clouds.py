"""Clouds with the pose of their sensor, and what of them a visit takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.structures import LATEST_NS, STAMPS

HALF = 1 << 20  # voxels from the origin to the border of the grid
BITS = 21  # of each coordinate of a voxel in its key
RIGID = 1e-3  # largest deviation of a rotation from one


@dataclass(frozen=True)
class PosedCloud:
    """
    Hold one measurement of the sensor.

    Attributes
    ----------
    xyz : ndarray (N, 3), float, m
        In the frame of the sensor, or in map if `is_in_map`. Points that are not finite are left
        out.
    map_T_sensor : ndarray (4, 4), float64
    stamp_ns : int, ns since the Unix epoch
    rgb : ndarray (N, 3), uint8, optional
    is_in_map : bool

    """

    xyz: np.ndarray
    map_T_sensor: np.ndarray
    stamp_ns: int
    rgb: np.ndarray | None = None
    is_in_map: bool = False

    def __post_init__(self) -> None:
        """Refuse shapes that would cause silent errors later."""
        if self.xyz.ndim != 2 or self.xyz.shape[1] != 3 or self.xyz.dtype.kind != 'f':
            raise ScanError(
                f'{name_of(self.stamp_ns)}: expected points (N, 3) of float, got '
                f'{self.xyz.shape} {self.xyz.dtype}; convert the cloud'
            )
        if self.rgb is not None and (
            self.rgb.shape != self.xyz.shape or self.rgb.dtype != np.uint8
        ):
            raise ScanError(
                f'{name_of(self.stamp_ns)}: expected colors {self.xyz.shape} uint8, got '
                f'{self.rgb.shape} {self.rgb.dtype}; give one color per point'
            )


@dataclass(frozen=True)
class Keyframe:
    """
    Hold what a visit takes of one cloud: its points, one per voxel.

    Attributes
    ----------
    stamp_ns : int, ns since the Unix epoch
    map_T_sensor : ndarray (4, 4), float64
        To the map less the origin of the visit.
    xyz : ndarray (V, 3), float32, m
        Mean of the points in each voxel, in map less the origin of the visit.
    count : ndarray (V,), int32
        Points in each voxel.
    rgb : ndarray (V, 3), uint8, optional
        Their mean color.

    """

    stamp_ns: int
    map_T_sensor: np.ndarray
    xyz: np.ndarray
    count: np.ndarray
    rgb: np.ndarray | None = None

    @property
    def position(self) -> np.ndarray:
        """Return where the sensor was (3,), float64, m, in map less the origin of the visit."""
        return self.map_T_sensor[:3, 3]


def name_of(stamp_ns: int) -> str:
    """Return how messages to people name a cloud."""
    return f'cloud of {stamp_ns / 1e9:.3f} s'


def check_stamp(stamp_ns: int) -> None:
    """Raise ScanError for a stamp that is none."""
    if not 0 < stamp_ns <= LATEST_NS:
        raise ScanError(f'{name_of(stamp_ns)}: expected a stamp {STAMPS}; set header.stamp')


def check_pose(map_T_sensor: np.ndarray, stamp_ns: int) -> None:
    """
    Refuse a pose that is none, and a stamp that is none.

    Raises
    ------
    ScanError
        Not finite, not a rigid motion, or a stamp out of range.

    """
    check_stamp(stamp_ns)
    name = name_of(stamp_ns)
    pose = np.asarray(map_T_sensor)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise ScanError(
            f'{name}: expected a pose of 4 x 4 finite numbers, got {pose.shape} with '
            f'{int((~np.isfinite(pose)).sum())} that are NaN or infinite; check the localization'
        )
    turn = pose[:3, :3]
    off = np.abs(turn @ turn.T - np.eye(3)).max()
    if off > RIGID or np.linalg.det(turn) < 0 or not np.allclose(pose[3], (0, 0, 0, 1)):
        raise ScanError(
            f'{name}: expected a rotation and a shift, got a matrix that deviates by {off:.2g}; '
            'normalize the quaternion'
        )


def voxel_keys(xyz: np.ndarray, voxel_size: float) -> np.ndarray:
    """Return the number (N,) int64 of the voxel of each point (N, 3), m."""
    cell = np.floor(np.asarray(xyz, np.float64) / voxel_size).astype(np.int64) + HALF
    return (cell[:, 0] << 2 * BITS) | (cell[:, 1] << BITS) | cell[:, 2]


def make_keyframe(
    cloud: PosedCloud,
    origin: tuple[float, float, float],
    voxel_size: float,
    ranges: tuple[float, float],
) -> Keyframe:
    """
    Reduce a cloud to one point per voxel, in the order of the voxels.

    Parameters
    ----------
    cloud : PosedCloud
    origin : tuple of 3 float, m, in map
        Of the visit.
    voxel_size : float, m
    ranges : tuple of 2 float, m
        Least and largest distance from the sensor.

    Raises
    ------
    ScanError
        No finite point between these.

    """
    pose = np.asarray(cloud.map_T_sensor, np.float64)
    finite = np.isfinite(cloud.xyz).all(axis=1)
    xyz = cloud.xyz[finite]
    xyz = xyz.astype(np.float64) if cloud.is_in_map else transform(pose, xyz)
    distance = np.linalg.norm(xyz - pose[:3, 3], axis=1)
    near = (distance >= ranges[0]) & (distance <= ranges[1])
    if not near.any():
        raise ScanError(
            f'{name_of(cloud.stamp_ns)}: expected points between {ranges[0]:g} m and '
            f'{ranges[1]:g} m from the sensor, got {len(cloud.xyz)} points, {int(finite.sum())} '
            'of them finite and none in this range; check the sensor, its unit and its frame'
        )
    xyz = xyz[near] - np.asarray(origin)
    keys = voxel_keys(xyz, voxel_size)
    order = np.argsort(keys, kind='stable')
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    count = np.diff(starts, append=len(keys))
    mean = np.add.reduceat(xyz[order], starts) / count[:, None]
    rgb = None
    if cloud.rgb is not None:
        colors = cloud.rgb[finite][near][order].astype(np.float64)
        rgb = np.rint(np.add.reduceat(colors, starts) / count[:, None]).astype(np.uint8)
    local_T_sensor = pose.copy()
    local_T_sensor[:3, 3] -= origin
    return Keyframe(
        cloud.stamp_ns, local_T_sensor, mean.astype(np.float32), count.astype(np.int32), rgb
    )
