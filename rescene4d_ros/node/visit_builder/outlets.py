"""What is published of a finished visit: its snapshot, the path and what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from geometry_msgs.msg import Pose, PoseStamped
from nav_msgs.msg import Path
import numpy as np
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rescene4d_ros.data.readers.point_cloud2 import cloud_array
from rescene4d_ros.node.messages.conversions import create_cloud, fields_of, time_to_msg
from rescene4d_ros.node.messages.observed_space import space_to_msg
from rescene4d_ros.structures import Scan
from rescene4d_ros.visit_building.builder import BuiltVisit
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

AXES = {'x': 0, 'y': 1, 'z': 2, 'vp_x': 0, 'vp_y': 1, 'vp_z': 2}


class SnapshotOutlet(Protocol):
    """Take snapshots, and say whether somebody does; a publisher, or what stands for it."""

    def get_subscription_count(self) -> int:
        """Return how many listen."""
        ...

    def publish(self, message: PointCloud2) -> None:
        """Send a snapshot."""
        ...

    def wait_for_all_acked(self, timeout: Duration) -> bool:
        """Wait until all who listen have it; False = not in time."""
        ...


@dataclass(frozen=True)
class Outlets:
    """Hold the publishers of visits; those but `snapshots` are for people and planners."""

    snapshots: SnapshotOutlet
    path: Publisher
    left_out: Publisher
    space: Publisher

    def publish(self, visit: BuiltVisit) -> None:
        """Publish all there is of a visit, the snapshot last."""
        self.path.publish(path_of(visit))
        self.left_out.publish(left_out_of(visit))
        self.space.publish(space_to_msg(visit))
        self.snapshots.publish(snapshot_of(visit))


def snapshot_of(visit: BuiltVisit) -> PointCloud2:
    """Return a visit as a message; vp_x, vp_y, vp_z tell from where each point was measured."""
    scan = visit.scan
    columns = {}
    if scan.sensor_path is not None:
        seen_from = scan.sensor_path[visit.viewpoint]
        columns = {f'vp_{axis}': seen_from[:, k].copy() for k, axis in enumerate('xyz')}
    return _cloud_of(scan, cloud_array(scan, **columns))


def left_out_of(visit: BuiltVisit) -> PointCloud2:
    """Return what the snapshot lacks of what was measured, as a message."""
    whole = visit.scan
    scan = Scan(visit.left_out, whole.stamp_ns, frame_id=whole.frame_id, origin=whole.origin)
    return _cloud_of(scan, cloud_array(scan))


def path_of(visit: BuiltVisit) -> Path:
    """Return where the sensor was, as a message; what it looked at is not kept."""
    scan = visit.scan
    header = Header(stamp=time_to_msg(scan.stamp_ns), frame_id=scan.frame_id)
    path = Path(header=header)
    places = np.empty((0, 3)) if scan.sensor_path is None else scan.sensor_path
    for place in places + np.asarray(scan.origin):
        pose = Pose()
        pose.position.x, pose.position.y, pose.position.z = map(float, place)
        path.poses.append(PoseStamped(header=header, pose=pose))
    return path


def _cloud_of(scan: Scan, points: np.ndarray) -> PointCloud2:
    """Return the columns of a scan as a message in the frame of the map."""
    shift = np.asarray(scan.origin)
    if shift.any():  # far from zero float32 is too coarse
        kinds = {n: points.dtype[n] for n in points.dtype.names or ()}
        points = points.astype([(n, '<f8' if n in AXES else k) for n, k in kinds.items()])
        for name, at in AXES.items():
            if name in (points.dtype.names or ()):
                points[name] += shift[at]
    header = Header(stamp=time_to_msg(scan.stamp_ns), frame_id=scan.frame_id)
    return create_cloud(header, fields_of(points), points)
