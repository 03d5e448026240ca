"""PointCloud2 from numpy: sensor_msgs_py where it is installed, the same function elsewhere."""
from __future__ import annotations

import array
from collections.abc import Iterable

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

try:
    from sensor_msgs_py.point_cloud2 import create_cloud
except ImportError:
    def create_cloud(header: Header, fields: Iterable[PointField],
                     points: np.ndarray) -> PointCloud2:
        """
        Make a PointCloud2 of a structured array (N,) whose layout is that of `fields`.

        The data setter keeps an array.array as it is; numpy or the constructor would be copied
        byte by byte in Python.
        """
        points = np.ascontiguousarray(points)
        data = array.array('B')
        data.frombytes(points.view(np.uint8).data)
        message = PointCloud2(
            header=header, height=1, width=len(points), fields=list(fields), is_dense=False,
            is_bigendian=False, point_step=points.dtype.itemsize, row_step=points.nbytes)
        message.data = data
        return message

_DATATYPES = {np.dtype(dtype): code for dtype, code in (
    ('i1', PointField.INT8), ('u1', PointField.UINT8), ('i2', PointField.INT16),
    ('u2', PointField.UINT16), ('i4', PointField.INT32), ('u4', PointField.UINT32),
    ('f4', PointField.FLOAT32), ('f8', PointField.FLOAT64))}


def fields_of(dtype: np.dtype) -> list[PointField]:
    """Return the PointFields of a structured dtype of scalars."""
    return [PointField(name=name, offset=int(offset), datatype=_DATATYPES[kind], count=1)
            for name, (kind, offset, *_) in dtype.fields.items()]
