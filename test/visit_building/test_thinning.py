"""Noise that thickens surfaces is taken out, and people; edges and thin things stay."""

import numpy as np
from rescene4d_ros.visit_building.posed_clouds import voxel_keys
from rescene4d_ros.visit_building.volume.thinning import (
    flattened,
    hanging,
    one_per_voxel,
    with_remains,
)

VOXEL = 0.02


def noisy_wall(sigma, n=40_000):
    """Return one point per voxel of a wall of 2 x 2 m at an angle, and their weights."""
    rng = np.random.default_rng(0)
    along = rng.uniform(0, 2, (n, 2))
    off = rng.normal(0, sigma, n)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    xyz = np.stack([*(turn @ np.stack([along[:, 0], off])), along[:, 1]], axis=1)
    keys, at, count = np.unique(voxel_keys(xyz, VOXEL), return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(at, xyz[:, k]) / count for k in range(3)], axis=1)
    return mean.astype(np.float32), count.astype(np.float32)


def off_wall(xyz):
    """Return the distance (N,) to the true wall, m."""
    return np.abs(xyz @ np.array([-0.6, 0.8, 0.0]))


def test_a_noisy_wall_becomes_one_layer():
    """With 10 mm of noise, points lie within 4 mm, and there are no more than a wall needs."""
    xyz, weight = noisy_wall(0.01)
    flat = flattened(xyz, weight, VOXEL)
    kept, mean = one_per_voxel(flat, weight, VOXEL)
    assert np.sqrt((off_wall(xyz) ** 2).mean()) > 0.01
    assert np.sqrt((off_wall(mean) ** 2).mean()) < 0.004
    assert len(kept) < 0.7 * len(xyz)
    assert (np.diff(kept) > 0).all()
    # Nothing is torn open: nearly each cell of the wall still has a point.
    before, after = (len(np.unique(voxel_keys(p, 0.05))) for p in (xyz, mean))
    assert after > 0.6 * before


def test_edges_and_clutter_stay():
    """Points where no plane is are where they were."""
    rng = np.random.default_rng(1)
    clutter = rng.uniform(0, 0.3, (600, 3)).astype(np.float32)
    weight = np.ones(600, np.float32)
    still = np.abs(flattened(clutter, weight, VOXEL) - clutter).max(axis=1) < 1e-6
    assert still.mean() > 0.9
    pole = np.stack([np.zeros(50), np.zeros(50), np.arange(50) * VOXEL], axis=1)
    pole = pole.astype(np.float32) + 0.01
    moved = np.abs(flattened(pole, np.ones(50, np.float32), VOXEL) - pole).max()
    assert moved < 1e-6


def test_remains_go_with_what_was_looked_through():
    """The rest of a body that was looked through in part, not the wall behind it."""
    rng = np.random.default_rng(1)
    body = rng.uniform((0, 0, 0), (0.4, 0.4, 1.8), (3000, 3))
    wall = rng.uniform((-2, 1.0, 0), (2, 1.02, 2.5), (6000, 3))
    near = rng.uniform((0.42, 0, 0), (0.6, 0.4, 1.8), (1000, 3))  # of furniture, measured often
    xyz = np.concatenate([body, wall, near])
    hits = np.repeat([2, 5, 30], [3000, 6000, 1000])
    through = np.zeros(len(xyz), bool)
    through[:3000] = rng.random(3000) < 0.4
    gone = with_remains(xyz, hits, through)
    assert gone[:3000].mean() > 0.99
    assert not gone[3000:].any()


def test_a_part_of_a_person_that_hangs_in_the_air_goes_with_the_others():
    """What nothing was dropped beside stays, and what was measured often, and what stands."""
    rng = np.random.default_rng(1)
    sizes = [4000, 3000, 200, 200, 200, 200]
    xyz = np.concatenate(
        [
            rng.uniform((-2, -2, 0), (2, 2, 0.01), (4000, 3)),  # the floor
            rng.uniform((0, 0, 0.2), (0.2, 0.2, 1.1), (3000, 3)),  # dropped
            rng.uniform((0, 0, 1.3), (0.2, 0.2, 1.6), (200, 3)),  # the shoulders above
            rng.uniform((1, 1, 1.3), (1.2, 1.2, 1.6), (200, 3)),  # a lamp elsewhere
            rng.uniform((0.3, 0, 0.7), (0.5, 0.2, 0.8), (200, 3)),  # the top of a table
            rng.uniform((0, 0.3, 0), (0.2, 0.5, 0.9), (200, 3)),  # a bin on the floor
        ]
    ).astype(np.float32)
    hits = np.repeat([30, 3, 3, 3, 12, 3], sizes)
    remains = np.repeat([False, True, False, False, False, False], sizes)
    found = hanging(xyz, hits, ~remains, remains)
    assert np.split(found, np.cumsum(sizes)[:-1])[2].all()
    assert found.sum() == 200
    assert not hanging(xyz, hits, ~remains, np.zeros(len(xyz), bool)).any()
