"""What the depth camera sees, and what stands before a lamp, against other ways to find it."""

from dataclasses import fields, replace

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.structures import WALL
from rescene4d_ros.synthetic_rooms import RoomsConfig
from rescene4d_ros.synthetic_rooms.layout.room_shell import make_room, Room
from rescene4d_ros.synthetic_rooms.life import make_life
from rescene4d_ros.synthetic_rooms.rendering.camera import camera_poses, image_plane
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import scan, surface_of
from rescene4d_ros.synthetic_rooms.rendering.fusion import fuse
from rescene4d_ros.synthetic_rooms.rendering.light import draw_lights, shade
from rescene4d_ros.synthetic_rooms.rendering.occlusion import Occlusion
from rescene4d_ros.synthetic_rooms.rendering.raster import depth_images, NEAR_M
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import on_grid
from rescene4d_ros.synthetic_rooms.surfaces.material import Material
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box

CONFIG = make(RoomsConfig, {'view_width': 48, 'view_height': 36, 'views': 4, 'max_objects': 8})
WHITE = Material((0.8, 0.8, 0.8), (0.8, 0.8, 0.8))
AHEAD = np.array([[[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]]])
HERE = np.eye(4)[None]


def surface_with(*parts):
    """Return the surface of a room of boxes (size, center)."""
    made = tuple((box(size, center, WHITE), WALL) for size, center in parts)
    return surface_of(
        Room('test', np.array([[0, 0], [4.0, 0], [4, 4], [0, 4]]), 2.5, 0.1, (), (), made), ()
    )


def weights_of(corners, starts, steps):
    """Return (N, F) steps to the planes of triangles, and whether they are met inside."""
    a, b, c = (corners[None, :, k] - starts[:, None] for k in range(3))
    volumes = [(steps[:, None] * np.cross(p, q)).sum(axis=2) for p, q in ((b, c), (c, a), (a, b))]
    total = np.sum(volumes, axis=0)
    inside = np.all(np.array(volumes) * np.sign(total) >= 0, axis=0)
    with np.errstate(divide='ignore', invalid='ignore'):
        return (a * np.cross(b, c)).sum(axis=2) / total, inside


def test_depth_is_that_of_the_nearest_of_all_triangles():
    """Large, small and behind the camera, in part or all: every pixel against every triangle."""
    rng = np.random.default_rng(2)
    middle = rng.uniform(-3, 3, (60, 1, 3))
    corners = middle + rng.normal(size=(60, 3, 3)) * rng.choice([0.1, 0.5, 2.0], (60, 1, 1))
    x, y = image_plane(CONFIG)
    seen = depth_images(corners, HERE, x, y)
    rays = np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)))], axis=2).reshape(-1, 3)
    depth, inside = weights_of(corners, np.zeros_like(rays), rays)
    depth = np.where(inside & (depth >= NEAR_M), depth, np.inf)
    np.testing.assert_allclose(seen.depth.ravel(), depth.min(axis=1), rtol=1e-9)
    found = np.isfinite(seen.depth)
    assert 0.3 < found.mean() < 1
    np.testing.assert_array_equal(
        seen.face.ravel(), np.where(found.ravel(), depth.argmin(axis=1), -1)
    )
    a, b, c = np.moveaxis(corners[seen.face[found]], 1, 0)
    u, v = seen.uv[found].T[..., None]
    np.testing.assert_allclose(
        a + u * (b - a) + v * (c - a),
        rays.reshape(1, len(y), len(x), 3)[found] * seen.depth[found][:, None],
        atol=1e-9,
    )


def test_ranges_agree_with_a_ray_caster():
    """In a furnished room, but for pixels that graze an edge."""
    o3d = pytest.importorskip('open3d')
    life = make_life(5, CONFIG)
    surface = surface_of(life.room, life.visits[0].values())
    poses = camera_poses(life.room, life.visits[0].values(), CONFIG, np.random.default_rng(0))
    x, y = image_plane(CONFIG)
    seen = depth_images(surface.vertices[surface.faces], poses, x, y)
    steps = np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)))], axis=2)
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor(surface.vertices.astype(np.float32)),
        o3d.core.Tensor(surface.faces.astype(np.uint32)),
    )
    for pose, depth in zip(poses, seen.depth):
        rays = np.concatenate(
            [np.broadcast_to(pose[:3, 3], steps.shape), steps @ pose[:3, :3].T], axis=2
        ).astype(np.float32)
        expected = scene.cast_rays(rays, nthreads=1)['t_hit'].numpy()
        assert np.mean(np.isclose(depth, expected, rtol=0, atol=1e-4)) > 0.999


