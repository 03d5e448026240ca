"""
How long preparing one visit takes: normals, superpoints, voxels, places.

    .venv/bin/python benchmarks/preparation.py [--points 94000] [--repeats 5] [--seed 3]

Scans one made room and takes so many of its points, without their normals. In the same run, as a
measure of the machine: normals of Open3D, and normals by SciPy's search tree and NumPy's
eigenvectors, the reference that they equal. All on one
core, the least of some repeats, in seconds of that core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
import time

import numpy as np
import open3d as o3d
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.normals import estimate_normals, orient_normals
from rescene4d_ros.geometry.superpoints.cut import superpoints
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input
from scipy.spatial import cKDTree
from superpoints import scan_of

NEIGHBORS = 16


def plain_normals(xyz: np.ndarray, sensor_path: np.ndarray | None) -> np.ndarray:
    """Return what `estimate_normals` returns, by SciPy and NumPy."""
    xyz = xyz.astype(np.float64)
    around = xyz[cKDTree(xyz).query(xyz, k=NEIGHBORS)[1]]
    around -= around.mean(axis=1, keepdims=True)
    least = np.linalg.eigh(around.transpose(0, 2, 1) @ around)[1][:, :, 0]
    return orient_normals(least, xyz, sensor_path)


def open3d_normals(xyz: np.ndarray) -> np.ndarray:
    """Return Open3D's normals of as many neighbors, of either sign."""
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz.astype(np.float64)))
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(NEIGHBORS))
    return np.asarray(cloud.normals)


def seconds(do: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of a call; the first call, which compiles, not counted."""
    do()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        do()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--points', type=int, default=94_000)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--seed', type=int, default=3)
    options = parser.parse_args()
    scan = scan_of(options.points, options.seed)
    xyz, path = scan.xyz, scan.sensor_path
    normals = estimate_normals(xyz, sensor_path=path)
    scan = replace(scan, normals=normals)
    pieces = superpoints(xyz, normals, scan.rgb)
    config = ModelConfig()
    parts = {
        'normals': lambda: estimate_normals(xyz, sensor_path=path),
        'superpoints': lambda: superpoints(xyz, normals, scan.rgb),
        'voxels': lambda: make_visit_input(scan, pieces, config),
        'places': lambda: Cloud(xyz, path),
    }
    taken = {name: seconds(do, options.repeats) for name, do in parts.items()}
    taken['preparation'] = sum(taken.values())
    taken['normals, SciPy'] = seconds(lambda: plain_normals(xyz, path), options.repeats)
    taken['normals, Open3D'] = seconds(lambda: open3d_normals(xyz), options.repeats)
    print(f"{len(xyz)} points       seconds   of Open3D's normals")
    for name, value in taken.items():
        print(f'{name:20} {value:9.3f}   {value / taken["normals, Open3D"]:.2f}')
    across = np.linalg.norm(np.cross(plain_normals(xyz, path), normals), axis=1)
    print(f'largest sine between the normals and those by SciPy: {across.max():.1e}')


if __name__ == '__main__':
    main()
