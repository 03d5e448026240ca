"""The message beside a snapshot: what it says, and that its path is evidence of absence."""

from dataclasses import replace

from geometry_msgs.msg import Point
import numpy as np
import pytest
from rescene4d_ros.errors import ScanError
from rescene4d_ros.msg import ObservedSpace
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import time_from_msg, time_to_msg
from rescene4d_ros.node.messages.observed_space import path_from_msg, space_to_msg
from rescene4d_ros.structures import ObjectState, Scan
from rescene4d_ros.visit_building.builder import BuiltVisit
from rescene4d_ros.visit_building.volume.free_space import FreeSpace

T0 = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9
STEP = 0.025


def test_a_message_holds_path_and_cells():
    """With the origin of the visit added; each bit is where the comments of the message say."""
    origin, shape = (432_000.0, 5_331_000.0, 0.0), (3, 5, 4)
    is_free = np.random.default_rng(0).random(shape) < 0.5
    path = np.array([[1, 1, 1], [2, 1, 1]], np.float32)
    scan = Scan(np.zeros((1, 3), np.float32), T0, sensor_path=path, origin=origin)
    visit = BuiltVisit(
        scan, np.zeros(1, np.int32), free=FreeSpace(np.array([-1.0, 0, 0]), is_free)
    )
    message = space_to_msg(visit)
    assert time_from_msg(message.header.stamp) == T0
    np.testing.assert_array_equal(path_from_msg(message), path + np.array(origin))
    assert (message.origin.x, message.origin.y) == (431_999.0, 5_331_000.0)
    assert (message.cell, list(message.size)) == (pytest.approx(0.1), [3, 5, 4])
    for x, y, z in np.ndindex(shape):
        bit = x + 3 * (y + 5 * z)
        assert bool(message.free[bit // 8] >> bit % 8 & 1) == is_free[x, y, z]
    assert len(message.free) == 8
    bare = space_to_msg(BuiltVisit(replace(scan, sensor_path=None), np.zeros(1, np.int32)))
    assert (bare.cell, len(bare.free)) == (0.0, 0)
    with pytest.raises(ScanError, match='got 0; publish where it was'):
        path_from_msg(bare)
    message.path[1].z = float('nan')
    with pytest.raises(ScanError, match='finite places'):
        path_from_msg(message)


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
    ('path', 'state'), [(True, ObjectState.ABSENT), (False, ObjectState.NOT_OBSERVED)]
)
def test_a_path_beside_a_snapshot_is_evidence_of_absence(
    client, start_node, cloud_message, path, state
):
    """The floor below a cabinet was not scanned, the wall was: who knows from where knows more."""
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
        xyz = np.concatenate([FLOOR, WALL, *things])
        instance = np.repeat([0, 1], [len(FLOOR) + len(WALL), sum(map(len, things))])
        scan = Scan(xyz, T0 + k * DAY)
        if path:
            message = ObservedSpace(path=[Point(x=PLACE[0], y=PLACE[1], z=PLACE[2])])
            message.header.stamp, message.header.frame_id = time_to_msg(scan.stamp_ns), 'map'
            spaces.publish(message)
        client.publish(cloud_message(scan, instance=instance.astype(np.int32)))
        client.wait(lambda n=k + 1: objects and objects[-1].revision == n)
    (cabinet,) = objects[-1].objects
    assert cabinet.state == state
