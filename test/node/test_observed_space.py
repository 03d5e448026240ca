"""The message beside a snapshot: what it says, and that its path is evidence of absence."""

from dataclasses import replace

from geometry_msgs.msg import Point
import numpy as np
import pytest
from rescene4d_ros.data.readers.observed_space import free_from_msg, path_from_msg
from rescene4d_ros.errors import ScanError
from rescene4d_ros.msg import ObservedSpace
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import time_from_msg, time_to_msg
from rescene4d_ros.node.messages.observed_space import space_to_msg
from rescene4d_ros.structures import ObjectState, Scan
from rescene4d_ros.structures.free_space import FreeSpace
from rescene4d_ros.visit_building.builder import BuiltVisit

T0 = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9
STEP = 0.025


def test_a_message_holds_path_and_cells():
    """With the origin of the visit added; each bit is where the comments of the message say."""
    origin, shape = (432_000.0, 5_331_000.0, 0.0), (3, 5, 4)
    is_free = np.random.default_rng(0).random(shape) < 0.5
    path = np.array([[1, 1, 1], [2, 1, 1]], np.float32)
    free = FreeSpace.at_corner(np.array([-1.0, 0, 0]), is_free, 0.1)
    scan = Scan(np.zeros((1, 3), np.float32), T0, sensor_path=path, origin=origin, free=free)
    message = space_to_msg(BuiltVisit(scan, np.zeros(1, np.int32)))
    assert time_from_msg(message.header.stamp) == T0
    np.testing.assert_array_equal(path_from_msg(message), path + np.array(origin))
    assert (message.origin.x, message.origin.y) == (431_999.0, 5_331_000.0)
    assert (message.cell, list(message.size)) == (pytest.approx(0.1), [3, 5, 4])
    for x, y, z in np.ndindex(shape):
        bit = x + 3 * (y + 5 * z)
        assert bool(message.free[bit // 8] >> bit % 8 & 1) == is_free[x, y, z]
    assert len(message.free) == 8
    back = free_from_msg(message)
    assert back is not None
    assert back.cell == 0.1
    np.testing.assert_array_equal(back.is_free, is_free)
    np.testing.assert_array_equal(back.map_T_grid[:3, 3], free.map_T_grid[:3, 3] + origin)
    bare = replace(scan, sensor_path=None, free=None)
    bare = space_to_msg(BuiltVisit(bare, np.zeros(1, np.int32)))
    assert (bare.cell, len(bare.free)) == (0.0, 0)
    assert free_from_msg(bare) is None
    with pytest.raises(ScanError, match='got 0; publish where it was'):
        path_from_msg(bare)
    message.path[1].z = float('nan')
    with pytest.raises(ScanError, match='finite places'):
        path_from_msg(message)
    message.path = []
    assert path_from_msg(message).shape == (0, 3)  # the cells say enough
    message.size[2] = 5
    with pytest.raises(ScanError, match='one bit for each'):
        free_from_msg(message)


def plane(x, y, z):
    """Return points of an axis-parallel patch; each argument is a number or a (low, high)."""
    axes = [
        np.arange(*v, STEP) if isinstance(v, tuple) else np.array([float(v)]) for v in (x, y, z)
    ]
    return np.stack(np.meshgrid(*axes), -1).reshape(-1, 3).astype(np.float32)


FLOOR, WALL = plane((0, 4), (0, 3.2), 0), plane((0, 4), 4, (0, 2.5))
CABINET = plane((1, 2), (3.5, 3.6), 1), plane((1, 2), 3.5, (0.03, 1))
PLACE = (1.5, 1.0, 1.2)  # of the sensor, in front of it


@pytest.mark.slow
@pytest.mark.parametrize(
    ('told', 'state'),
    [('path', ObjectState.ABSENT), ('cells', ObjectState.ABSENT), ('', ObjectState.NOT_OBSERVED)],
)
def test_what_comes_beside_a_snapshot_is_evidence_of_absence(
    client, start_node, cloud_message, told, state
):
    """
    The floor below a cabinet was not scanned: who knows from where, or what is free, knows more.

    Where only cells are told, the wall behind was not scanned either.
    """
    start_node(
        autostart='true',
        inference__source='given',
        plausibility='"off"',
        observed_space='true',
        tf_timeout=1.0,
    )
    objects = client.listen(interfaces.OBJECTS)
    topic = interfaces.OBSERVED_SPACE
    spaces = client.node.create_publisher(topic.type, topic.name, topic.qos())
    client.wait(lambda: client.state() == 'active')
    client.wait(spaces.get_subscription_count)
    for k, things in enumerate((CABINET, ())):
        wall = WALL[(WALL[:, 0] < 0.9) | (WALL[:, 0] > 2.1)] if told == 'cells' else WALL
        xyz = np.concatenate([FLOOR, wall, *things])
        instance = np.repeat([0, 1], [len(FLOOR) + len(wall), sum(map(len, things))])
        scan = Scan(xyz, T0 + k * DAY)
        if told:
            message = ObservedSpace()
            if told == 'path':
                message.path = [Point(x=PLACE[0], y=PLACE[1], z=PLACE[2])]
            else:
                is_free = np.zeros((12, 8, 14), bool)
                is_free[:, : 8 if k else 3] = True
                free = FreeSpace.at_corner(np.array([0.9, 3.2, 0.0]), is_free, 0.1)
                scan_told = replace(scan, free=free)
                message = space_to_msg(BuiltVisit(scan_told, np.zeros(len(xyz), np.int32)))
            message.header.stamp, message.header.frame_id = time_to_msg(scan.stamp_ns), 'map'
            spaces.publish(message)
        client.publish(cloud_message(scan, instance=instance.astype(np.int32)))
        client.wait(lambda n=k + 1: objects and objects[-1].revision == n)
    (cabinet,) = objects[-1].objects
    assert cabinet.state == state
