"""
Transforms: tf2_ros and tf_transformations where they are installed, the same names elsewhere.

The ROS 2 wheels on PyPI lack both packages. There the quaternion functions below give the same
values, and clouds must come in the map frame: without tf2 a transform is unknown, never identity.
"""

from __future__ import annotations

import dataclasses

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from rescene4d_ros.data.readers.columns import origin_of
from rescene4d_ros.errors import FrameUnavailableError, ScanError
from rescene4d_ros.geometry.cloud import path_times
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
    from tf2_ros import (
        Buffer,
        StaticTransformBroadcaster,
        TransformBroadcaster,
        TransformException,
        TransformListener,
    )
except ImportError:
    Buffer = TransformException = TransformListener = None
    StaticTransformBroadcaster = TransformBroadcaster = None


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
            It never will: no frame, no tf2, or a transform that is not finite.

        """
        map_frame, sensor = self._settings.map_frame, self._settings.sensor_frame
        map_T_cloud = self.map_T(scan.frame_id, scan.stamp_ns, 'a cloud')
        if map_T_cloud is not None:
            scan = moved(scan, map_T_cloud, map_frame)
        if not sensor or self._buffer is None or scan.sensor_path is not None:
            return scan
        path = self._path(sensor, scan.stamp_ns, is_last_try)
        if not len(path):
            return scan
        return dataclasses.replace(
            scan, sensor_path=(path - np.array(scan.origin)).astype(np.float32)
        )

    def map_T(self, frame: str, stamp_ns: int, what: str) -> np.ndarray | None:
        """
        Return map_T_frame (4, 4) at a time without waiting; None where it is the map frame.

        Parameters
        ----------
        frame : str
        stamp_ns : int, ns since the Unix epoch
        what : str
            Comes in this frame, for messages to people.

        Raises
        ------
        FrameUnavailableError
            TF has no transform at that time yet.
        ScanError
            It never will: no frame, no tf2, or a transform that is not finite.

        """
        map_frame = self._settings.map_frame
        if frame == map_frame:
            return None
        expected = f'expected {what} in frame {map_frame!r}, got {frame!r}'
        if not frame:
            raise ScanError(f'{expected}; set header.frame_id')
        if self._buffer is None:
            raise ScanError(
                f'{expected}; tf2_ros is not installed, so publish {what} in the map frame '
                'or set the parameter map_frame'
            )
        try:
            return self._lookup(frame, stamp_ns)
        except TransformException as error:
            raise FrameUnavailableError(
                f'{expected}, and TF has no transform at its stamp ({error}); check the TF '
                'tree and the stamp'
            ) from error

    def _lookup(self, frame: str, stamp_ns: int) -> np.ndarray:
        """Return map_T_frame (4, 4) at a time, without waiting."""
        if self._buffer is None:
            raise FrameUnavailableError(
                f'expected TF to tell where {frame!r} is, got no listener; activate the node'
            )
        return looked_up(self._buffer, self._settings.map_frame, frame, stamp_ns)

    def _path(self, sensor: str, stamp_ns: int, is_last_try: bool) -> np.ndarray:
        """Return where the sensor was (P, 3), float64, in map, up to a time; oldest first."""
        path = []
        for at_ns in path_times(stamp_ns, self._settings.sensor_path_duration):
            try:
                path.append(self._lookup(sensor, at_ns)[:3, 3])
            except TransformException as error:
                if at_ns == stamp_ns and not is_last_try:
                    raise FrameUnavailableError(
                        f'expected where {sensor!r} was at the stamp of the cloud, TF does not '
                        f'know it yet ({error})'
                    ) from error
        return np.array(path, np.float64).reshape(-1, 3)


class LocalFrame:
    """
    Publish on /tf_static where the frame of the results is, if it is not the map frame.

    Parameters
    ----------
    node : Node
    map_frame, local_frame : str

    """

    def __init__(self, node: Node, map_frame: str, local_frame: str):
        self._node, self._frames = node, (map_frame, local_frame)
        self._told: np.ndarray | None = None
        self._broadcaster = None
        if StaticTransformBroadcaster is not None:
            self._broadcaster = StaticTransformBroadcaster(node)

    def tell(self, map_T_local: np.ndarray) -> None:
        """Publish the transform (4, 4), m, where it is not the one that was published last."""
        if self._told is not None and np.array_equal(self._told, map_T_local):
            return
        self._told = map_T_local
        (map_frame, local_frame), log = self._frames, self._node.get_logger()
        shift = f'({", ".join(f"{v:.2f}" for v in map_T_local[:3, 3])}) m'
        turn = ', '.join(f'{v:.4f}' for v in quaternion_from_matrix(map_T_local))
        place = f'{shift} of {map_frame!r}, turned by the quaternion ({turn})'
        if self._broadcaster is None:
            log.warning(
                f'results are in frame {local_frame!r} at {place}; expected tf2_ros to tell '
                'others by /tf_static, found none; publish this transform yourself'
            )
            return
        log.info(f'results are in frame {local_frame!r} at {place}')
        moved = TransformStamped(child_frame_id=local_frame, transform=motion_to_msg(map_T_local))
        moved.header.frame_id = map_frame
        moved.header.stamp = self._node.get_clock().now().to_msg()
        self._broadcaster.sendTransform(moved)

    def close(self) -> None:
        """Take the transform back."""
        if self._broadcaster is not None:
            publisher = self._broadcaster.pub_tf
            publisher.destroy()
            self._broadcaster = None


def matrix_of(message) -> np.ndarray:
    """Return a geometry_msgs/Transform as a (4, 4) matrix, float64."""
    turn, shift = message.rotation, message.translation
    matrix = quaternion_matrix((turn.x, turn.y, turn.z, turn.w))
    matrix[:3, 3] = shift.x, shift.y, shift.z
    return matrix


def looked_up(buffer: Buffer, map_frame: str, frame: str, stamp_ns: int) -> np.ndarray:
    """
    Return map_T_frame (4, 4) at a time, without waiting.

    Raises
    ------
    TransformException
        TF has no transform at that time.
    ScanError
        It is not finite.

    """
    found = buffer.lookup_transform(map_frame, frame, Time(nanoseconds=stamp_ns), Duration())
    return finite_motion(matrix_of(found.transform), frame, map_frame)


def finite_motion(map_T_frame: np.ndarray, frame: str, map_frame: str) -> np.ndarray:
    """
    Return a transform (4, 4) as it is.

    Raises
    ------
    ScanError
        It is not finite: TF takes infinite shifts.

    """
    if not np.isfinite(map_T_frame).all():
        raise ScanError(
            f'expected a finite transform from {frame!r} to {map_frame!r}, got infinity or NaN; '
            'mend its publisher'
        )
    return map_T_frame


def motion_to_msg(matrix: np.ndarray) -> Transform:
    """Return a rigid (4, 4) motion as a geometry_msgs/Transform."""
    x, y, z = map(float, matrix[:3, 3])
    qx, qy, qz, qw = map(float, quaternion_from_matrix(matrix))
    return Transform(
        translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
    )


def moved(scan: Scan, map_T_cloud: np.ndarray, map_frame: str) -> Scan:
    """
    Return the scan with points, normals, sensor path and free space taken to the map frame.

    In double precision, with the origin of the scan: a cloud in UTM may lie near zero in map.
    """
    map_T_points = map_T_cloud.copy()
    map_T_points[:3, 3] = transform(map_T_cloud, np.array([scan.origin]))[0]
    xyz = transform(map_T_points, scan.xyz)
    origin = origin_of(xyz)

    def less_origin(places):
        return (places - np.array(origin)).astype(np.float32)

    path, normals, free = scan.sensor_path, scan.normals, scan.free
    return dataclasses.replace(
        scan,
        xyz=less_origin(xyz),
        normals=None if normals is None else (normals @ map_T_cloud[:3, :3].T).astype(np.float32),
        sensor_path=None if path is None else less_origin(transform(map_T_points, path)),
        free=None if free is None else free.moved(map_T_points).shifted(-np.array(origin)),
        frame_id=map_frame,
        origin=origin,
    )
