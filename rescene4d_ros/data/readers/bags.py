"""Snapshots in rosbag2 bags (MCAP, SQLite), without ROS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.readers.point_cloud2 import cloud_array, cloud_fields, decode_cloud
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import Scan

CLOUD = 'sensor_msgs/msg/PointCloud2'


def read_snapshots(path: Path, topic: str | None = None) -> Iterator[tuple[Scan, np.ndarray]]:
    """
    Read the clouds of a bag in the order of recording; parameters and errors as of `snapshots`.

    Yields
    ------
    scan : Scan
        Frame and stamp from the header.
    kept : ndarray (M,), bool
        Which of the M points of the message are in the scan.

    """
    for snapshot in snapshots(path, topic):
        yield snapshot.read()


@dataclass(frozen=True)
class Snapshot:
    """
    Hold one recorded cloud, not decoded yet, so that a bad one does not stop those after it.

    Attributes
    ----------
    name : str
        Bag and number, for messages to people.
    data : bytes
        As recorded (CDR).
    types : Typestore
        That knows the bag's messages.

    """

    name: str
    data: bytes
    types: Any

    def read(self) -> tuple[Scan, np.ndarray]:
        """
        Return the scan, and which points of the message are in it.

        Raises
        ------
        ScanError
            A cloud that cannot be used.

        """
        try:
            message = self.types.deserialize_cdr(self.data, CLOUD)
        except Exception as error:  # of any kind: the bytes are what somebody else wrote
            raise ScanError(
                f'{self.name}: expected a serialized {CLOUD}, got {len(self.data)} '
                f'bytes that are none ({error or type(error).__name__}); record the '
                'visit again'
            ) from error
        return decode_cloud(message, self.name)


def snapshots(path: Path, topic: str | None = None) -> Iterator[Snapshot]:
    """
    Find the clouds of a bag in the order of recording.

    Parameters
    ----------
    path : Path
        A rosbag2 folder, or its .mcap or .db3 file.
    topic : str, optional
        Needed where several topics hold clouds.

    Raises
    ------
    FileFormatError
        No bag, a damaged one, or no such topic.

    """
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.rosbag2 import ReaderError

    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if not (folder / 'metadata.yaml').exists():
        raise FileFormatError(
            f'{folder}: expected a rosbag2 folder with metadata.yaml, found '
            'none; run `ros2 bag reindex`'
        )
    try:
        with AnyReader([folder], default_typestore=_typestore()) as reader:
            clouds = [c for c in reader.connections if c.msgtype == CLOUD]
            chosen = [c for c in clouds if topic in (None, c.topic, c.topic.removeprefix('/'))]
            if len({c.topic for c in chosen}) != 1:
                got = ', '.join(sorted({c.topic for c in clouds})) or 'none'
                raise FileFormatError(
                    f'{path}: expected one topic of {CLOUD}'
                    f'{f" called {topic!r}" if topic else ""}, got: {got}; '
                    'name one with --topic'
                )
            for number, (_, _, data) in enumerate(reader.messages(connections=chosen), 1):
                yield Snapshot(f'{path.name} snapshot {number}', data, reader.typestore)
    except (AnyReaderError, ReaderError, AssertionError, EOFError, OSError) as error:
        raise FileFormatError(
            f'{path}: expected a whole rosbag2 bag, got a damaged one '
            f'({error or type(error).__name__}); copy it again'
        ) from error


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

    store = _typestore()
    with Writer(Path(path), version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            topic,
            CLOUD,
            typestore=store,
            offered_qos_profiles=[offered_qos('reliable', 'volatile', 5)],
        )
        for scan in scans:
            message = _message(scan, store.types)
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


def _typestore():
    from rosbags.typesys import get_typestore, Stores

    return get_typestore(Stores.ROS2_JAZZY)


def _message(scan: Scan, types: dict[str, Any]):
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
