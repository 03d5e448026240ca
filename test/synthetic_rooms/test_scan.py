"""The camera against geometry known in closed form: planes, boxes, hidden zones."""

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.structures import WALL
from rescene4d_ros.synthetic_rooms import RoomsConfig
from rescene4d_ros.synthetic_rooms.layout.room_shell import make_room, Room
from rescene4d_ros.synthetic_rooms.rendering.camera import camera_poses, image_plane, project
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import covered, scan, surface_of
from rescene4d_ros.synthetic_rooms.rendering.fusion import fuse
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box

WHITE = look.Material((0.8, 0.8, 0.8), (0.8, 0.8, 0.8))
POSE = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
CONFIG = make(RoomsConfig, {'view_width': 80, 'view_height': 60})


def wall_at(distance, *more):
    """Return a surface with a large wall before the camera, and more boxes (size, center)."""
    parts = [box((0.1, 20, 20), (distance + 0.05, 0, 0), WHITE)]
    parts += [box(size, center, WHITE) for size, center in more]
    room = Room('test', np.zeros((4, 2)), 2.5, 0.1, (), (), tuple((p, WALL) for p in parts))
    return surface_of(room, ())


def look_at(surface, config=CONFIG, seed=0, hidden=None):
    """Scan a surface from one place."""
    rng = np.random.default_rng(seed)
    return scan(surface, POSE[None], config, rng, hidden)


def test_range_to_a_plane():
    """Every return lies on the plane; the error along the ray grows with depth squared."""
    spread = []
    for distance in (1.0, 2.0, 4.0):
        hits = look_at(wall_at(distance))
        np.testing.assert_allclose(hits.true[:, 0], distance, atol=1e-4)
        np.testing.assert_allclose(
            hits.normals, np.tile((-1, 0, 0), (len(hits.true), 1)), atol=1e-5
        )
        middle = np.hypot(hits.true[:, 1], hits.true[:, 2] - 1.5) < 0.2 * distance
        spread.append(np.std(hits.measured[middle, 0]))
    assert len(hits.true) > 0.9 * 80 * 60
    expected = 0.001 + CONFIG.depth_noise * np.array([1.0, 4.0, 16.0])
    np.testing.assert_allclose(spread, expected, rtol=0.35)


def test_too_far_is_not_seen():
    """Beyond the range of the camera there are no points."""
    config = make(RoomsConfig, {'view_width': 80, 'view_height': 60, 'range_max': 3.0})
    assert len(look_at(wall_at(3.2), config).true) == 0
    assert (look_at(wall_at(2.0), config).ranges > 0).any()


def test_project_is_the_inverse_of_the_rays():
    """A point along the ray of a pixel comes back to it, at its distance."""
    x, y = image_plane(CONFIG)
    rays = np.stack([*np.meshgrid(x, y), np.ones((60, 80))], axis=2)
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    row, column = np.meshgrid(np.arange(60), np.arange(80), indexing='ij')
    far = np.random.default_rng(0).uniform(0.5, 5, row.shape)
    points = (rays * far[..., None]) @ POSE[:3, :3].T + POSE[:3, 3]
    inner = (slice(1, -1), slice(1, -1))
    got_row, got_column, distance = project(points[inner].reshape(-1, 3), POSE, CONFIG)
    np.testing.assert_array_equal(got_row, row[inner].ravel())
    np.testing.assert_array_equal(got_column, column[inner].ravel())
    np.testing.assert_allclose(distance, far[inner].ravel(), rtol=1e-5)


def test_points_behind_the_camera_are_in_no_pixel():
    """Also those that would project into the image."""
    assert project(np.array([[-2.0, 0, 1.5]]), POSE, CONFIG)[0][0] == -1


def test_covered_is_what_lies_before_the_surface():
    """Free space and the wall itself are covered; what is behind or beside is not."""
    hits = look_at(wall_at(3.0))
    places = np.array(
        [[1.5, 0.0, 1.5], [2.98, 0.1, 1.4], [3.5, 0.0, 1.5], [1.0, 3.0, 1.5], [-1.0, 0.0, 1.5]]
    )
    got = [
        covered(
            np.repeat(p[None], 9, axis=0) + np.random.default_rng(1).normal(0, 0.02, (9, 3)),
            POSE[None],
            hits.ranges,
            CONFIG,
        ).mean()
        for p in places
    ]
    assert got[0] > 0.7
    assert got[1] > 0.7
    assert got[2:] == [0, 0, 0]


