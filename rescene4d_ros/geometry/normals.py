"""Estimation of surface normals."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

# m; assumed sensor height above the lowest points if the path is unknown
EYE_HEIGHT = 1.5


def estimate_normals(
    xyz: np.ndarray, *, k: int = 16, sensor_path: np.ndarray | None = None
) -> np.ndarray:
    """
    Fit a plane to the k nearest points of each point, with its normal towards the sensor.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m, in map
    k : int
        Points per plane, the point itself included.
    sensor_path : ndarray (P, 3), float, m, in map, optional
        Sensor positions. Without them normals point to eye height in the center of the cloud:
        correct for walls, floor and tops, uncertain for sides of furniture.

    Returns
    -------
    ndarray (N, 3), float32
        Unit normals; +z for fewer than three points.

    """
    if len(xyz) < 3:
        return np.tile(np.array([0, 0, 1], dtype=np.float32), (len(xyz), 1))
    xyz = np.asarray(xyz, dtype=np.float64)
    neighbors = cKDTree(xyz).query(xyz, k=min(k, len(xyz)))[1]
    return orient_normals(plane_normals(xyz, neighbors), xyz, sensor_path)


def plane_normals(xyz: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """
    Return the direction of least variance of each row of neighbors.

    Parameters
    ----------
    xyz : ndarray (N, 3), float64, m
    neighbors : ndarray (M, k), int
        Rows of `xyz`.

    Returns
    -------
    ndarray (M, 3), float64
        Unit normals of either sign.

    """
    points = xyz[neighbors]  # (M, k, 3)
    points -= points.mean(axis=1, keepdims=True)
    return np.linalg.eigh(points.transpose(0, 2, 1) @ points)[1][:, :, 0]


def orient_normals(
    normals: np.ndarray, xyz: np.ndarray, sensor_path: np.ndarray | None
) -> np.ndarray:
    """
    Orient each normal towards the nearest sensor position.

    Parameters
    ----------
    normals : ndarray (N, 3), float
        Unit normals of either sign.
    xyz : ndarray (N, 3), float, m, in map
    sensor_path : ndarray (P, 3), float, m, in map, or None
        None: eye height in the center of the cloud.

    Returns
    -------
    ndarray (N, 3), float32

    """
    if sensor_path is None or not len(sensor_path):
        low, high = xyz.min(axis=0), xyz.max(axis=0)
        middle = (low + high) / 2
        towards = np.array([middle[0], middle[1], low[2] + EYE_HEIGHT]) - xyz
    else:
        towards = sensor_path[cKDTree(sensor_path).query(xyz)[1]] - xyz
    facing = np.einsum('nc,nc->n', normals, towards) >= 0
    return np.where(facing[:, None], normals, -normals).astype(np.float32)
