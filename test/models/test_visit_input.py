"""Voxels, their features and their superpoints against loops, and what must not change them."""

from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.floor.structure import coarse_floor_height
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import (
    IN_CHANNELS,
    make_visit_input,
    POINT_CHANNELS,
    point_features,
)
from rescene4d_ros.structures import Scan
import torch

CONFIG = ModelConfig(voxel_size=0.1)
BOXES = (((0.5, 0.5, 0.0), (0.5, 0.4, 0.6), (200, 30, 30)),)


def piece(scan, edge=0.25, low=-100.0):
    """Return a superpoint per point: cubes of the given edge."""
    cell = np.floor((scan.xyz - low) / edge).astype(np.int64)
    return np.unique(cell, axis=0, return_inverse=True)[1].astype(np.int32)


def test_voxels_hold_the_means_of_their_points(boxes_room):
    scan, _ = boxes_room(BOXES, density=100)
    visit = make_visit_input(scan, piece(scan), CONFIG)
    feats = point_features(scan)
    cell_of = np.floor(scan.xyz.astype(np.float64) / 0.1).astype(np.int64)
    assert len(visit.coords) == len(np.unique(cell_of, axis=0))
    for row in range(0, len(visit.coords), 17):
        inside = (cell_of == visit.coords[row].numpy()).all(1)
        np.testing.assert_allclose(visit.xyz[row], scan.xyz[inside].mean(0), atol=1e-5)
        np.testing.assert_allclose(
            visit.feats[row, :POINT_CHANNELS], feats[inside].mean(0), atol=1e-5
        )
        middle = (visit.coords[row].numpy() + 0.5) * 0.1
        np.testing.assert_allclose(
            visit.feats[row, POINT_CHANNELS:],
            (scan.xyz[inside].mean(0) - middle) / 0.05,
            atol=1e-4,
        )


def test_voxel_takes_the_superpoint_of_most_of_its_points(boxes_room):
    scan, _ = boxes_room(BOXES, density=100)
    superpoint = np.random.default_rng(0).integers(0, 5, len(scan))
    visit = make_visit_input(scan, superpoint, CONFIG)
    assert visit.n_superpoints == 5
    cell_of = np.floor(scan.xyz.astype(np.float64) / 0.1).astype(np.int64)
    for row in range(0, len(visit.coords), 17):
        inside = (cell_of == visit.coords[row].numpy()).all(1)
        assert visit.superpoint[row] == np.bincount(superpoint[inside]).argmax()
    np.testing.assert_array_equal(visit.point_superpoint, superpoint)


def test_superpoint_that_wins_no_voxel_is_joined_to_the_winner():
    xyz = np.float32([[0.02, 0, 0], [0.03, 0, 0], [0.04, 0, 0], [0.05, 0, 0], [0.52, 0, 0]])
    visit = make_visit_input(Scan(xyz, 0), np.array([7, 7, 3, 7, 9]), CONFIG)
    assert visit.n_superpoints == 2
    assert visit.superpoint.tolist() == [0, 1]
    assert visit.point_superpoint.tolist() == [0, 0, 0, 0, 1]


def test_every_superpoint_has_a_voxel_and_every_point_a_superpoint(boxes_room):
    scan, _ = boxes_room(BOXES, density=300)
    visit = make_visit_input(scan, piece(scan, edge=0.05), CONFIG)
    assert set(visit.superpoint.tolist()) == set(range(visit.n_superpoints))
    assert len(visit.point_superpoint) == len(scan)
    assert visit.point_superpoint.min() >= 0
    assert visit.point_superpoint.max() < visit.n_superpoints


def test_order_of_points_does_not_matter(boxes_room):
    scan, _ = boxes_room(BOXES)
    superpoint = piece(scan)
    order = np.random.default_rng(0).permutation(len(scan))
    one = make_visit_input(scan, superpoint, CONFIG)
    two = make_visit_input(scan.take(order), superpoint[order], CONFIG)
    assert torch.equal(one.coords, two.coords)
    assert torch.equal(one.superpoint, two.superpoint)
    torch.testing.assert_close(one.feats, two.feats)
    np.testing.assert_array_equal(one.point_superpoint[order], two.point_superpoint)


def test_grid_is_absolute(boxes_room):
    """Two visits that share a point share its cell, whatever else they contain."""
    scan, _ = boxes_room(BOXES)
    half = scan.take(scan.xyz[:, 0] > 0.7)
    whole = make_visit_input(scan, piece(scan), CONFIG)
    part = make_visit_input(half, piece(half), CONFIG)
    known = set(map(tuple, whole.coords.tolist()))
    assert set(map(tuple, part.coords.tolist())) <= known


def test_opposite_normals_are_one_surface(boxes_room):
    scan, _ = boxes_room(BOXES)
    flipped = Scan(scan.xyz, 0, scan.rgb, -scan.normals)
    np.testing.assert_array_equal(point_features(scan), point_features(flipped))


def test_missing_color_is_told_from_gray(boxes_room):
    scan, _ = boxes_room(BOXES)
    feats = point_features(Scan(scan.xyz, 0, None, scan.normals))
    assert (feats[:, :4] == 0).all()
    assert (point_features(scan)[:, 3] == 1).all()


def test_floor_is_found_below_furniture_and_above_stray_points(boxes_room):
    scan, _ = boxes_room(BOXES)
    stray = np.float32([[1, 1, -2.0], [2, 1, -1.5]])
    xyz = np.concatenate([scan.xyz + np.float32([0, 0, 1.3]), stray])
    normals = np.concatenate([scan.normals, np.float32([[0, 0, 1]] * 2)])
    assert abs(coarse_floor_height(xyz, normals) - 1.3) < 0.02


def test_empty_visit_has_no_voxels():
    visit = make_visit_input(Scan(np.zeros((0, 3), np.float32), 0), np.zeros(0, int), CONFIG)
    assert visit.coords.shape == (0, 3)
    assert visit.feats.shape == (0, IN_CHANNELS)
    assert visit.n_superpoints == 0


def test_fine_voxels_lie_in_the_voxels_of_the_visit(boxes_room):
    """Also at negative positions and on the borders of cells."""
    scan, _ = boxes_room(BOXES, density=100)
    rng = np.random.default_rng(0)
    borders = rng.integers(-40, 40, (500, 3)) * 0.05
    scan = Scan(np.vstack([scan.xyz - 3, borders]).astype(np.float32), 0)
    config = replace(CONFIG, fine_level_channels=4)
    visit = make_visit_input(scan, piece(scan), config)
    cell_of = np.floor(scan.xyz.astype(np.float64) / 0.05).astype(np.int64)
    assert {tuple(c) for c in visit.fine.coords.tolist()} == {tuple(c) for c in cell_of.tolist()}
    assert torch.equal(torch.unique(visit.fine.coords >> 1, dim=0), visit.coords)
    feats = point_features(scan)
    for row in range(0, len(visit.fine.coords), 17):
        inside = (cell_of == visit.fine.coords[row].numpy()).all(1)
        np.testing.assert_allclose(
            visit.fine.feats[row, :POINT_CHANNELS], feats[inside].mean(0), atol=1e-5
        )
        votes = np.bincount(visit.point_superpoint[inside])
        assert visit.fine.superpoint[row] == votes.argmax()
    plain = make_visit_input(scan, piece(scan), CONFIG)
    assert plain.fine is None
    assert torch.equal(plain.feats, visit.feats)
