"""
CPU time and memory of the visit builder for live clouds, on one core.

python benchmarks/visit_building.py --seconds 30
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.posed_clouds import PosedCloud

RATE = 10  # clouds per second
ROOM = np.array([[-5.0, -4.0, 0.0], [5.0, 4.0, 2.6]])


def main() -> None:
    """Drive through a room at 0.5 m/s, turning, and print what a second of clouds costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=int, default=30, help='duration of the drive')
    parser.add_argument('--points', type=int, default=64_000, help='points of a cloud')
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    rays = rng.normal(size=(options.points, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    builder = VisitBuilder(VisitBuildingConfig())
    spent = 0.0
    for k in range(-RATE, options.seconds * RATE):
        pose = np.eye(4)
        yaw = 0.03 * k
        pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        pose[:3, 3] = 3 * np.sin(0.05 * k / 3), 1.0, 1.2
        seen = rays @ pose[:3, :3].T
        far = (np.where(seen > 0, ROOM[1], ROOM[0]) - pose[:3, 3]) / seen
        distance = far.min(axis=1) + rng.normal(0, 0.005, len(rays))
        xyz = (rays * distance[:, None]).astype(np.float32)
        cloud = PosedCloud(xyz, pose, 10**18 + k * 10**9 // RATE, np.full(xyz.shape, 99, np.uint8))
        start = time.process_time()
        builder.add(cloud)
        if k >= 0:  # the first second compiles
            spent += time.process_time() - start
    start = time.process_time()
    visit = builder.finish()
    print(
        f'{options.seconds} s of {RATE} Hz x {options.points} points: '
        f'{spent / options.seconds:.3f} s of CPU per second, finish '
        f'{time.process_time() - start:.2f} s; {builder.counts.keyframes} keyframes, '
        f'{builder.n_voxels} voxels, {len(visit.scan)} points; process '
        f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most'
    )


if __name__ == '__main__':
    main()
