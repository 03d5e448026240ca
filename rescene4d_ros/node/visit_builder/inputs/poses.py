"""Where the sensor was at the stamp of a cloud: from TF, or from odometry."""

from __future__ import annotations

from bisect import insort
from operator import itemgetter
from threading import Lock
from types import SimpleNamespace

from nav_msgs.msg import Odometry
import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rescene4d_ros.data.readers.bags.transforms import LARGEST_GAP, TransformTree
from rescene4d_ros.data.readers.columns import FARTHEST
from rescene4d_ros.errors import ConfigError, FrameUnavailableError, ScanError
from rescene4d_ros.node.messages.conversions import time_from_msg
from rescene4d_ros.node.tf import Buffer, looked_up, TransformException, TransformListener

KEPT = 3000  # poses; a minute at 50 Hz


class TfPoses:
    """
    Look poses up in TF.

    Raises
    ------
    ConfigError
        tf2_ros is not installed.

    """

    def __init__(self, node: Node, map_frame: str):
        if Buffer is None:
            raise ConfigError(
                'pose_source: expected tf2_ros for poses from TF, it is not installed; set '
                'pose_source to odometry'
            )
        self._map_frame = map_frame
        self._buffer = Buffer(cache_time=Duration(seconds=30.0))
        self._listener = TransformListener(self._buffer, node, spin_thread=False)

    def pose(self, frame: str, stamp_ns: int) -> np.ndarray:
        """Return map_T_frame (4, 4) without waiting, or raise FrameUnavailableError."""
        try:
            map_T_frame = looked_up(self._buffer, self._map_frame, frame, stamp_ns)
        except TransformException as error:
            raise FrameUnavailableError(
                f'expected where {frame!r} is in {self._map_frame!r} at the stamp of the cloud, '
                f'TF does not know it ({error}); check the TF tree and the stamps'
            ) from error
        return near_enough(map_T_frame, frame)

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()


def near_enough(map_T_frame: np.ndarray, frame: str) -> np.ndarray:
    """
    Return a pose (4, 4) as it is.

    Raises
    ------
    ScanError
        It is where no map is: an estimate that diverged.

    """
    farthest = np.abs(map_T_frame[:3, 3]).max()
    if farthest > FARTHEST:
        raise ScanError(
            f'expected {frame!r} within {FARTHEST:g} m of the origin of the map, got '
            f'{farthest:.3g} m; check what localizes the sensor'
        )
    return map_T_frame


class OdometryPoses:
    """
    Keep the newest poses of the topic `odometry`, and interpolate between two of them.

    A pose that goes back by more than 1 s is held: the next one tells whether its stamp is wrong,
    or the clock was set back, or an earlier stamp was far in the future. Then later poses go.
    """

    def __init__(self, node: Node, map_frame: str):
        self._node, self._map_frame = node, map_frame
        self._kept: list[tuple[int, Odometry]] = []  # by stamp, ns
        self._back: tuple[int, Odometry] | None = None  # one that goes back
        self._lock = Lock()
        self._subscription = node.create_subscription(Odometry, 'odometry', self._take, 100)

    def _take(self, message: Odometry) -> None:
        pose = time_from_msg(message.header.stamp), message
        with self._lock:
            if self._kept and pose[0] < self._kept[-1][0] - LARGEST_GAP:
                before, self._back = self._back, pose
                if before is None or not 0 <= pose[0] - before[0] <= LARGEST_GAP:
                    return
                self._kept = [kept for kept in self._kept if kept[0] < before[0]] + [before]
            self._back = None
            insort(self._kept, pose, key=itemgetter(0))
            del self._kept[:-KEPT]

    def pose(self, frame: str, stamp_ns: int) -> np.ndarray:
        """Return map_T_frame (4, 4) without waiting, or raise FrameUnavailableError."""
        with self._lock:
            kept = list(self._kept)
        times = np.array([at for at, _ in kept], np.int64)
        after = int(np.searchsorted(times, stamp_ns))
        tree = TransformTree()
        for _, message in kept[max(after - 1, 0) : after + 1]:
            pose = message.pose.pose
            motion = SimpleNamespace(translation=pose.position, rotation=pose.orientation)
            tree.add(
                SimpleNamespace(
                    header=message.header, child_frame_id=message.child_frame_id, transform=motion
                ),
                static=False,
            )
        try:
            map_T_frame = tree.lookup(self._map_frame, frame, stamp_ns)
        except FrameUnavailableError as error:  # its text is about a bag
            raise FrameUnavailableError(
                f'expected odometry of {frame!r} in {self._map_frame!r} before and after the '
                f'stamp {stamp_ns / 1e9:.3f} s of the cloud, at most {LARGEST_GAP / 1e9:g} s '
                f'apart, got {len(kept)} poses without such; check the topic '
                'odometry, its frames and stamps'
            ) from error
        return near_enough(map_T_frame, frame)

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)
