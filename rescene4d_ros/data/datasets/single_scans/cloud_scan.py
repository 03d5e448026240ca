"""Annotated clouds without a mesh: their normals and superpoints."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.geometry.superpoints.cut import superpoints


def cloud_scan(
    name: str,
    xyz: np.ndarray,
    rgb: np.ndarray,
    semantic: np.ndarray,
    instance: np.ndarray,
    spacing: float,
    *,
    sensor_path: np.ndarray | None = None,
    remarks: tuple[str, ...] = (),
) -> AnnotatedScan:
    """
    Return the scan of a cloud, thinned, with estimated normals and superpoints.

    Parameters
    ----------
    name : str
    xyz : ndarray (N, 3), float, m
    rgb : ndarray (N, 3), uint8
    semantic, instance : ndarray (N,), int
        As in `AnnotatedScan`.
    spacing : float, m
        One point per cell of this edge; 0 = all points.
    sensor_path : ndarray (P, 3), m, optional
    remarks : tuple of str

    """
    kept = thin(xyz, spacing) if spacing else np.arange(len(xyz))
    points = xyz[kept].astype(np.float32)
    normals = estimate_normals(points, sensor_path=sensor_path)
    return AnnotatedScan(
        name,
        points,
        rgb[kept],
        normals,
        superpoints(points, normals, rgb[kept]),
        semantic[kept].astype(np.int32),
        instance[kept].astype(np.int32),
        sensor_path=None if sensor_path is None else sensor_path.astype(np.float32),
        remarks=remarks,
    )
