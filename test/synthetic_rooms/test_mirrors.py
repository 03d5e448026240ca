"""Mirrors: depth behind the glass is that of the room before it."""

import numpy as np
from rescene4d_ros.synthetic_rooms.handheld_scanning.mirrors import OWN_RETURN, reflect
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import Surface
from rescene4d_ros.synthetic_rooms.rendering.raster import depth_images
from rescene4d_ros.synthetic_rooms.surfaces.material import Material
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, sheet

GLASS = Material((0.5,) * 3, (0.5,) * 3, is_mirror=True)
GRAY = Material((0.5,) * 3, (0.5,) * 3)


def test_a_mirror_shows_what_is_behind_the_camera():
    """Glass at x = 2, a wall at x = -1: the camera at 0 measures 2 + 3 meters."""
    square = np.array([[[2, -0.5, -0.5], [2, 0.5, -0.5]], [[2, -0.5, 0.5], [2, 0.5, 0.5]]], float)
    parts = [sheet(square, GLASS), box((0.1, 6, 6), (-1.05, 0, 0), GRAY)]
    counts = [len(p.faces) for p in parts]
    faces = np.concatenate([parts[0].faces, parts[1].faces + len(parts[0].vertices)])
    zero = np.zeros(len(faces), np.int32)
    vertices = np.concatenate([p.vertices for p in parts])
    material = np.repeat([0, 1], counts).astype(np.int32)
    surface = Surface(vertices, vertices, faces, material, zero, zero, (GLASS, GRAY))
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]]).T
    x, y = np.linspace(-0.2, 0.2, 41), np.linspace(-0.2, 0.2, 31)
    seen = depth_images(vertices[faces], pose[None], x, y)
    assert np.allclose(seen.depth[0], 2.0)
    ghost = reflect(surface, seen, pose[None], x, y, np.random.default_rng(0))
    assert abs(ghost.mean() - (1 - OWN_RETURN)) < 0.2
    assert np.allclose(seen.depth[ghost], 5.0)
    assert np.allclose(seen.depth[~ghost], 2.0)
    assert (material[seen.face[ghost]] == 1).all()