def test_of_coinciding_surfaces_the_later_is_seen():
    """Not a mixture of both, also where they are a rounding apart."""
    wall = np.array([[[-5.0, -5, 2], [5, -5, 2], [0, 9, 2]]])
    x, y = image_plane(CONFIG)
    for off in (-1e-6, 0.0, 1e-6):
        seen = depth_images(np.concatenate([wall, wall + (0.3, 0.2, off)]), HERE, x, y)
        assert (seen.face == 1).all()


def test_occlusion_is_that_by_any_triangle():
    """Segments of random places against every triangle of a furnished room."""
    life = make_life(5, CONFIG)
    surface = surface_of(life.room, life.visits[0].values())
    corners = surface.vertices[surface.faces]
    rng = np.random.default_rng(1)
    low, high = surface.vertices.min(axis=0), surface.vertices.max(axis=0)
    starts, ends = rng.uniform(low, high, (2, 150, 3))
    ends[:20, :2] = starts[:20, :2]  # straight up or down
    share, inside = weights_of(corners, starts, ends - starts)
    expected = (inside & (share > 0) & (share < 0.9)).any(axis=1)
    assert 0.1 < expected.mean() < 0.9
    got = Occlusion(corners)(starts, ends - starts, 0.9)
    np.testing.assert_array_equal(got, expected)


def test_another_thing_leaves_the_noise_of_other_pixels():
    """A thing too near to be measured takes the returns of its pixels; all others stay."""
    wall = ((0.1, 20, 20), (3.05, 0, 0))
    alone, both = (
        scan(surface_with(*parts), AHEAD, CONFIG, np.random.default_rng(4))
        for parts in ((wall,), (wall, ((0.02, 0.02, 0.02), (0.3, 0, 1.5))))
    )
    kept = np.isin(alone.pixel, both.pixel)
    assert 0.9 < kept.mean() < 1
    for name in ('pixel', 'face', 'true', 'measured', 'normals', 'gain', 'uv'):
        np.testing.assert_array_equal(getattr(alone, name)[kept], getattr(both, name))


def test_one_return_less_changes_one_cell():
    """Points, normals and what is forgotten of all other cells stay as they are."""
    hits = scan(
        surface_with(((0.1, 20, 20), (3.05, 0, 0))), AHEAD, CONFIG, np.random.default_rng(4)
    )
    gone = 700
    per_hit = [f.name for f in fields(hits) if f.name != 'ranges']
    less = replace(hits, **{n: np.delete(getattr(hits, n), gone, axis=0) for n in per_hit})
    owner = np.ones(len(hits.pixel), np.int64)
    full = fuse(hits, owner, np.eye(4), 0.2, np.random.default_rng(0))
    part = fuse(less, owner[1:], np.eye(4), 0.2, np.random.default_rng(0))
    at_full, at_part = hits.pixel[full.sample], less.pixel[part.sample]
    _, one, other = np.intersect1d(at_full, at_part, return_indices=True)
    equal = (
        (full.xyz[one] == part.xyz[other]).all(axis=1)
        & (full.normals[one] == part.normals[other]).all(axis=1)
        & (full.count[one] == part.count[other])
    )
    assert len(at_full) - equal.sum() == 1


def test_colors_do_not_depend_on_other_points():
    """Some of the points get the colors they have among all."""
    room = make_room('living', 8, np.random.default_rng(3))
    surface = surface_of(room, ())
    occlusion = Occlusion(surface.vertices[surface.faces])
    rng = np.random.default_rng(6)
    points = rng.uniform((*room.outline.min(axis=0), 0), (*room.outline.max(axis=0), 2), (300, 3))
    normals = rng.normal(size=(300, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    pixel = rng.choice(2000, 300, replace=False)
    lights = draw_lights(room, 2000, rng)

    def colors(some):
        return shade(
            occlusion,
            lights,
            points[some],
            normals[some],
            np.full((len(some), 3), 0.7),
            np.ones(len(some)),
            pixel[some],
        )

    every = colors(np.arange(300))
    assert len(np.unique(every, axis=0)) > 100
    np.testing.assert_array_equal(colors(np.arange(1, 300, 3)), every[1::3])


def test_grid_is_held_by_floats():
    """Rounded to about a micrometer, exact in 32 bits within a building."""
    places = np.random.default_rng(0).uniform(-15, 15, 1000)
    rounded = on_grid(places)
    np.testing.assert_allclose(rounded, places, rtol=0, atol=0.5e-6)
    np.testing.assert_array_equal(rounded.astype(np.float32), rounded)
    np.testing.assert_array_equal(on_grid(rounded * (1 + 1e-15)), rounded)
