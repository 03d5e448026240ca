"""
Transforms: tf2_ros and tf_transformations where they are installed, the same names elsewhere.

The ROS 2 wheels on PyPI lack both packages. There the quaternion functions below give the same
values, and clouds must come in the map frame: without tf2 a transform is unknown, never identity.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from rescene4d_ros.errors import FrameUnavailableError, ScanError
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.node.parameters import NodeConfig
from rescene4d_ros.structures import Scan

try:
    from tf_transformations import quaternion_from_matrix, quaternion_matrix
except ImportError:
    from scipy.spatial.transform import Rotation

    def quaternion_from_matrix(matrix: np.ndarray) -> np.ndarray:
        """Return the rotation of a (4, 4) transform as a unit quaternion (x, y, z, w)."""
        return Rotation.from_matrix(np.asarray(matrix)[:3, :3]).as_quat()

    def quaternion_matrix(quaternion) -> np.ndarray:
        """Return the (4, 4) rotation of a quaternion (x, y, z, w); a zero one gives identity."""
        matrix = np.eye(4)
        if np.any(quaternion):
            matrix[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
        return matrix


try:
    from tf2_ros import Buffer, TransformException, TransformListener
except ImportError:
    Buffer = TransformException = TransformListener = None


PATH_STEP = 0.5  # s; between two places of the path of the sensor
PATH_POINTS = 200  # most places of one path


class FrameLookup:
    """
    Bring clouds to the map frame at the time of their stamp, and say where the sensor was.

    Parameters
    ----------
    node : Node
    settings : NodeConfig

    """

    def __init__(self, node: Node, settings: NodeConfig):
        self._settings = settings
        self._buffer = self._listener = None
        if Buffer is not None:
            kept = Duration(seconds=settings.sensor_path_duration + settings.tf_timeout + 10.0)
            self._buffer = Buffer(cache_time=kept)
            self._listener = TransformListener(self._buffer, node, spin_thread=False)

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.unregister()
        self._buffer = self._listener = None

    def to_map(self, scan: Scan, is_last_try: bool = True) -> Scan:
        """
        Return the scan in the map frame, with the path of the sensor where TF knows it.

        Never waits. At the last try a scan in the map frame goes without a path.

        Raises
        ------
        FrameUnavailableError
            TF has no transform at the scan's time yet.
        ScanError
            It never will: no frame, or no tf2.

        """
        map_frame, sensor = self._settings.map_frame, self._settings.sensor_frame
        if scan.frame_id != map_frame:
            expected = f'expected a cloud in frame {map_frame!r}, got {scan.frame_id!r}'
            if not scan.frame_id:
                raise ScanError(f'{expected}; set header.frame_id')
            if self._buffer is None:
                raise ScanError(
                    f'{expected}; tf2_ros is not installed, so publish the cloud in the map frame '
                    'or set the parameter map_frame'
                )
            try:
                map_T_cloud = self._lookup(scan.frame_id, scan.stamp_ns)
            except TransformException as error:
                raise FrameUnavailableError(
                    f'{expected}, and TF has no transform at its stamp ({error}); check the TF '
                    'tree and the stamp'
                ) from error
            scan = moved(scan, map_T_cloud, map_frame)
        if not sensor or self._buffer is None or scan.sensor_path is not None:
            return scan
        path = self._path(sensor, scan.stamp_ns, is_last_try)
        return dataclasses.replace(scan, sensor_path=path) if len(path) else scan

    def _lookup(self, frame: str, stamp_ns: int) -> np.ndarray:
        """Return map_T_frame (4, 4) at a time, without waiting."""
        if self._buffer is None:
            raise FrameUnavailableError(
                f'expected TF to tell where {frame!r} is, got no listener; activate the node'
            )
        found = self._buffer.lookup_transform(
            self._settings.map_frame, frame, Time(nanoseconds=stamp_ns), Duration()
        )
        return matrix_of(found.transform)

    def _path(self, sensor: str, stamp_ns: int, is_last_try: bool) -> np.ndarray:
        """Return where the sensor was (P, 3), float32, in map, up to a time; oldest first."""
        duration = self._settings.sensor_path_duration
        path = []
        for before in np.linspace(0.0, duration, 1 + min(PATH_POINTS, int(duration / PATH_STEP))):
            try:
                at_ns = stamp_ns - int(before * 1e9)
                path.append(self._lookup(sensor, at_ns)[:3, 3])
            except TransformException as error:
                if before == 0.0 and not is_last_try:
                    raise FrameUnavailableError(
                        f'expected where {sensor!r} was at the stamp of the cloud, TF does not '
                        f'know it yet ({error})'
                    ) from error
        return np.array(path[::-1], np.float32).reshape(-1, 3)


def matrix_of(message) -> np.ndarray:
    """Return a geometry_msgs/Transform as a (4, 4) matrix, float64."""
    turn, shift = message.rotation, message.translation
    matrix = quaternion_matrix((turn.x, turn.y, turn.z, turn.w))
    matrix[:3, 3] = shift.x, shift.y, shift.z
    return matrix


def moved(scan: Scan, map_T_cloud: np.ndarray, map_frame: str) -> Scan:
    """Return the scan with points, normals and sensor path taken to the map frame."""
    turn = np.eye(4)
    turn[:3, :3] = map_T_cloud[:3, :3]

    def apply(matrix, values):
        return None if values is None else transform(matrix, values).astype(np.float32)

    return dataclasses.replace(
        scan,
        xyz=apply(map_T_cloud, scan.xyz),
        normals=apply(turn, scan.normals),
        sensor_path=apply(map_T_cloud, scan.sensor_path),
        frame_id=map_frame,
    )
