"""Transforms of a recording: chains, static and moving ones, times without any."""

from types import SimpleNamespace as Some

import numpy as np
import pytest
from rescene4d_ros.data.readers.bags.transforms import TransformTree
from rescene4d_ros.errors import FrameUnavailableError
from rescene4d_ros.geometry.se3 import transform, upright
from rosbags import rosbag1
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from scipy.spatial.transform import Rotation

S = 10**9
GEOMETRY = 'geometry_msgs/msg/'


def stamped(parent, child, stamp_ns, motion):
    """Return what a geometry_msgs/msg/TransformStamped holds."""
    turn = Rotation.from_matrix(motion[:3, :3]).as_quat()
    return Some(
        header=Some(frame_id=parent, stamp=Some(sec=stamp_ns // S, nanosec=stamp_ns % S)),
        child_frame_id=child,
        transform=Some(
            translation=Some(**dict(zip('xyz', motion[:3, 3]))),
            rotation=Some(**dict(zip('xyzw', turn))),
        ),
    )


@pytest.fixture
def tree():
    """Return a robot that drives 1 m/s along x and turns, with a lidar on it."""
    tree = TransformTree()
    tree.add(stamped('base_link', 'lidar', 0, upright(np.pi / 2, (0, 0, 1))), static=True)
    tree.add(stamped('map', 'odom', 0, upright(0, (100, 0, 0))), static=True)
    for k in (2, 0, 1):  # in any order
        tree.add(
            stamped('/odom', 'base_link', 10 * S + k * S // 2, upright(k * 0.2, (k, 0, 0))), False
        )
    return tree


def test_chain_is_interpolated(tree):
    """Half way in time is half way in place and turn."""
    motion = tree.lookup('map', 'lidar', 10 * S + S // 4)
    expected = upright(0, (100, 0, 0)) @ upright(0.1, (0.5, 0, 0)) @ upright(np.pi / 2, (0, 0, 1))
    np.testing.assert_allclose(motion, expected, atol=1e-12)
    np.testing.assert_allclose(tree.lookup('map', 'lidar', 10 * S + S // 2)[0, 3], 101)
    back = tree.lookup('lidar', 'map', 10 * S + S // 4)
    np.testing.assert_allclose(transform(back, motion[None, :3, 3])[0], 0, atol=1e-9)
    np.testing.assert_array_equal(tree.lookup('map', 'map', 5), np.eye(4))


@pytest.mark.parametrize('stamp_ns', [10 * S - 1, 11 * S + 1, 0])
def test_times_without_transforms(tree, stamp_ns):
    """A motion is not made up."""
    with pytest.raises(FrameUnavailableError, match=r'got 10.000 s to 11.000 s; record /tf'):
        tree.lookup('map', 'lidar', stamp_ns)


def test_frames_that_do_not_meet(tree):
    """And loops."""
    with pytest.raises(FrameUnavailableError, match="expected transforms from 'camera' to 'map'"):
        tree.lookup('map', 'camera', 10 * S)
    tree.add(stamped('lidar', 'map', 0, np.eye(4)), static=True)
    with pytest.raises(FrameUnavailableError, match='a loop at'):
        tree.lookup('map', 'lidar', 10 * S)


def test_a_transform_that_is_none_is_left_out(tree):
    """NaN, and a quaternion of zeros."""
    bad = stamped('map', 'odom', 0, np.eye(4))
    bad.transform.rotation = Some(x=0.0, y=0.0, z=0.0, w=0.0)
    tree.add(bad, static=True)
    bad = stamped('map', 'odom', 0, upright(0, (np.nan, 0, 0)))
    tree.add(bad, static=True)
    assert tree.lookup('map', 'odom', 0)[0, 3] == 100


def test_a_frame_with_two_parents(tree):
    """Transforms of two publishers are not mixed."""
    tree.add(stamped('map', 'base_link', 10 * S + 5, upright(0, (9, 9, 9))), False)
    with pytest.raises(FrameUnavailableError, match="one parent of 'base_link'.*'odom'.*'map'"):
        tree.lookup('map', 'lidar', 10 * S)


@pytest.mark.parametrize('kind', ['tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage'])
def test_transforms_of_ros1(tmp_path, kind):
    """Both types that ROS 1 had for them are read: a chain of a static and a moving frame."""
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg('geometry_msgs/TransformStamped[] transforms', kind))
    types = store.types

    def serialized(parent, child, stamp, x):
        motion = types[GEOMETRY + 'Transform'](
            types[GEOMETRY + 'Vector3'](x, 0.0, 2.0),
            types[GEOMETRY + 'Quaternion'](0.0, 0.0, 0.0, 1.0),
        )
        header = types['std_msgs/msg/Header'](
            7, types['builtin_interfaces/msg/Time'](stamp, 0), parent
        )
        message = types[kind]([types[GEOMETRY + 'TransformStamped'](header, child, motion)])
        return store.serialize_ros1(message, kind)

    path = tmp_path / 'old.bag'
    with rosbag1.Writer(path) as writer:
        static = writer.add_connection('/tf_static', kind, typestore=store)
        moving = writer.add_connection('/tf', kind, typestore=store)
        writer.write(static, S, serialized('base', '/lidar', 1, 0.5))
        for stamp, x in ((10, 1.0), (11, 3.0)):
            writer.write(moving, stamp * S, serialized('map', 'base', stamp, x))
    motion = TransformTree.of_files([path]).lookup('map', 'lidar', 10 * S + S // 2)
    np.testing.assert_allclose(motion, upright(0, (2.5, 0, 4)), atol=1e-12)
