"""Live topics of a drive to a rosbag2 bag (MCAP), without ROS: clouds, transforms, odometry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rescene4d_ros.data.readers.bags.messages import CLOUD, TRANSFORMS
from rescene4d_ros.data.readers.bags.serialization import typestore
from rescene4d_ros.data.readers.bags.writing import cloud_message, offered_qos
from rescene4d_ros.structures import Scan
from scipy.spatial.transform import Rotation

ODOMETRY = 'nav_msgs/msg/Odometry'
CLOUDS_TOPIC = '/camera/points'
MAP, ODOM, BASE, CAMERA = 'map', 'odom', 'base_link', 'camera'
TOPICS = (  # of each: name, type, durability, depth
    (CLOUDS_TOPIC, CLOUD, 'volatile', 10),
    ('/tf', TRANSFORMS, 'volatile', 100),
    ('/tf_static', TRANSFORMS, 'transient_local', 1),
    ('/odometry', ODOMETRY, 'volatile', 100),
)


class LiveFrame(Protocol):
    """What a robot publishes at one time; poses (4, 4) as it believes."""

    @property
    def stamp_ns(self) -> int:
        """Return ns since the Unix epoch."""
        ...

    @property
    def xyz(self) -> np.ndarray:
        """Return the points (N, 3), float32, m, in the frame of the camera."""
        ...

    @property
    def rgb(self) -> np.ndarray:
        """Return the colors (N, 3), uint8."""
        ...

    @property
    def map_T_odom(self) -> np.ndarray:
        """Return what the localization corrects."""
        ...

    @property
    def odom_T_base(self) -> np.ndarray:
        """Return what the wheels say."""
        ...

    @property
    def base_T_camera(self) -> np.ndarray:
        """Return where the head has turned."""
        ...


def write_drives(path: Path, drives: Iterable[Iterable[LiveFrame]]) -> None:
    """
    Write drives as the topics `/camera/points`, `/tf`, `/tf_static` and `/odometry`.

    Each cloud comes before the transforms of its stamp, as a localization sends them. Odometry
    repeats the pose of the camera in the map, for those who have no TF.

    Parameters
    ----------
    path : Path
        The bag's folder; must not exist.
    drives : iterable of iterables of LiveFrame
        In the order of their stamps.

    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    store = typestore()
    with Writer(Path(path), version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        to = {
            topic: writer.add_connection(
                topic,
                kind,
                typestore=store,
                offered_qos_profiles=[offered_qos('reliable', durability, depth)],
            )
            for topic, kind, durability, depth in TOPICS
        }
        for drive in drives:
            for k, frame in enumerate(drive):
                for topic, kind, message in _messages(frame, store.types, k == 0):
                    writer.write(to[topic], frame.stamp_ns, store.serialize_cdr(message, kind))


def _messages(frame: LiveFrame, types: dict[str, Any], is_first: bool):
    """Yield topic, type and message of all that is published with one cloud."""
    mast = np.eye(4)
    mast[:3, 3] = frame.base_T_camera[:3, 3]
    pan = frame.base_T_camera.copy()
    pan[:3, 3] = 0.0
    if is_first:
        static = _transforms([(BASE, 'mast', mast)], frame.stamp_ns, types)
        yield '/tf_static', TRANSFORMS, static
    scan = Scan(frame.xyz, frame.stamp_ns, frame.rgb, frame_id=CAMERA)
    yield CLOUDS_TOPIC, CLOUD, cloud_message(scan, types)
    moving = [
        (MAP, ODOM, frame.map_T_odom),
        (ODOM, BASE, frame.odom_T_base),
        ('mast', CAMERA, pan),
    ]
    yield '/tf', TRANSFORMS, _transforms(moving, frame.stamp_ns, types)
    yield '/odometry', ODOMETRY, _odometry(frame, types)


def _header(stamp_ns: int, frame_id: str, types: dict[str, Any]):
    stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    return types['std_msgs/msg/Header'](stamp, frame_id)


def _transforms(
    edges: Sequence[tuple[str, str, np.ndarray]], stamp_ns: int, types: dict[str, Any]
):
    """Return a TFMessage of edges (parent, child, parent_T_child)."""
    return types[TRANSFORMS](
        [
            types['geometry_msgs/msg/TransformStamped'](
                _header(stamp_ns, parent, types),
                child,
                types['geometry_msgs/msg/Transform'](
                    types['geometry_msgs/msg/Vector3'](*map(float, pose[:3, 3])),
                    _quaternion(pose, types),
                ),
            )
            for parent, child, pose in edges
        ]
    )


def _odometry(frame: LiveFrame, types: dict[str, Any]):
    pose = frame.map_T_odom @ frame.odom_T_base @ frame.base_T_camera
    zero = types['geometry_msgs/msg/Vector3'](0.0, 0.0, 0.0)
    unknown = np.zeros(36)
    return types[ODOMETRY](
        _header(frame.stamp_ns, MAP, types),
        CAMERA,
        types['geometry_msgs/msg/PoseWithCovariance'](
            types['geometry_msgs/msg/Pose'](
                types['geometry_msgs/msg/Point'](*map(float, pose[:3, 3])),
                _quaternion(pose, types),
            ),
            unknown,
        ),
        types['geometry_msgs/msg/TwistWithCovariance'](
            types['geometry_msgs/msg/Twist'](zero, zero), unknown
        ),
    )


def _quaternion(pose: np.ndarray, types: dict[str, Any]):
    x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
    return types['geometry_msgs/msg/Quaternion'](float(x), float(y), float(z), float(w))
