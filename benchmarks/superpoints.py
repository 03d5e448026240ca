"""
How long cutting superpoints takes, beside library routines on the same points.

    .venv/bin/python benchmarks/superpoints.py [--points 200000] [--repeats 3] [--seed 3]

Scans one made room densely and takes so many of its points. Beside `superpoints` stand, in the
same run: single linkage with SciPy (a k-d tree, the same number of neighbors, the minimum
spanning tree, its light edges joined), which does not bound pieces, and DBSCAN of Open3D. All on
one core, in seconds of that core: what else runs on the machine counts less than on a clock.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
import time

import numpy as np
import open3d as o3d
from rescene4d_ros.config import make
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig, superpoints
from rescene4d_ros.structures import Scan
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

DENSE = {
    'visits': 1,
    'room_type': 'living',
    'min_objects': 30,
    'max_objects': 30,
    'views': 80,
    'view_width': 320,
    'view_height': 240,
    'spacing': 0.012,
    'p_hidden_zone': 0.0,
}
REACH_M = 0.04


def scan_of(points: int, seed: int) -> Scan:
    """Return a dense scan of a made room, thinned to so many points."""
    scan = make_sequence(seed, make(RoomsConfig, DENSE))[0].scans[0]
    if len(scan) < points:
        raise SystemExit(
            f'--points: expected at most {len(scan)}, got {points}; that is what '
            'one dense scan has'
        )
    some = np.sort(np.random.default_rng(seed).choice(len(scan), points, replace=False))
    return scan.take(some)


def single_linkage(scan: Scan, neighbors: int) -> np.ndarray:
    """Return pieces that edges of a small bend join: a cut of the minimum spanning tree."""
    assert scan.normals is not None  # of a made room
    distance, near = cKDTree(scan.xyz).query(scan.xyz, k=neighbors + 1)
    row = np.repeat(np.arange(len(scan)), neighbors)
    column, close = near[:, 1:].ravel(), distance[:, 1:].ravel() < REACH_M
    row, column = row[close], column[close]
    bend = 1 - np.einsum('ec,ec->e', scan.normals[row], scan.normals[column])
    graph = coo_array((np.maximum(bend, 1e-9), (row, column)), shape=(len(scan), len(scan)))
    tree = minimum_spanning_tree(graph.tocsr())
    tree.data[tree.data > 0.1] = 0
    tree.eliminate_zeros()
    return connected_components(tree, directed=False)[1]


def dbscan(scan: Scan) -> np.ndarray:
    """Return Open3D's clusters; it knows neither normals nor color."""
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(scan.xyz.astype(np.float64)))
    return np.asarray(cloud.cluster_dbscan(REACH_M, 10))


def seconds(do: Callable[[], np.ndarray], repeats: int) -> tuple[float, int]:
    """Return the median processor time of a call, and how many pieces the last one gave."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        pieces = do()
        taken.append(time.process_time() - start)
    return median(taken), int(pieces.max()) + 1


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--points', type=int, default=200_000)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--seed', type=int, default=3)
    options = parser.parse_args()
    scan, config = scan_of(options.points, options.seed), SuperpointConfig()
    o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)
    superpoints(scan.xyz[:100], None, None, config)  # compiles what Numba has not kept
    ours, count = seconds(
        lambda: superpoints(scan.xyz, scan.normals, scan.rgb, config), options.repeats
    )
    print(f'{len(scan)} points      pieces   seconds   against ours')
    print(f'{"superpoints":20} {count:7} {ours:9.2f}   1')
    for name, do in (
        ('single linkage, SciPy', lambda: single_linkage(scan, config.neighbors)),
        ('DBSCAN, Open3D', lambda: dbscan(scan)),
    ):
        taken, count = seconds(do, options.repeats)
        print(f'{name:20} {count:7} {taken:9.2f}   {taken / ours:.1f}')


if __name__ == '__main__':
    main()
