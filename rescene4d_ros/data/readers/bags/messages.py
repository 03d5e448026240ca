"""Recorded messages, whatever kind of file they come from."""

from __future__ import annotations

from dataclasses import dataclass
import re

CLOUD = 'sensor_msgs/msg/PointCloud2'
TRANSFORMS = 'tf2_msgs/msg/TFMessage'
SPACE = 'rescene4d_ros/msg/ObservedSpace'
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'


@dataclass(frozen=True)
class Topic:
    """
    Name one topic of a recording.

    Attributes
    ----------
    name : str
    type : str
        As ROS 2 writes it: package/msg/Type.
    encoding : str
        'cdr' or 'ros1'.

    """

    name: str
    type: str
    encoding: str = 'cdr'


@dataclass(frozen=True)
class Recorded:
    """Hold one message as recorded: topic, time of recording in ns, serialized data."""

    topic: Topic
    time_ns: int
    data: bytes


@dataclass(frozen=True)
class Damage:
    """
    Hold what cannot be read; what comes after it may be whole.

    Attributes
    ----------
    text : str
        What was expected, what came, what to do.
    at_end : bool
        Whether only the end is missing, as in a recording that was killed.

    """

    text: str
    at_end: bool = False


def ros2_type(name: str) -> str:
    """Return a type's name as ROS 2 writes it: tf/tfMessage of old is tf2_msgs/msg/TFMessage."""
    if name == 'tf/tfMessage':
        return TRANSFORMS
    return re.sub(r'^([^/]+)/([^/]+)$', r'\1/msg/\2', name)
