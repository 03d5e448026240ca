"""Where frames are in the map at a time, from the /tf and /tf_static of a recording."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rescene4d_ros.data.readers.bags.messages import Recorded, TRANSFORMS
from rescene4d_ros.data.readers.bags.parts import read_messages
from rescene4d_ros.data.readers.bags.serialization import deserialized
from rescene4d_ros.errors import FrameUnavailableError, ScanError
from rescene4d_ros.geometry.cloud import path_times
from rescene4d_ros.geometry.se3 import invert
from scipy.spatial.transform import Rotation, Slerp

STATIC = '/tf_static'
LARGEST_GAP = 10**9  # ns between transforms that may be interpolated
DEEPEST = 64  # frames between a cloud and the root; more are a loop
VALUES = 7  # x, y, z in m; quaternion x, y, z, w


class TransformTree:
    """
    Hold the transforms of a recording: 64 bytes for each.

    A frame has one parent; with several, nothing says which one counts. One that is static counts
    at any time; between two of a moving frame it is interpolated, where they are at most 1 s
    apart.
    """

    def __init__(self):
        self._parent: dict[str, str] = {}
        self._others: dict[str, str] = {}  # another parent of a frame
        self._static: dict[str, np.ndarray] = {}
        self._times: dict[str, array] = {}
        self._values: dict[str, array] = {}
        self._sorted: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def of_files(cls, files: Iterable[Path]) -> TransformTree:
        """Read the transforms of a bag's files; such as cannot be read are left out."""
        tree = cls()
        for message in read_messages(list(files), frozenset({TRANSFORMS})):
            if not isinstance(message, Recorded):
                continue
            try:
                transforms = deserialized(message, message.topic.name).transforms
            except ScanError:
                continue
            for transform in transforms:
                tree.add(transform, message.topic.name == STATIC)
        return tree

    def add(self, stamped, static: bool) -> None:
        """Take one geometry_msgs/msg/TransformStamped; one that is no motion is left out."""
        moved, turned = stamped.transform.translation, stamped.transform.rotation
        values = [moved.x, moved.y, moved.z, turned.x, turned.y, turned.z, turned.w]
        length = np.linalg.norm(values[3:])
        if not (np.isfinite(values).all() and 0.9 < length < 1.1):
            return
        child = stamped.child_frame_id.lstrip('/')
        parent = stamped.header.frame_id.lstrip('/')
        if self._parent.setdefault(child, parent) != parent:
            self._others[child] = parent
            return
        if static:
            self._static[child] = np.array(values)
            return
        stamp = stamped.header.stamp
        self._times.setdefault(child, array('q')).append(
            int(stamp.sec) * 10**9 + int(stamp.nanosec)
        )
        self._values.setdefault(child, array('d')).extend(values)

    def lookup(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        """
        Return the motion (4, 4) that takes points of `source` to `target` at a time.

        Raises
        ------
        FrameUnavailableError
            No transforms lead from one to the other at that time.

        """
        root_T_target, root = self._to_root(target.lstrip('/'), stamp_ns)
        root_T_source, other = self._to_root(source.lstrip('/'), stamp_ns)
        if root != other:
            raise FrameUnavailableError(
                f'expected transforms from {source!r} to {target!r} in the bag, found none that '
                'lead there; record /tf and /tf_static with the clouds'
            )
        return invert(root_T_target) @ root_T_source

    def path(self, target: str, source: str, stamp_ns: int, duration: float) -> np.ndarray:
        """Return where `source` was in `target` (P, 3), m, up to a time, where it is known."""
        places = []
        for at_ns in path_times(stamp_ns, duration):
            try:
                places.append(self.lookup(target, source, at_ns)[:3, 3])
            except FrameUnavailableError:
                continue
        return np.array(places).reshape(-1, 3)

    def _to_root(self, frame: str, stamp_ns: int) -> tuple[np.ndarray, str]:
        motion = np.eye(4)
        for _ in range(DEEPEST):
            if frame not in self._parent:
                return motion, frame
            if frame in self._others:
                raise FrameUnavailableError(
                    f'expected one parent of {frame!r} in the bag, got {self._parent[frame]!r} '
                    f'and {self._others[frame]!r}; mend the publishers'
                )
            motion = self._parent_T_child(frame, stamp_ns) @ motion
            frame = self._parent[frame]
        raise FrameUnavailableError(
            f'expected a tree of frames in the bag, got a loop at {frame!r}; mend the publishers'
        )

    def _parent_T_child(self, child: str, stamp_ns: int) -> np.ndarray:
        if child in self._static:
            return _matrix(self._static[child])
        times, values = self._moving(child)
        after = int(np.searchsorted(times, stamp_ns))
        if after < len(times) and times[after] == stamp_ns:
            return _matrix(values[after])
        if not 0 < after < len(times) or times[after] - times[after - 1] > LARGEST_GAP:
            raise FrameUnavailableError(
                f'expected transforms of {child!r} before and after {stamp_ns / 1e9:.3f} s, at '
                f'most {LARGEST_GAP / 1e9:g} s apart, got {times[0] / 1e9:.3f} s to '
                f'{times[-1] / 1e9:.3f} s; record /tf from before the first cloud on'
            )
        before, span = values[after - 1], times[after] - times[after - 1]
        share = float(stamp_ns - times[after - 1]) / float(span)
        between = before + share * (values[after] - before)
        turns = Slerp([0, 1], Rotation.from_quat(values[after - 1 : after + 1, 3:]))
        between[3:] = turns(share).as_quat()
        return _matrix(between)

    def _moving(self, child: str) -> tuple[np.ndarray, np.ndarray]:
        """Return times (T,) in ns and values (T, 7) by time."""
        if child not in self._sorted:
            times = np.frombuffer(self._times[child], np.int64)
            order = np.argsort(times, kind='stable')
            values = np.frombuffer(self._values[child], np.float64).reshape(-1, VALUES)
            self._sorted[child] = times[order], values[order]
        return self._sorted[child]


def _matrix(values: np.ndarray) -> np.ndarray:
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_quat(values[3:]).as_matrix()
    motion[:3, 3] = values[:3]
    return motion
