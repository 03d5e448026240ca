"""Estimated normals on surfaces whose normals are known."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.geometry.normals import estimate_normals, plane_normals
from scipy.spatial import cKDTree


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


def test_normals_are_the_least_eigenvectors_of_neighborhoods():
    """NumPy's eigenvectors over SciPy's neighbors are the reference."""
    rng = np.random.default_rng(2)
    sphere = rng.normal(size=(2000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    for xyz in (sphere, rng.random((500, 3)), rng.random((500, 3)) * [1, 1, 1e-9] + [9, 9, 9]):
        neighbors = cKDTree(xyz).query(xyz, k=16)[1]
        points = xyz[neighbors] - xyz[neighbors].mean(1, keepdims=True)
        values, vectors = np.linalg.eigh(points.transpose(0, 2, 1) @ points)
        clear = values[:, 1] - values[:, 0] > 1e-3 * values[:, 2]  # others have many directions
        assert clear.mean() > 0.9
        across = np.cross(plane_normals(xyz, neighbors), vectors[:, :, 0])[clear]
        assert np.linalg.norm(across, axis=1).max() < 1e-6
        facing = estimate_normals(xyz, sensor_path=np.zeros((1, 3)))
        assert np.linalg.norm(np.cross(facing, vectors[:, :, 0])[clear], axis=1).max() < 1e-6
        assert (np.einsum('nc,nc->n', facing, -xyz)[clear] > -1e-6).all()


def test_points_on_a_line_or_at_one_place_have_unit_normals():
    t = np.linspace(0, 1, 40)[:, None]
    for direction in ((1, 0, 0), (0, 2, 0), (0, 0, 3), (1, -2, 3), (0, 1, 1), (0, 0, 0)):
        normals = estimate_normals(t * direction)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(normals @ np.array(direction), 0, atol=1e-3)
