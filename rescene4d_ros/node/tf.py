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
from rescene4d_ros.errors import FrameUnavailableError
from rescene4d_ros.geometry.se3 import transform
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


class FrameLookup:
    """Bring clouds to the map frame at the time of their stamp."""

    def __init__(self, node: Node, map_frame: str, timeout: float):
        self._map_frame = map_frame
        self._timeout = Duration(seconds=timeout)
        self._buffer = self._listener = None
        if Buffer is not None:
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, node, spin_thread=False)

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.unregister()
        self._buffer = self._listener = None

    def to_map(self, scan: Scan) -> Scan:
        """
        Return the scan in the map frame; waits for a transform, so not for an executor's thread.

        Raises
        ------
        FrameUnavailableError
            No transform from the scan's frame to the map at the scan's time.

        """
        if scan.frame_id == self._map_frame:
            return scan
        wanted = f'expected a cloud in frame {self._map_frame!r}, got {scan.frame_id!r}'
        if not scan.frame_id:
            raise FrameUnavailableError(f'{wanted}; set header.frame_id')
        if self._buffer is None:
            raise FrameUnavailableError(
                f'{wanted}; tf2_ros is not installed, so publish the cloud in the map frame or '
                'set the parameter map_frame'
            )
        try:
            found = self._buffer.lookup_transform(
                self._map_frame, scan.frame_id, Time(nanoseconds=scan.stamp_ns), self._timeout
            )
        except TransformException as error:
            raise FrameUnavailableError(
                f'{wanted}, and TF has no transform at its stamp ({error}); check the TF tree '
                'and the stamp'
            ) from error
        return moved(scan, matrix_of(found.transform), self._map_frame)


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
