"""A furnished room with walls, as a scanner would bring it home."""

import numpy as np
import pytest
from rescene4d_ros.structures import Scan

FURNITURE = (  # corner, edges in m
    ((0.3, 0.2, 0), (1.9, 0.9, 0.8)),
    ((4.2, 0.1, 0), (0.6, 0.4, 1.9)),
    ((2.6, 2.0, 0.68), (1.4, 0.8, 0.05)),
    ((0.1, 2.9, 0), (0.5, 1.2, 1.1)),
    ((5.2, 3.2, 0), (0.45, 0.45, 0.9)),
)


def rectangle(rng, corner, u, v, density):
    """Return points (N, 3) on a parallelogram, `density` per m^2."""
    area = np.linalg.norm(np.cross(u, v))
    share = rng.random((int(area * density), 2))
    return np.asarray(corner) + share @ np.array([u, v])


def box(rng, corner, size, density):
    """Return points on the sides and the top of a box."""
    x, y, z = np.diag(size)
    faces = [(corner, x, z), (corner, y, z), (corner + y, x, z), (corner + x, y, z)]
    faces.append((corner + z, x, y))
    return np.concatenate([rectangle(rng, c, u, v, density) for c, u, v in faces])


def make_room(seed=0, furniture=FURNITURE, density=900.0):
    """Return points (N, 3) of an L-shaped room of 6 x 4.5 m, 2.5 m high, with noise of 5 mm."""
    rng = np.random.default_rng(seed)
    outline = np.array([(0, 0), (6, 0), (6, 3), (4.5, 3), (4.5, 4.5), (0, 4.5)], float)
    parts = [
        rectangle(rng, (0, 0, 0), (6, 0, 0), (0, 3, 0), density),
        rectangle(rng, (0, 3, 0), (4.5, 0, 0), (0, 1.5, 0), density),
    ]
    for start, end in zip(outline, np.roll(outline, -1, axis=0)):
        along = (*(end - start), 0)
        parts.append(rectangle(rng, (*start, 0), along, (0, 0, 2.5), density))
    parts += [box(rng, np.array(c, float), np.array(s), density) for c, s in furniture]
    xyz = np.concatenate(parts)
    return xyz + rng.normal(0, 0.005, xyz.shape)


def make_person(x, y, seed=1):
    """Return points on legs, trunk, arms and head of a person of 1.78 m."""
    rng = np.random.default_rng(seed)
    parts = []
    for cx, cy, radius, low, high in (
        (0, -0.1, 0.08, 0, 0.85),
        (0, 0.1, 0.08, 0, 0.85),
        (0, 0, 0.17, 0.85, 1.45),
        (0, -0.26, 0.05, 0.8, 1.4),
        (0, 0.26, 0.05, 0.8, 1.4),
        (0, 0, 0.11, 1.5, 1.78),
    ):
        n = int(2 * np.pi * radius * (high - low) / 0.02**2)
        turn = rng.uniform(0, 2 * np.pi, n)
        around = radius * np.cos(turn), radius * np.sin(turn)
        parts.append(
            np.stack([x + cx + around[0], y + cy + around[1], rng.uniform(low, high, n)], 1)
        )
    return np.concatenate(parts)


def scan_of(xyz):
    """Return points as a scan."""
    return Scan(np.asarray(xyz, np.float32), 1)


@pytest.fixture(scope='session')
def room():
    """Return the points of the first visit."""
    return make_room()


@pytest.fixture(scope='session')
def later():
    """Return those of a second one, where a cupboard stands elsewhere and a chair is gone."""
    moved = (FURNITURE[0], ((2.0, 3.9, 0), (0.6, 0.4, 1.9)), *FURNITURE[2:4])
    return make_room(seed=1, furniture=moved)
