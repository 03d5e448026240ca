"""PointCloud2 from scans and arrays, by sensor_msgs_py where that is installed."""

from __future__ import annotations

import array
from collections.abc import Iterable

import numpy as np
from rescene4d_ros.data.readers.point_cloud2 import cloud_array, cloud_fields
from rescene4d_ros.errors import ScanError
from rescene4d_ros.node.messages.conversions import time_to_msg
from rescene4d_ros.structures import Scan
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

try:
    from sensor_msgs_py.point_cloud2 import create_cloud
except ImportError:

    def create_cloud(
        header: Header, fields: Iterable[PointField], points: np.ndarray
    ) -> PointCloud2:
        """
        Make a PointCloud2 of a structured array (N,) whose layout is that of `fields`.

        The data setter keeps an array.array as it is; numpy or the constructor would be copied
        byte by byte in Python.
        """
        points = np.ascontiguousarray(points)
        data = array.array('B')
        data.frombytes(points.view(np.uint8).data)
        message = PointCloud2(
            header=header,
            height=1,
            width=len(points),
            fields=list(fields),
            is_dense=False,
            is_bigendian=False,
            point_step=points.dtype.itemsize,
            row_step=points.nbytes,
        )
        message.data = data
        return message


def fields_of(points: np.ndarray) -> list[PointField]:
    """Return the PointFields of a structured array."""
    return [
        PointField(name=name, offset=offset, datatype=datatype, count=count)
        for name, offset, datatype, count in cloud_fields(points)
    ]


def segmented_cloud(
    scan: Scan, object_ids: np.ndarray, class_ids: np.ndarray, scores: np.ndarray
) -> PointCloud2:
    """
    Return a visit's points with what each belongs to.

    Parameters
    ----------
    scan : Scan
        N points.
    object_ids : ndarray (N,), int64
        Persistent ids; 0 = none.
    class_ids : ndarray (N,), int32
        -1 = none.
    scores : ndarray (N,), float32

    Raises
    ------
    ScanError
        An id does not fit the 32 bits that a PointField has.

    """
    if len(object_ids) and object_ids.max() > np.iinfo(np.uint32).max:
        raise ScanError(
            f'expected ids below 2^32 in a cloud field, got {object_ids.max()}; '
            'read the ids from ~/objects'
        )
    points = cloud_array(
        scan,
        instance=object_ids.astype(np.uint32),
        class_=class_ids.astype(np.int32),
        score=scores.astype(np.float32),
    )
    header = Header(stamp=time_to_msg(scan.stamp_ns), frame_id=scan.frame_id)
    return create_cloud(header, fields_of(points), points)
