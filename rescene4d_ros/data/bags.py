"""Snapshots in rosbag2 bags (MCAP, SQLite), without ROS."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.pointcloud import cloud_array, cloud_fields, decode_cloud
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import Scan

CLOUD = 'sensor_msgs/msg/PointCloud2'


def read_snapshots(path: Path, topic: str | None = None) -> Iterator[tuple[Scan, np.ndarray]]:
    """
    Read the clouds of a bag in the order of recording.

    Parameters
    ----------
    path : Path
        A rosbag2 folder, or its .mcap or .db3 file.
    topic : str, optional
        Needed where several topics hold clouds.

    Yields
    ------
    scan : Scan
        Frame and stamp from the header.
    kept : ndarray (M,), bool
        Which of the M points of the message are in the scan.

    Raises
    ------
    FileFormatError
        No bag, a damaged one, or no such topic.
    ScanError
        A cloud that cannot be used.

    """
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.rosbag2 import ReaderError
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if not (folder / 'metadata.yaml').exists():
        raise FileFormatError(f'{folder}: expected a rosbag2 folder with metadata.yaml, found '
                              'none; run `ros2 bag reindex`')
    try:
        with AnyReader([folder], default_typestore=_typestore()) as reader:
            clouds = [c for c in reader.connections if c.msgtype == CLOUD]
            chosen = [c for c in clouds if topic in (None, c.topic, c.topic.removeprefix('/'))]
            if len({c.topic for c in chosen}) != 1:
                got = ', '.join(sorted({c.topic for c in clouds})) or 'none'
                raise FileFormatError(f'{path}: expected one topic of {CLOUD}'
                                      f'{f" called {topic!r}" if topic else ""}, got: {got}; '
                                      'name one with --topic')
            for number, (connection, _, data) in enumerate(reader.messages(connections=chosen)):
                message = reader.deserialize(data, connection.msgtype)
                yield decode_cloud(message, f'{path.name} snapshot {number + 1}')
    except (AnyReaderError, ReaderError, AssertionError, EOFError, OSError) as error:
        raise FileFormatError(f'{path}: expected a whole rosbag2 bag, got a damaged one '
                              f'({error or type(error).__name__}); copy it again') from error


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
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )
    from rosbags.rosbag2 import StoragePlugin, Writer
    store = _typestore()
    # RMW_DURATION_INFINITE: what rosbag2 itself writes for a publisher without deadlines.
    forever = QosTime(9223372036, 854775807)
    reliable = Qos(QosHistory.KEEP_LAST, 5, QosReliability.RELIABLE, QosDurability.VOLATILE,
                   forever, forever, QosLiveliness.AUTOMATIC, forever, False)
    with Writer(Path(path), version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic, CLOUD, typestore=store,
                                           offered_qos_profiles=[reliable])
        for scan in scans:
            message = _message(scan, store.types)
            writer.write(connection, scan.stamp_ns, store.serialize_cdr(message, CLOUD))


def _typestore():
    from rosbags.typesys import get_typestore, Stores
    return get_typestore(Stores.ROS2_JAZZY)


def _message(scan: Scan, types: dict[str, Any]):
    points = cloud_array(scan)
    fields = [types['sensor_msgs/msg/PointField'](name=n, offset=o, datatype=d, count=c)
              for n, o, d, c in cloud_fields(points)]
    stamp = types['builtin_interfaces/msg/Time'](scan.stamp_ns // 10 ** 9, scan.stamp_ns % 10 ** 9)
    header = types['std_msgs/msg/Header'](stamp, scan.frame_id)
    return types[CLOUD](
        header=header, height=1, width=len(points), fields=fields, is_bigendian=False,
        point_step=points.dtype.itemsize, row_step=points.nbytes,
        data=points.view(np.uint8).reshape(-1), is_dense=True)
