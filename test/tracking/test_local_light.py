"""Rooms of one visit have lamps of their own: colors are relative to what is around a thing."""

import numpy as np
from rescene4d_ros.structures import Scan

STEP = 0.2  # m


def rooms(sides, lamps):
    """Return a scan of gray floors side by side along x, each under a lamp of its own."""
    parts, colors, start = [], [], 0.0
    for side, lamp in zip(sides, lamps):
        plan = np.stack(np.meshgrid(*[np.arange(0, side, STEP)] * 2), -1).reshape(-1, 2)
        parts.append(np.c_[plan + (start, 0), np.zeros(len(plan))])
        colors.append(np.full((len(plan), 3), lamp))
        start += side + 3.0
    return Scan(
        np.concatenate(parts).astype(np.float32), 1, np.concatenate(colors).astype(np.uint8)
    )


def test_each_of_many_rooms_has_its_own_light():
    light = rooms((9, 9), (60, 200)).local_light
    assert light.around(np.float32([[4, 4, 0.5]])).tolist() == [61.0] * 3
    assert light.around(np.float32([[16, 4, 0.5]])).tolist() == [201.0] * 3


def test_one_room_has_one_light():
    scan = rooms((6, 6), (60, 200))
    assert scan.local_light is None
    assert Scan(scan.xyz, 1).local_light is None
    assert Scan(scan.xyz[:0], 1, scan.rgb[:0]).local_light is None


def test_far_from_all_surfaces_the_light_is_that_of_the_whole_visit():
    scan = rooms((9, 9), (60, 200))
    far = np.float32([[400, 4, 0.5]])
    np.testing.assert_allclose(scan.local_light.around(far), scan.mean_color)
