"""Transforms: closed forms, and agreement with the ROS packages where those are installed."""

import math
import time

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.time import Time
from rescene4d_ros.data.readers.columns import scan_of_columns
from rescene4d_ros.errors import FrameUnavailableError, ScanError
from rescene4d_ros.geometry.se3 import invert
from rescene4d_ros.node import tf
from rescene4d_ros.node.messages.object_frames import object_transforms, ObjectFrames
from rescene4d_ros.node.parameters import NodeConfig
from rescene4d_ros.structures import Box, ObjectState, Scan, SceneObject
from scipy.spatial.transform import Rotation


def quaternions(n=50):
    """Return random unit quaternions (x, y, z, w)."""
    return Rotation.random(n, random_state=0).as_quat()


def test_quaternion_matrix_closed_form():
    """A quarter turn about z takes x to y."""
    matrix = tf.quaternion_matrix((0, 0, math.sqrt(0.5), math.sqrt(0.5)))
    np.testing.assert_allclose(matrix @ [1, 0, 0, 1], [0, 1, 0, 1], atol=1e-12)


def test_quaternions_survive():
    """Matrix and back gives the same turn; q and -q are one turn."""
    for quaternion in quaternions():
        back = tf.quaternion_from_matrix(tf.quaternion_matrix(quaternion))
        assert abs(np.dot(back, quaternion)) == pytest.approx(1)


def test_agrees_with_tf_transformations():
    """Where the real package is installed, ours gives its values."""
    real = pytest.importorskip('tf_transformations')
    for quaternion in quaternions():
        np.testing.assert_allclose(
            Rotation.from_quat(quaternion).as_matrix(),
            real.quaternion_matrix(quaternion)[:3, :3],
            atol=1e-9,
        )
        assert tf.quaternion_from_matrix is real.quaternion_from_matrix


