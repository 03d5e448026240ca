"""Scans to rosbag2 bags (MCAP), without ROS."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.readers.bags.messages import CLOUD
from rescene4d_ros.data.readers.bags.serialization import typestore
from rescene4d_ros.data.readers.point_cloud2 import cloud_array, cloud_fields
from rescene4d_ros.structures import Scan


def write_snapshots(path: Path, scans: Iterable[Scan], topic: str = '/snapshots') -> None:
    """
    Write scans as a rosbag2 MCAP bag that `ros2 bag play` plays; same scans, same bytes.

    Parameters
    ----------
    path : Path
        The bag's folder; must not exist.
    scans : iterable of Scan
        Recorded at their stamps, with x, y, z and rgb.
    topic : str

    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    store = typestore()
    with Writer(Path(path), version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            topic,
            CLOUD,
            typestore=store,
            offered_qos_profiles=[offered_qos('reliable', 'volatile', 5)],
        )
        for scan in scans:
            message = cloud_message(scan, store.types)
            writer.write(connection, scan.stamp_ns, store.serialize_cdr(message, CLOUD))


def offered_qos(reliability: str, durability: str, depth: int):
    """
    Return a publisher's profile as a bag states it, so that `ros2 bag play` offers the same.

    Parameters
    ----------
    reliability : str
        'reliable' or 'best_effort'.
    durability : str
        'volatile' or 'transient_local'.
    depth : int

    Returns
    -------
    rosbags.interfaces.Qos

    """
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    # RMW_DURATION_INFINITE: what rosbag2 itself writes for a publisher without deadlines.
    forever = QosTime(9223372036, 854775807)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability[reliability.upper()],
        durability=QosDurability[durability.upper()],
        deadline=forever,
        lifespan=forever,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=forever,
        avoid_ros_namespace_conventions=False,
    )


def cloud_message(scan: Scan, types: dict[str, Any]):
    """Return a scan as the PointCloud2 of a type store, with x, y, z and rgb."""
    points = cloud_array(scan)
    fields = [
        types['sensor_msgs/msg/PointField'](name=n, offset=o, datatype=d, count=c)
        for n, o, d, c in cloud_fields(points)
    ]
    stamp = types['builtin_interfaces/msg/Time'](scan.stamp_ns // 10**9, scan.stamp_ns % 10**9)
    header = types['std_msgs/msg/Header'](stamp, scan.frame_id)
    return types[CLOUD](
        header=header,
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=points.dtype.itemsize,
        row_step=points.nbytes,
        data=points.view(np.uint8).reshape(-1),
        is_dense=True,
    )
