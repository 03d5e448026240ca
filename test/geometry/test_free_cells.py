"""Cells that were looked through: evidence of absence where no surface behind was measured."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.place_evidence import look_at, Place
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.structures import Scan
from rescene4d_ros.structures.free_space import FreeSpace

RNG = np.random.default_rng(0)
# A box of 0.5 m around (2, 2) on the floor, of which three sides and the top were measured.
SHELL = RNG.uniform((-0.25, -0.25, 0), (0.25, 0.25, 0.5), (4000, 3))
SHELL[:1000, 0], SHELL[1000:2000, 1], SHELL[2000:3000, 1] = -0.25, -0.25, 0.25
SHELL[3000:, 2] = 0.5
BOX = (SHELL + (2.0, 2.0, 0.0)).astype(np.float32)
FAR = RNG.uniform((0, 0, 0), (4, 1, 0.01), (4000, 3)).astype(np.float32)  # floor elsewhere


def free_but(low, high) -> FreeSpace:
    """Return a grid of 4 m x 4 m x 2 m that is free above the floor, but for a range."""
    grid = FreeSpace.at_corner(np.zeros(3), np.ones((40, 40, 20), bool), 0.1)
    middle = (np.stack(np.meshgrid(*map(np.arange, (40, 40, 20)), indexing='ij'), -1) + 0.5) * 0.1
    hidden = ((middle > low) & (middle < high)).all(-1) | (middle[..., 2] < 0.1)
    return FreeSpace(grid.map_T_grid, ~hidden, 0.1)


def place(free: FreeSpace | None, motion: np.ndarray | None = None) -> Place:
    """Return what a visit with no surface near the box shows at its place."""
    xyz, box = FAR, BOX
    if motion is not None:
        xyz, box = transform(motion, xyz), transform(motion, box)
        free = None if free is None else free.moved(motion)
    cloud = Cloud.of(Scan(xyz.astype(np.float32), 1, free=free))
    return look_at(cloud, box.astype(np.float32), fit_box(box)).place


def test_a_place_that_was_looked_through_is_empty():
    assert place(None) is Place.UNSEEN
    assert place(free_but((9, 9, 9), (9, 9, 9))) is Place.SEEN_EMPTY


@pytest.mark.parametrize('shift', [-0.04, 0.0, 0.04])
def test_air_in_front_of_what_stands_there_is_no_evidence(shift):
    """All around the box is free, its inside is not, and nothing of it was measured this time."""
    solid = np.array([[1.75, 1.75, 0], [2.25, 2.25, 0.5]]) + (shift, shift, 0)
    assert place(free_but(*solid)) is Place.UNSEEN


def test_cells_turn_with_the_visit():
    motion = upright(0.7, np.array([30.0, -4.0, 0.5]))
    assert place(free_but((9, 9, 9), (9, 9, 9)), motion) is Place.SEEN_EMPTY
    assert place(free_but((1.75, 1.75, 0), (2.25, 2.25, 0.5)), motion) is Place.UNSEEN


def test_points_there_count_for_more_than_free_cells():
    cloud = Cloud.of(Scan(np.r_[FAR, BOX], 1, free=free_but((9, 9, 9), (9, 9, 9))))
    assert look_at(cloud, BOX, fit_box(BOX)).place is Place.OCCUPIED


def test_bits_give_the_cells_back():
    is_free = RNG.random((3, 5, 7)) < 0.5
    free = FreeSpace.at_corner(np.array([1.0, 2, 3]), is_free, 0.2)
    back = FreeSpace.of_bits(free.map_T_grid, free.bits, is_free.shape, free.cell)
    np.testing.assert_array_equal(back.is_free, is_free)
    middle = (np.stack(np.nonzero(is_free), 1) + 0.5) * 0.2 + (1, 2, 3)
    assert back.at(middle).all()
    assert not back.at(middle + (10, 0, 0)).any()
    with pytest.raises(ScanError, match='one bit for each'):
        FreeSpace.of_bits(free.map_T_grid, free.bits[:-1], is_free.shape, 0.2)
    with pytest.raises(ScanError, match='check the unit'):
        FreeSpace.of_bits(free.map_T_grid, free.bits, is_free.shape, 0.0)
