"""Changed things of many rooms, found by tiles: each once, wherever the borders are."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.tracking.regions.changed_things import find_changed_things
from rescene4d_ros.tracking.regions.tiled_things import find_by_tiles

CHAIR = ((0.6, 0.6, 0.0), (0.45, 0.45, 0.8), (150, 60, 40))
TABLE = ((1.8, 1.6, 0.0), (0.8, 0.6, 0.7), (40, 80, 150))
BIN = ((1.2, 2.2, 0.0), (0.3, 0.3, 0.4), (60, 160, 60))


@pytest.fixture
def scans(boxes_room):
    """Return two visits with what nobody sees left out: a chair left and a bin came."""

    def visit(boxes, seed):
        scan, _ = boxes_room(boxes, seed=seed, density=2500)
        hidden = np.zeros(len(scan), dtype=bool)
        for low, size, _ in boxes:
            over = (scan.xyz[:, :2] > low[:2]) & (scan.xyz[:, :2] < np.add(low, size)[:2])
            hidden |= over.all(axis=1) & (scan.xyz[:, 2] < 0.03)
        return scan.take(np.flatnonzero(~hidden))

    return [visit([CHAIR, TABLE], 1), visit([TABLE, BIN], 2)]


@pytest.mark.parametrize('shift', [(0.0, 0.0), (0.85, 0.15)])
def test_things_are_those_of_one_place_wherever_the_borders_of_tiles_are(scans, shift):
    moved = [replace(s, xyz=s.xyz + np.float32([*shift, 0.0])) for s in scans]
    expected = find_changed_things(moved)
    found = find_by_tiles(moved, 1.6, find_changed_things)
    assert len(expected) == len(found) == 2
    for thing in expected:
        shares = [
            sum(len(np.intersect1d(a, b)) for a, b in zip(thing.parts, other.parts))
            / sum(len(np.union1d(a, b)) for a, b in zip(thing.parts, other.parts))
            for other in found
        ]
        assert max(shares) > 0.8


def test_positions_behind_walls_do_not_outvote_those_in_the_room():
    """One of many rooms was looked at from two places: what they look past was not there."""
    side = np.arange(0, 13, 0.2)
    floor = np.stack(np.meshgrid(side, side, [0.0]), -1).reshape(-1, 3)
    along, up = np.meshgrid(np.arange(0, 13, 0.03), np.arange(0, 2.5, 0.03))
    walls = [np.c_[np.full(up.size, x), along.ravel(), up.ravel()] for x in (4.0, 5.0, 7.0)]
    xyz = np.concatenate([floor, *walls]).astype(np.float32)
    inside = [[6.0, 2.0, 1.4], [6.2, 4.5, 1.4]]
    beside = np.c_[np.full(30, 4.5), np.linspace(0.5, 5.0, 30), np.full(30, 1.4)]
    cloud = Cloud(xyz, np.concatenate([inside, beside]).astype(np.float32))
    place = np.array([[6.5, 3.2, 0.9], [6.55, 3.2, 1.0]], np.float32)
    assert cloud.seen_through(place).all()
    assert not cloud.seen_through(place + np.float32([4.0, 0, 0])).any()
