"""PointCloud2 from numpy: sensor_msgs_py where it is installed, the same function elsewhere."""

from __future__ import annotations

import array
from collections.abc import Iterable

import numpy as np
from rescene4d_ros.data.readers.point_cloud2 import cloud_fields
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
