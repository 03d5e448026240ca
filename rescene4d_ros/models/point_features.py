"""Features of points, of which voxels hold the means."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures import Scan

POINT_CHANNELS = 8  # red, green, blue, has color, |normal| x y z, height above the floor


def point_features(scan: Scan) -> np.ndarray:
    """
    Compute the features of each point that the voxels average.

    Normals are used without sign: the sensor position is unknown for fused clouds, and opposite
    signs in one voxel would cancel.

    Returns
    -------
    ndarray (N, 8), float32
        Color in [-1, 1] (0 without color), 1 if there is color, absolute normal, height above
        the floor in m.

    """
    feats = np.zeros((len(scan), POINT_CHANNELS), dtype=np.float32)
    if scan.rgb is not None:
        feats[:, :3] = scan.rgb.astype(np.float32) / 127.5 - 1
        feats[:, 3] = 1
    if scan.normals is not None:
        feats[:, 4:7] = np.abs(scan.normals)
    feats[:, 7] = scan.xyz[:, 2] - floor_height(scan.xyz, scan.normals)
    return feats


def sonata_features(scan: Scan, origin: np.ndarray | None = None) -> np.ndarray:
    """
    Compute the point features of Sonata and Concerto.

    Without `origin` positions are relative to the center of the visit, not of the sequence as
    published, so that a visit can be encoded alone.

    Parameters
    ----------
    scan : Scan
        At least one point.
    origin : ndarray (3,), m, in map, optional
        See `models.inputs.sequence_origin`.

    Returns
    -------
    ndarray (N, 9), float64
        Position relative to the center and to the lowest point of the visit, or to `origin`, m;
        color in [0, 1]; normal. Missing values are zero.

    """
    xyz = scan.xyz.astype(np.float64)
    if origin is None:
        low, high = xyz.min(0), xyz.max(0)
        origin = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    rgb = np.zeros_like(xyz) if scan.rgb is None else scan.rgb / 255
    normals = np.zeros_like(xyz) if scan.normals is None else scan.normals
    return np.hstack([xyz - origin, rgb, normals])


def floor_height(xyz: np.ndarray, normals: np.ndarray | None = None) -> float:
    """
    Estimate the height of the floor: the lowest large level surface.

    Parameters
    ----------
    xyz : ndarray (N, 3), m, in map
        At least one point.
    normals : ndarray (N, 3), optional
        Excludes walls and sides of furniture.

    Returns
    -------
    float, m
        Height of the lowest 0.1 m layer with at least a fifth of the level points of the fullest
        layer, so that single points below the floor are ignored.

    """
    z = xyz[:, 2].astype(np.float64)
    if normals is not None:
        is_level = np.abs(normals[:, 2]) > 0.9
        if is_level.any():
            z = z[is_level]
    low = z.min()
    layer = ((z - low) / 0.1).astype(np.int64)
    counts = np.bincount(layer)
    floor_layer = int(np.flatnonzero(counts >= 0.2 * counts.max())[0])
    return float(np.median(z[layer == floor_layer]))
