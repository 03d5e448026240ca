"""Where a robot stands, what it must not enter, and where things come and go."""

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError, MemoryFormatError
from rescene4d_ros.geometry.boxes import contains
from rescene4d_ros.memory.queries import ObjectLocation
from rescene4d_ros.planning.approach import approach
from rescene4d_ros.planning.change_grid import change_grid
from rescene4d_ros.planning.keep_out import keep_out
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState

CUPBOARD = Box((0.3, 2.0, 0.9), (0.6, 1.0, 1.8))  # its back at the wall x = 0


def room(*boxes):
    """Return points of a room of 4 x 4 m with walls, 2 cm apart, and of boxes."""
    axis = np.arange(0, 4, 0.02)
    x, y = (g.ravel() for g in np.meshgrid(axis, axis))
    floor = np.c_[x, y, np.zeros_like(x)]
    up = np.arange(0, 2.5, 0.05)
    side, z = (g.ravel() for g in np.meshgrid(axis, up))
    walls = [np.c_[np.full_like(side, v), side, z] for v in (0.0, 4.0)]
    walls += [np.c_[side, np.full_like(side, v), z] for v in (0.0, 4.0)]
    solid = []
    for box in boxes:
        grid = np.random.default_rng(0).random((4000, 3)) - 0.5
        solid.append(grid * box.size @ box.map_T_box[:3, :3].T + box.center)
    return np.concatenate([floor, *walls, *solid])


def test_robot_stands_in_the_room_before_the_object():
    """Not behind the wall, not in it, facing the object, nearest to the robot."""
    xyz = room(CUPBOARD)
    found = approach(CUPBOARD, xyz)
    x, y, z = found.position
    assert 0.9 < x < 3.7
    assert z == pytest.approx(0, abs=0.05)
    aim = np.array(CUPBOARD.center[:2]) - (x, y)
    assert np.cos(found.yaw) * aim[0] + np.sin(found.yaw) * aim[1] > 0.99 * np.hypot(*aim)
    gap = np.hypot(*(xyz[(xyz[:, 2] > 0.1) & ~contains(CUPBOARD, xyz, 0.1)][:, :2] - (x, y)).T)
    assert gap.min() >= 0.3
    assert found.clearance == pytest.approx(gap.min() - 0.3, abs=0.02)
    assert approach(CUPBOARD, xyz, robot=(0.4, 3.8, 0)).position[1] > 2.5
    assert approach(CUPBOARD, xyz, robot=(0.4, 0.2, 0)).position[1] < 1.5


def test_places_of_other_objects_and_hidden_ones_are_not_free():
    """Remembered boxes count without points; a screen before the object hides it."""
    xyz = room(CUPBOARD)
    sofa = Box((1.4, 1.2, 0.4), (1.0, 1.8, 0.8))
    x, y, _ = approach(CUPBOARD, xyz, others=[sofa]).position
    assert not contains(sofa, np.array([[x, y, 0.4]]), 0.3)[0]
    screen = Box((0.85, 2.0, 0.9), (0.02, 4.0, 1.8))
    with pytest.raises(MemoryFormatError, match='free place'):
        approach(CUPBOARD, room(CUPBOARD, screen), radius=0.45)
    with pytest.raises(ConfigError, match='above 0 m'):
        approach(CUPBOARD, xyz, radius=float('nan'))


def test_keep_out_polygons():
    """One polygon per object with its margin; lamps under the ceiling are left out."""
    turned = Box((1.0, 1.0, 0.5), (2.0, 1.0, 1.0), np.pi / 2)
    lamp = Box((2.0, 2.0, 2.4), (0.4, 0.4, 0.2))
    places = [
        ObjectLocation(i, '', 'table', ObjectState.PRESENT, box, 0, 0)
        for i, box in ((7, turned), (3, lamp))
    ]
    (polygon,) = keep_out(places, margin=0.1).values()
    assert polygon.min(0) == pytest.approx([0.4, -0.1])
    assert polygon.max(0) == pytest.approx([1.6, 2.1])
    (x, y), (x1, y1) = polygon.T, np.roll(polygon, -1, 0).T
    area = (x * y1 - x1 * y).sum() / 2
    assert area == pytest.approx(1.2 * 2.2)  # counter-clockwise
    assert [*keep_out(places, height=3.0)] == [3, 7]
    with pytest.raises(ConfigError, match='0 m or more'):
        keep_out(places, margin=-1)


def test_change_grid_counts_visits():
    """A place where something moved at two of four later visits has a share of one half."""
    here, there = Box((0.5, 0.5, 0.5), (0.4, 0.4, 1)), Box((2.5, 0.5, 0.5), (0.4, 0.4, 1))

    def moved(visit, before, after):
        return Change(
            ChangeKind.MOVED,
            1,
            'chair',
            0.9,
            visit,
            before,
            after,
            None,
            None,
            evidence_after_ns=0,
        )

    changes = [moved(2, here, there), moved(4, there, here)]
    changes += [moved(4, here, here)]  # counts once per visit
    grid = change_grid([here, Box((3.5, 2.5, 0.5), (0.2, 0.2, 1))], changes, n_visits=5)

    def at(x, y):
        column, row = (int((v - c) / grid.cell) for v, c in zip((x, y), grid.corner))
        return grid.share[row, column]

    assert (at(0.5, 0.5), at(2.5, 0.5), at(3.5, 2.5), at(1.5, 1.5)) == (0.5, 0.5, 0, 0)
    assert grid.share.shape[1] * grid.cell == pytest.approx(4.3, abs=0.25)
    assert change_grid([], [], 0).share.size == 0
