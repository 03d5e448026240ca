"""Normals of surfaces that points show: planes through neighbors, turned towards the sensor."""

from __future__ import annotations

import math

import numba
import numpy as np
from rescene4d_ros.geometry.neighbors import nearest
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
    neighbors = nearest(xyz, min(k, len(xyz)))[1]
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
        Unit normals of either sign; any direction of least variance where there are several.

    """
    normals = np.empty((len(neighbors), 3))
    _fit_planes(np.ascontiguousarray(xyz), neighbors.astype(np.int32, copy=False), normals)
    return normals


@numba.njit(cache=True)
def _fit_planes(xyz, neighbors, normals):
    """Write the direction of least variance of each row of neighbors."""
    k = neighbors.shape[1]
    for row in range(len(neighbors)):
        x = y = z = 0.0
        for j in range(k):
            at = neighbors[row, j]
            x, y, z = x + xyz[at, 0], y + xyz[at, 1], z + xyz[at, 2]
        x, y, z = x / k, y / k, z / k
        xx = xy = xz = yy = yz = zz = 0.0
        for j in range(k):
            at = neighbors[row, j]
            a, b, c = xyz[at, 0] - x, xyz[at, 1] - y, xyz[at, 2] - z
            xx, xy, xz = xx + a * a, xy + a * b, xz + a * c
            yy, yz, zz = yy + b * b, yz + b * c, zz + c * c
        normals[row] = _least_direction(xx, xy, xz, yy, yz, zz)


@numba.njit(cache=True)
def _least_direction(xx, xy, xz, yy, yz, zz):
    """
    Return the unit eigenvector of the smallest eigenvalue of a symmetric matrix.

    The eigenvalue in closed form (Smith, CACM 1961); the vector is normal to the rows of the
    matrix less the eigenvalue.
    """
    mean = (xx + yy + zz) / 3
    a, b, c = xx - mean, yy - mean, zz - mean
    spread = math.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
    if spread == 0:
        return 0.0, 0.0, 1.0
    determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    cosine = min(max(determinant / (2 * spread**3), -1.0), 1.0)
    least = 2 * spread * math.cos((math.acos(cosine) + 2 * math.pi) / 3)
    a, b, c = a - least, b - least, c - least
    # Cross products of two rows each; the longest is the most exact.
    x, y, z = b * c - yz * yz, yz * xz - xy * c, xy * yz - b * xz
    u, v, w = xy * c - xz * yz, xz * xz - a * c, a * yz - xy * xz
    if u * u + v * v + w * w > x * x + y * y + z * z:
        x, y, z = u, v, w
    u, v, w = xy * yz - xz * b, xz * xy - a * yz, a * b - xy * xy
    if u * u + v * v + w * w > x * x + y * y + z * z:
        x, y, z = u, v, w
    length = math.sqrt(x * x + y * y + z * z)
    if length < 1e-12 * spread * spread:
        # The points lie on a line: anything normal to the longest row.
        x, y, z = a, xy, xz
        if b > max(a, c):
            x, y, z = xy, b, yz
        elif c > a:
            x, y, z = xz, yz, c
        x, y, z = (y, -x, 0.0) if abs(z) < max(abs(x), abs(y)) else (0.0, z, -y)
        length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


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
