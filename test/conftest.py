"""What several rooms' tests share: a toy room of boxes on a floor."""

import os

from hypothesis import settings
import numpy as np
import pytest
from rescene4d_ros.structures import Scan

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
if 'PYTEST_XDIST_WORKER' in os.environ:
    # Before torch is imported: processes that share the cores take one each.
    os.environ.setdefault('OMP_NUM_THREADS', '1')

# The same examples in every run, however busy the machine is; --hypothesis-profile=default
# looks for others.
settings.register_profile('same', derandomize=True, deadline=None)
settings.load_profile('same')

FACES = ((0, 1, 2), (1, 2, 0), (2, 0, 1))


def sample_box(rng, low, size, density):
    """Return points and normals on the faces of an upright box, `density` points per m^2."""
    points, normals = [], []
    for u, v, w in FACES:
        for side in (0, 1):
            n = int(density * size[u] * size[v])
            face = np.zeros((n, 3))
            face[:, u], face[:, v] = rng.random(n) * size[u], rng.random(n) * size[v]
            face[:, w] = side * size[w]
            normal = np.zeros((n, 3))
            normal[:, w] = 2 * side - 1
            points.append(face + low)
            normals.append(normal)
    return np.concatenate(points), np.concatenate(normals)


def make_boxes_room(boxes, seed=0, density=600.0, floor=3.0, stamp_ns=0):
    """
    Sample a square floor with boxes on it.

    Parameters
    ----------
    boxes : sequence of (low, size, rgb)
        Corner and edges in m, color 0..255.
    seed : int
    density : float
        Points per m^2.
    floor : float
        Edge of the floor, m.
    stamp_ns : int

    Returns
    -------
    Scan
    ndarray (N,), int32
        0 = floor, k + 1 = box k.

    """
    rng = np.random.default_rng(seed)
    n = int(density * floor**2)
    xyz = [np.column_stack([rng.random((n, 2)) * floor, np.zeros(n)])]
    normals = [np.tile([0.0, 0, 1], (n, 1))]
    rgb = [np.tile([120, 110, 100], (n, 1))]
    for low, size, color in boxes:
        points, normal = sample_box(rng, low, size, density)
        xyz.append(points)
        normals.append(normal)
        rgb.append(np.tile(color, (len(points), 1)))
    instance = np.repeat(np.arange(len(xyz)), [len(x) for x in xyz]).astype(np.int32)
    scan = Scan(
        np.concatenate(xyz).astype(np.float32),
        stamp_ns,
        np.concatenate(rgb).astype(np.uint8),
        np.concatenate(normals).astype(np.float32),
    )
    return scan, instance


@pytest.fixture(scope='session')
def boxes_room():
    """Return the function that makes a toy room; see `make_boxes_room`."""
    return make_boxes_room
