"""Messages from and to bytes, by rosbags."""

from __future__ import annotations

from functools import cache
import struct
from typing import Any

from rescene4d_ros.data.readers.bags.messages import Recorded, SPACE, TRANSFORMS
from rescene4d_ros.errors import ScanError
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

# The fields of msg/ObservedSpace.msg, which an installed package does not have as text.
SPACE_FIELDS = """
std_msgs/Header header
geometry_msgs/Point[] path
float32 cell
geometry_msgs/Point origin
uint32[3] size
uint8[] free
"""
LONGEST_FRAME = 1000  # bytes of a name; longer ones are refused where the cloud is decoded


@cache
def typestore(encoding: str = 'cdr'):
    """Return rosbags' types of ROS 2 ('cdr') or ROS 1 ('ros1')."""
    if encoding == 'cdr':
        store = get_typestore(Stores.ROS2_JAZZY)
        store.register(get_types_from_msg(SPACE_FIELDS, SPACE))
        return store
    store = get_typestore(Stores.ROS1_NOETIC)  # without that of /tf
    store.register(get_types_from_msg('geometry_msgs/TransformStamped[] transforms', TRANSFORMS))
    return store


def deserialized(message: Recorded, name: str) -> Any:
    """
    Return a message as rosbags' object of its type.

    Parameters
    ----------
    message : Recorded
    name : str
        For messages to people.

    Raises
    ------
    ScanError
        The bytes are none.

    """
    kind = message.topic.type
    store = typestore(message.topic.encoding)
    try:
        if message.topic.encoding == 'ros1':
            return store.deserialize_ros1(message.data, kind)
        return store.deserialize_cdr(message.data, kind)
    except Exception as error:  # of any kind: the bytes are what somebody else wrote
        raise ScanError(
            f'{name}: expected a serialized {kind}, got {len(message.data)} bytes that are none '
            f'({str(error)[:200] or type(error).__name__}); record the visit again'
        ) from error


def header_of(message: Recorded) -> tuple[int, str] | None:
    """Return stamp in ns and frame of a message that starts with a header; None if it does not."""
    data = message.data
    try:
        order = '<' if message.topic.encoding == 'ros1' or data[1] & 1 else '>'
        # Four bytes stand before: what CDR is encoded by, or a counter in ROS 1.
        seconds, nanoseconds, length = struct.unpack_from(order + 'iII', data, 4)
        if length > min(len(data) - 16, LONGEST_FRAME):
            return None
        frame = bytes(data[16 : 16 + length]).rstrip(b'\0').decode('utf-8')
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    return seconds * 10**9 + nanoseconds, frame