def test_moved_scan():
    """Points and sensor path are turned and shifted, normals only turned."""
    map_T_cloud = np.eye(4)
    map_T_cloud[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    map_T_cloud[:3, 3] = 10, 20, 30
    points = np.array([[1, 2, 3]], np.float32)
    scan = tf.moved(
        Scan(
            points,
            5,
            normals=np.array([[1, 0, 0]], np.float32),
            sensor_path=points,
            frame_id='camera',
        ),
        map_T_cloud,
        'map',
    )
    np.testing.assert_allclose(scan.xyz, [[8, 21, 33]])
    np.testing.assert_allclose(scan.sensor_path, [[8, 21, 33]])
    np.testing.assert_allclose(scan.normals, [[0, 1, 0]], atol=1e-7)
    assert (scan.frame_id, scan.stamp_ns) == ('map', 5)
    assert scan.xyz.dtype == scan.normals.dtype == np.float32


def test_moved_scan_far_from_zero():
    """A cloud in UTM keeps its millimeters on the way to a map near zero, and the reverse."""
    utm = np.array([448_123.456, 5_412_345.678, 311.25])
    near = np.random.default_rng(0).uniform(-3, 3, (50, 3))
    utm_T_map = np.eye(4)
    utm_T_map[:3, :3] = Rotation.from_euler('z', 30, degrees=True).as_matrix()
    utm_T_map[:3, 3] = utm
    places = near @ utm_T_map[:3, :3].T + utm
    columns = dict(zip('xyz', places.T))
    scan, _ = scan_of_columns(columns, 5, 'utm', 'utm', sensor_path=places[:2])
    assert scan.origin == (448_000, 5_412_000, 0)
    there = tf.moved(scan, invert(utm_T_map), 'map')
    np.testing.assert_allclose(there.xyz, near, atol=1e-4)
    np.testing.assert_allclose(there.sensor_path, near[:2], atol=1e-4)
    assert there.origin == (0, 0, 0)
    back = tf.moved(there, utm_T_map, 'utm')
    np.testing.assert_allclose(back.xyz + np.array(back.origin), places, atol=1e-4)
    assert back.origin == scan.origin


@pytest.mark.parametrize('value', [np.inf, np.nan])
def test_infinite_transform_is_refused(value):
    """TF takes infinite shifts; a cloud taken there would fail in the middle of nowhere."""
    motion = np.eye(4)
    assert tf.finite_motion(motion, 'camera', 'map') is motion
    motion[0, 3] = value
    with pytest.raises(ScanError, match="from 'camera' to 'map', got .* mend its publisher"):
        tf.finite_motion(motion, 'camera', 'map')


@pytest.fixture
def node():
    """Return a node of a ROS context of its own."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('frames', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize('frame', ['camera', ''])
def test_unknown_transform_is_refused(node, frame):
    """Never identity: a cloud in the wrong place would move everything remembered."""
    lookup = tf.FrameLookup(node, NodeConfig())
    scan = Scan(np.zeros((1, 3), np.float32), 10**18, frame_id='map')
    assert lookup.to_map(scan) is scan
    with pytest.raises(
        (FrameUnavailableError, ScanError), match="expected a cloud in frame 'map'"
    ):
        lookup.to_map(Scan(scan.xyz, scan.stamp_ns, frame_id=frame))
    lookup.close()


def test_cloud_is_transformed_at_its_stamp(node):
    """With tf2 the transform of the cloud's time is used, not the latest."""
    pytest.importorskip('tf2_ros')
    from geometry_msgs.msg import TransformStamped

    lookup = tf.FrameLookup(node, NodeConfig())
    for second, shift in ((100, 1.0), (200, 5.0)):
        found = TransformStamped(child_frame_id='camera')
        found.header.frame_id = 'map'
        found.header.stamp.sec = second
        found.transform.translation.x = shift
        found.transform.rotation.w = 1.0
        lookup._buffer.set_transform(found, 'test')
    scan = Scan(np.zeros((1, 3), np.float32), 100 * 10**9, frame_id='camera')
    np.testing.assert_allclose(lookup.to_map(scan).xyz, [[1, 0, 0]])
    lookup.close()


def test_path_of_the_sensor_is_taken_from_tf(node):
    """Oldest place first; before its last try a cloud waits for the place at its stamp."""
    pytest.importorskip('tf2_ros')
    from geometry_msgs.msg import TransformStamped

    lookup = tf.FrameLookup(node, NodeConfig(sensor_frame='camera', sensor_path_duration=2.0))
    for second in (98, 100):
        found = TransformStamped(child_frame_id='camera')
        found.header.frame_id = 'map'
        found.header.stamp.sec = second
        found.transform.translation.x = float(second)
        found.transform.rotation.w = 1.0
        lookup._buffer.set_transform(found, 'test')
    scan = Scan(np.zeros((1, 3), np.float32), 100 * 10**9, frame_id='map')
    np.testing.assert_allclose(lookup.to_map(scan).sensor_path[:, 0], [98, 98.5, 99, 99.5, 100])
    scan = Scan(scan.xyz, 101 * 10**9, frame_id='map')
    with pytest.raises(FrameUnavailableError, match='camera'):
        lookup.to_map(scan, is_last_try=False)
    np.testing.assert_allclose(lookup.to_map(scan).sensor_path[:, 0], [99, 99.5, 100])
    lookup.close()


def test_infinite_path_of_the_sensor_is_refused(node):
    """Stored, it would fail each processing of the visit."""
    pytest.importorskip('tf2_ros')
    from geometry_msgs.msg import TransformStamped

    lookup = tf.FrameLookup(node, NodeConfig(sensor_frame='camera'))
    found = TransformStamped(child_frame_id='camera')
    found.header.frame_id = 'map'
    found.header.stamp.sec = 100
    found.transform.translation.x = math.inf
    found.transform.rotation.w = 1.0
    lookup._buffer.set_transform(found, 'test')
    scan = Scan(np.zeros((1, 3), np.float32), 100 * 10**9, frame_id='map')
    with pytest.raises(ScanError, match="from 'camera' to 'map', got .* mend its publisher"):
        lookup.to_map(scan)
    lookup.close()


def test_place_of_the_local_frame_is_told_on_tf(node):
    """Who listens to TF finds results in the map, to the millimeter."""
    tf2_ros = pytest.importorskip('tf2_ros')
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, node, spin_thread=False)
    local = tf.LocalFrame(node, 'map', 'map_local')
    place = np.eye(4)
    place[:3, 3] = 448_000, 5_412_000, 0
    local.tell(place)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    end = time.monotonic() + 60.0
    while not buffer.can_transform('map', 'map_local', Time()) and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    found = tf.matrix_of(buffer.lookup_transform('map', 'map_local', Time()).transform)
    np.testing.assert_array_equal(found[:3, 3], [448_000, 5_412_000, 0])
    local.close()
    listener.unregister()


def test_frames_of_objects_stand_in_their_boxes():
    """Of objects that the newest visit observed, by id; axes along the edges of the box."""
    box = Box((1.0, 2.0, 0.4), (0.5, 0.6, 0.8), math.pi / 2)
    states = (ObjectState.PRESENT, ObjectState.ABSENT, ObjectState.NOT_OBSERVED)
    objects = [
        SceneObject(7 + k, 0, 'chair', 0.9, state, box, 10, 10) for k, state in enumerate(states)
    ]
    (found,) = object_transforms(objects, 'object_', 'map', 5 * 10**9 + 3)
    assert (found.child_frame_id, found.header.frame_id) == ('object_7', 'map')
    assert (found.header.stamp.sec, found.header.stamp.nanosec) == (5, 3)
    corner = tf.matrix_of(found.transform) @ [0.25, 0.3, -0.4, 1.0]
    np.testing.assert_allclose(corner, [0.7, 2.25, 0.0, 1.0], atol=1e-9)


def test_frames_of_objects_are_on_tf(node):
    """Who listens to TF finds where object 7 is, long after the visit."""
    tf2_ros = pytest.importorskip('tf2_ros')
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, node, spin_thread=False)
    frames = ObjectFrames(node, 'object_')
    box = Box((1.0, 2.0, 0.4), (0.5, 0.6, 0.8), 0.0)
    frames.tell([SceneObject(7, 0, 'chair', 0.9, ObjectState.PRESENT, box, 10, 10)], 'map')
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    end = time.monotonic() + 60.0
    while not buffer.can_transform('map', 'object_7', Time()) and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    found = tf.matrix_of(buffer.lookup_transform('map', 'object_7', Time()).transform)
    np.testing.assert_allclose(found[:3, 3], box.center)
    frames.close()
    listener.unregister()