def test_hidden_zone_takes_all_rays_that_pass_it():
    """Neither what is in it nor what is behind it is seen, beside it all is."""
    surface = wall_at(3.0, ((0.3, 0.3, 0.3), (2.2, 0.0, 1.5)))
    middle, radius = np.array([2.2, 0.0]), CONFIG.hidden_radius
    hits = look_at(surface, hidden=middle)
    assert len(hits.true) > 100
    # The tangent from the camera to the circle bounds the shadow.
    tangent = np.arcsin(radius / 2.2)
    angle = np.abs(np.arctan2(hits.true[:, 1], hits.true[:, 0]))
    assert angle.min() > tangent - 1e-3
    assert np.hypot(*(hits.true[:, :2] - middle).T).min() > radius - 1e-3


def test_flying_pixels_are_few_and_between_the_surfaces():
    """They hang behind the edge of what is in front."""
    hits = look_at(wall_at(2.5, ((0.2, 0.8, 0.8), (1.6, 0.0, 1.5))))
    flying = hits.measured[hits.flying]
    assert 0 < len(flying) < 0.03 * len(hits.true)
    assert flying[:, 0].min() > 1.3
    assert flying[:, 0].max() < 2.75


def test_fusion_gives_one_point_per_cell_on_the_surface():
    """Even spacing, noise averaged away, no doubled surface."""
    hits = look_at(wall_at(1.5))
    owner = np.ones(len(hits.true), np.int64)
    spacing = 0.05
    fused = fuse(hits, owner, np.eye(4), spacing, np.random.default_rng(0))
    assert fused.count.sum() <= len(hits.true)
    width = np.ptp(hits.true[:, 1]) * np.ptp(hits.true[:, 2])
    assert len(fused.xyz) == pytest.approx(width / spacing**2, rel=0.1)
    assert np.std(fused.xyz[:, 0]) < 0.75 * np.std(hits.measured[:, 0])
    np.testing.assert_allclose(np.linalg.norm(fused.normals, axis=1), 1, atol=1e-5)
    assert fused.normals[:, 0].mean() < -0.95


def test_fusion_keeps_the_majority_of_a_cell():
    """Against a dictionary that counts owners cell by cell."""
    hits = look_at(wall_at(1.5))
    rng = np.random.default_rng(3)
    owner = rng.choice([1, 2, 5], len(hits.true), p=[0.5, 0.3, 0.2])
    fused = fuse(hits, owner, np.eye(4), 0.2, np.random.default_rng(7))
    phase = np.random.default_rng(7).random(3)
    counts = {}
    for place, who in zip(np.floor(hits.true.astype(np.float64) / 0.2 + phase).astype(int), owner):
        cell = counts.setdefault(tuple(place), {})
        cell[int(who)] = cell.get(int(who), 0) + 1
    assert not hits.flying.any()
    assert len(fused.xyz) == len(counts)
    best = sorted(max(cell.values()) for cell in counts.values())
    assert sorted(fused.count.tolist()) == best


def test_cameras_stand_in_the_room_at_eye_height():
    """And each pose is a rotation that looks slightly down."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        room = make_room('living', 10, rng)
        poses = camera_poses(room, (), CONFIG, rng)
        assert len(poses) == CONFIG.views
        assert room.contains(poses[:, :2, 3]).all()
        assert (poses[:, 2, 3] >= 1.3).all()
        assert (poses[:, 2, 3] <= 1.8).all()
        np.testing.assert_allclose(
            poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1),
            np.tile(np.eye(3), (len(poses), 1, 1)),
            atol=1e-9,
        )
        np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1)
        assert (poses[:, 2, 2] < 0).all()
        assert (poses[:, 2, 1] < 0).all()  # the image's down is down
