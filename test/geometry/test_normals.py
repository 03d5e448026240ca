"""Estimated normals on surfaces whose normals are known."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.geometry.point_sets import estimate_normals


def test_tilted_plane_points_to_the_sensor():
    rng = np.random.default_rng(0)
    uv = rng.uniform(-1, 1, (2000, 2))
    normal = np.array([1, 2, 3]) / np.sqrt(14)
    a = np.cross(normal, [0, 0, 1]) / np.linalg.norm(np.cross(normal, [0, 0, 1]))
    xyz = uv[:, :1] * a + uv[:, 1:] * np.cross(normal, a)
    for side in (1, -1):
        path = np.float32([5 * side * normal])
        np.testing.assert_allclose(
            estimate_normals(xyz, sensor_path=path), np.tile(side * normal, (2000, 1)), atol=1e-5
        )


def test_sphere_from_inside_and_without_a_path_floor_and_ceiling_face_the_room():
    rng = np.random.default_rng(1)
    unit = rng.normal(size=(4000, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    normals = estimate_normals(2 * unit, sensor_path=np.zeros((1, 3), dtype=np.float32))
    assert np.einsum('nc,nc->n', normals, -unit).min() > 0.95
    assert np.linalg.norm(normals, axis=1).max() < 1 + 1e-5

    floor = rng.uniform(0, 4, (2000, 3)) * [1, 1, 0]
    room = np.concatenate((floor, floor + [0, 0, 2.5]))
    z = estimate_normals(room)[:, 2]
    assert (z[:2000] > 0.99).all()
    assert (z[2000:] < -0.99).all()


def test_too_few_points_make_no_plane():
    assert estimate_normals(np.zeros((0, 3))).shape == (0, 3)
    assert estimate_normals(np.zeros((2, 3))).tolist() == [[0, 0, 1]] * 2
