"""
Messages of 3D detectors to boxes, without ROS.

Any object with the fields of vision_msgs/msg/Detection3DArray will do: rclpy's and rosbags' alike.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from rescene4d_ros.data.readers.given_boxes import boxes_of_rows, GivenBoxes
from rescene4d_ros.errors import ScanError
from scipy.spatial.transform import Rotation

CORNERS = np.array(list(product((-0.5, 0.5), repeat=3)))  # (8, 3) of a box of size 1


def boxes_of_detections(message: Any, map_T_frame: np.ndarray | None = None) -> GivenBoxes:
    """
    Return the boxes of a message; of each detection the best hypothesis counts.

    A tilted box becomes the upright one around it, turned about z as the tilted one is.

    Parameters
    ----------
    message : Detection3DArray
    map_T_frame : ndarray (4, 4), optional
        Takes the frame of the message to the map; default: it is the map.

    Raises
    ------
    ScanError
        Values that are no box's, class or score.

    """
    name = f'detections of {stamp_of(message) / 1e9:.3f} s'
    motion = np.eye(4) if map_T_frame is None else map_T_frame
    rows, classes, scores = [], [], []
    for detection in message.detections:
        rows.append(_upright(detection.bbox, motion, name))
        best = max((r.hypothesis for r in detection.results), key=_score, default=None)
        classes.append('' if best is None else best.class_id)
        scores.append(1.0 if best is None else best.score)
    return boxes_of_rows(np.array(rows), classes, np.array(scores), name)


def stamp_of(message: Any) -> int:
    """Return the stamp of a message's header, ns."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _score(hypothesis: Any) -> float:
    return float(hypothesis.score)


def _upright(bbox: Any, motion: np.ndarray, name: str) -> list[float]:
    """Return center, size and yaw of the upright box in map around one in another frame."""
    place, turn, size = bbox.center.position, bbox.center.orientation, bbox.size
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w], np.float64)
    middle = np.array([place.x, place.y, place.z], np.float64)
    extent = np.array([size.x, size.y, size.z], np.float64)
    if not (np.isfinite(quaternion).all() and np.isfinite(middle).all()):
        raise ScanError(f'{name}: expected finite poses of boxes, got NaN or infinity; mend them')
    if not (extent > 0).all():
        raise ScanError(f'{name}: expected sizes of boxes above 0 m, got {extent.tolist()}')
    axes = motion[:3, :3] @ (
        Rotation.from_quat(quaternion).as_matrix() if quaternion.any() else np.eye(3)
    )
    lying = axes[:, np.hypot(axes[0], axes[1]).argmax()]  # the axis that is most level
    yaw = float(np.arctan2(lying[1], lying[0]))
    corners = (CORNERS * extent) @ axes.T + motion[:3, :3] @ middle + motion[:3, 3]
    level = Rotation.from_euler('z', yaw).as_matrix()
    own = corners @ level
    low, high = own.min(0), own.max(0)
    return [*(level @ ((low + high) / 2)), *(high - low), yaw]
