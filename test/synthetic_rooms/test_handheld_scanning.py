"""Fusion, thinning and tracking errors on shapes whose numbers are known."""

import numpy as np
import pytest
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.synthetic_rooms.handheld_scanning.path import tracked
from rescene4d_ros.synthetic_rooms.handheld_scanning.sensors import draw_setup, read_sensors
from rescene4d_ros.synthetic_rooms.handheld_scanning.thin import (
    spacing_for,
    thinned,
    without_strays,
)
from rescene4d_ros.synthetic_rooms.handheld_scanning.tsdf import fuse_depth, FusedSurface
from rescene4d_ros.synthetic_rooms.rendering.raster import depth_images
from rescene4d_ros.synthetic_rooms.surfaces.material import Material
from rescene4d_ros.synthetic_rooms.surfaces.mesh import lathe

GRAY = Material((0.5,) * 3, (0.5,) * 3)
VOXEL = 0.012
RADIUS = 0.3


@pytest.fixture(scope='module')
def fused():
    """Return a ball of 30 cm, fused from views all around it at 1.5 m."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 60)
    profile = list(zip(RADIUS * np.cos(angle), RADIUS * np.sin(angle)))
    ball = lathe(profile, GRAY, sides=90)
    poses = []
    for k in range(16):
        forward = -np.array([np.cos(k * 0.8), np.sin(k * 0.8), 0.5 * np.sin(k)])
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = -1.5 * forward
        poses.append(pose)
    x, y = np.linspace(-0.3, 0.3, 121), np.linspace(-0.3, 0.3, 121)
    depth = depth_images(ball.vertices[ball.faces], np.stack(poses), x, y).depth
    return fuse_depth(np.where(np.isfinite(depth), depth, 0), np.stack(poses), x, y, VOXEL)


def test_fused_points_lie_on_the_surface(fused):
    """To a fraction of a voxel, with normals that point outwards."""
    radius = np.linalg.norm(fused.xyz, axis=1)
    assert np.median(np.abs(radius - RADIUS)) < 0.15 * VOXEL
    assert (np.abs(radius - RADIUS) < VOXEL).mean() > 0.97
    outward = (fused.normals * fused.xyz).sum(axis=1) / radius
    assert np.median(outward) > 0.98
    assert (outward > 0).mean() > 0.97


def test_fused_points_cover_the_surface(fused):
    """About one point and a half per square of a voxel's side."""
    expected = 4 * np.pi * RADIUS**2 / VOXEL**2
    assert 1.2 < len(fused.xyz) / expected < 1.8


@pytest.mark.parametrize('how', ['mean', 'vertex', 'decimated'])
def test_thinning_leaves_a_point_per_cell(fused, how):
    """On the surface, with unit normals."""
    thin = thinned(fused, 0.04, how, np.random.default_rng(0))
    assert len(thin.xyz) < len(fused.xyz) / 5
    assert np.abs(np.linalg.norm(thin.xyz, axis=1) - RADIUS).max() < 0.03
    assert np.allclose(np.linalg.norm(thin.normals, axis=1), 1, atol=1e-6)


def test_spacing_grows_until_few_enough_points_are_left(fused):
    """The wanted number is met to a fifth; a spacing that is wide enough stays."""
    spacing = spacing_for(fused, 0.02, 800)
    thin = thinned(fused, spacing, 'vertex', np.random.default_rng(0))
    assert 640 < len(thin.xyz) < 960
    assert spacing_for(fused, 0.05, 10**6) == 0.05


def test_strays_are_dropped(fused):
    """A point that hangs in the air goes, the others stay."""
    far = np.array([[1.0, 1.0, 1.0]])
    more = FusedSurface(
        np.concatenate([fused.xyz, far]),
        np.concatenate([fused.normals, far]),
        np.append(fused.sample, 0),
    )
    kept = without_strays(more, VOXEL)
    assert len(kept.xyz) > 0.99 * len(fused.xyz)
    assert np.abs(kept.xyz).max() < 0.4


def test_tracking_errs_as_much_as_told_and_stays_rigid():
    """Half way along the loop the error is largest; poses are rotations."""
    poses = np.tile(np.eye(4), (60, 1, 1))
    errors = np.stack(
        [tracked(poses, 0.01, np.random.default_rng(k))[:, :3, 3] for k in range(80)]
    )
    spread = errors.std(axis=(0, 2))
    assert spread[30] == pytest.approx(0.0103, rel=0.25)
    assert spread[0] < 0.5 * spread[30]
    turns = tracked(poses, 0.01, np.random.default_rng(0))[:, :3, :3]
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert (np.linalg.det(turns) > 0).all()


def test_scanners_of_test_are_unseen_in_training(tmp_path):
    """Validation uses those of training; a damaged table is told."""
    names = {
        split: {draw_setup(split, np.random.default_rng(k)).sensor.name for k in range(60)}
        for split in ('train', 'val', 'test')
    }
    assert names['train'] == names['val']
    assert not names['train'] & names['test']
    assert names['train'] | names['test'] == {s.name for s in read_sensors()}
    path = tmp_path / 'sensors.csv'
    path.write_text('name,split,image\na,train,wide\n')
    with pytest.raises(FileFormatError, match='restore'):
        read_sensors(path)
