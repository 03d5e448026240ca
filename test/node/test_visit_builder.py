"""The visit builder over real DDS: clouds and odometry in, snapshots out, also when killed."""

from contextlib import suppress
import signal

from lifecycle_msgs.srv import GetState
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rescene4d_ros.errors import ConfigError, FrameUnavailableError, ScanError
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import time_to_msg
from rescene4d_ros.node.visit_builder.inputs.poses import OdometryPoses
from rescene4d_ros.node.visit_builder.outlets import left_out_of, path_of, snapshot_of
from rescene4d_ros.node.visit_builder.settings import BuilderNodeConfig, rules_of
from rescene4d_ros.structures import Scan
from rescene4d_ros.visit_building.builder import BuiltVisit
from scipy.spatial import cKDTree
from std_srvs.srv import Trigger

T0 = 1_700_000_000 * 10**9


def test_stamps_of_odometry_that_jump(client):
    """One far in the future or past costs no other pose; a clock that is set back counts."""
    poses = OdometryPoses(client.node, 'map')
    odometry = client.node.create_publisher(Odometry, 'odometry', 100)
    client.wait(odometry.get_subscription_count)
    last = Odometry(child_frame_id='lidar')

    def drive(seconds, x):
        for at in seconds:
            last.header.stamp, last.header.frame_id = time_to_msg(int(at * 10**9)), 'map'
            last.pose.pose.position.x = at + x
            last.pose.pose.orientation.w = 1.0
            odometry.publish(last)

    def pose(at):
        with suppress(FrameUnavailableError):
            return float(poses.pose('lidar', int(at * 10**9))[0, 3])
        return None

    drive((100.0, 100.5, 2e9, 101.0, 101.5, 0.5, 102.0, 102.5, 102.25), 0.0)
    assert client.wait(lambda: pose(102.375)) == pytest.approx(102.375)
    assert [pose(at) for at in (100.25, 101.25, 101.75)] == [100.25, 101.25, 101.75]
    drive((50.0, 50.5, 51.0), 7.0)
    assert client.wait(lambda: pose(50.75)) == 57.75
    assert pose(101.25) is None
    with pytest.raises(FrameUnavailableError, match="odometry of 'lidar' in 'map' .* its frames"):
        poses.pose('lidar', 10**11)
    drive((60.0,), 1e9)
    with pytest.raises(ScanError, match='check what localizes the sensor'):
        client.wait(lambda: pose(60.0))
    poses.close()


def keyframes(diagnostics):
    return int(diagnostics.entry('visit')[2].get('keyframes', 0))


@pytest.mark.slow
def test_a_drive_becomes_a_snapshot_also_after_a_kill(client, processes, robot, tmp_path):
    """What was built when the node is killed arrives as a partial visit; the next one follows."""
    params = {
        'autostart': 'true',
        'pose_source': 'odometry',
        'clouds_reliability': 'reliable',
        'spool': tmp_path / 'visit.spool',
        'resume_within': 0.0,
    }
    node = processes.start('visit_builder.main', params=params)
    diagnostics = client.listen_to_diagnostics('visit_builder')
    robot(range(8))
    client.wait(lambda: keyframes(diagnostics) == 8)
    node.send_signal(signal.SIGKILL)
    node.wait()
    snapshots = client.listen(interfaces.SNAPSHOTS)
    node = processes.start('visit_builder.main', params=params)
    client.wait(lambda: snapshots)
    partial = scan_from_cloud(snapshots[0])
    assert (partial.frame_id, partial.stamp_ns) == ('map', T0 + 7 * 10**8)
    assert (cKDTree(partial.xyz).query(robot.wall)[0] < 0.01).mean() > 0.95
    diagnostics.clear()
    robot(range(600, 606))
    client.wait(lambda: keyframes(diagnostics) >= 4)
    assert client.call(Trigger, '/visit_builder/pause', Trigger.Request()).success
    robot(range(606, 609))
    client.wait(lambda: diagnostics.entry('clouds')[2].get('refused') == '3')
    answer = client.call(Trigger, '/visit_builder/finish', Trigger.Request())
    assert answer.success, answer.message
    client.wait(lambda: diagnostics.entry('visit')[2]['waiting for a subscriber'] == '1')
    assert len(snapshots) == 1
    assert client.call(Trigger, '/visit_builder/resume', Trigger.Request()).success
    client.wait(lambda: len(snapshots) == 2)
    assert scan_from_cloud(snapshots[1]).stamp_ns == T0 + 605 * 10**8
    assert len(scan_from_cloud(snapshots[1]).sensor_path) >= 2
    client.wait(lambda: not list(tmp_path.glob('visit.spool*')))
    answer = client.call(Trigger, '/visit_builder/finish', Trigger.Request())
    assert (answer.success, 'none have come' in answer.message) == (False, True)
    state = client.call(GetState, '/visit_builder/get_state', GetState.Request())
    assert state.current_state.label == 'active'
    assert processes.stop(node) == 0


def test_a_snapshot_far_from_zero_keeps_its_millimeters():
    """Points and places of the sensor are float64 then, with the origin added."""
    origin = (432_000.0, 5_331_000.0, 0.0)
    xyz = np.random.default_rng(0).uniform(0, 3, (50, 3)).astype(np.float32)
    path = np.array([[1, 1, 1], [2, 1, 1]], np.float32)
    scan = Scan(xyz, T0, sensor_path=path, origin=origin)
    visit = BuiltVisit(scan, np.arange(50, dtype=np.int32) % 2, left_out=xyz[:7])
    back = scan_from_cloud(snapshot_of(visit))
    assert back.origin == origin
    np.testing.assert_allclose(back.xyz, xyz, atol=1e-3)
    np.testing.assert_allclose(back.sensor_path, path, atol=1e-3)
    np.testing.assert_allclose(scan_from_cloud(left_out_of(visit)).xyz, xyz[:7], atol=1e-3)
    places = [pose.pose.position for pose in path_of(visit).poses]
    assert [(p.x, p.y, p.z) for p in places] == [(432_001, 5_331_001, 1), (432_002, 5_331_001, 1)]


def test_zones_are_checked():
    """A zone that is none is refused in words when the node is configured."""
    assert len(rules_of(BuilderNodeConfig(zone='0 0, 4 0, 4 4', duration=5.0))) == 2
    with pytest.raises(ConfigError, match='x y, x y'):
        rules_of(BuilderNodeConfig(zone='kitchen'))
