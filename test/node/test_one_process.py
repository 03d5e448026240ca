"""Node and visit builder in one process: snapshots are handed over without DDS."""

import pytest
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.parameter import parameter_value_to_python
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.ros_process import parameter_file
from rescene4d_ros.node.visit_builder.one_process import make_nodes
from std_srvs.srv import Trigger


@pytest.mark.slow
def test_a_drive_reaches_the_memory_without_the_topic(client, processes, robot, tmp_path):
    """Nobody sees the snapshot on its topic; a paused node gets it when it goes on."""
    params = {
        'autostart': 'true',
        'rescene4d:memory.path': tmp_path / 'memory',
        'rescene4d:inference.source': 'none',
        'visit_builder:pose_source': 'odometry',
        'visit_builder:clouds_reliability': 'reliable',
        'visit_builder:spool': tmp_path / 'visit.spool',
    }
    process = processes.start('visit_builder.one_process', params=params)
    objects, snapshots = client.listen(interfaces.OBJECTS), client.listen(interfaces.SNAPSHOTS)
    client.wait(lambda: client.state() == client.state('/visit_builder') == 'active')
    robot(range(8))
    answer = client.call(Trigger, '/visit_builder/finish', Trigger.Request())
    assert answer.success, answer.message
    client.wait(lambda: objects and objects[-1].revision == 1)
    client.wait(lambda: not list(tmp_path.glob('visit.spool*')))
    assert client.call(Trigger, '/rescene4d/pause', Trigger.Request()).success
    robot(range(200, 208))
    answer = client.call(Trigger, '/visit_builder/finish', Trigger.Request())
    assert answer.success, answer.message
    client.spin(1.0)
    assert len(list(tmp_path.glob('visit.spool*'))) == 1
    assert client.call(Trigger, '/rescene4d/resume', Trigger.Request()).success
    client.wait(lambda: objects[-1].revision == 2)
    assert not snapshots
    assert processes.stop(process) == 0


@pytest.mark.slow
def test_parameter_files_reach_each_node_of_a_namespace(client, processes, tmp_path):
    """As robot.launch.py gives them: the file of the user, then what was given."""
    memory = {'path': str(tmp_path / 'memory'), 'map_id': 'cellar'}
    user = tmp_path / 'params.yaml'
    user.write_text(
        '/**:\n'
        '  rescene4d:\n    ros__parameters:\n      map_frame: nowhere\n'
        f'      inference: {{source: none}}\n      memory: {memory}\n'
        '  visit_builder:\n    ros__parameters:\n      map_frame: nowhere\n      duration: 7.0\n'
    )
    spool = str(tmp_path / 'visit.spool')
    builder = {'pose_source': 'odometry', 'spool': spool, 'map_frame': 'odom', 'autostart': True}
    files = [
        user,
        parameter_file(
            'robot1',
            {'rescene4d': {'map_frame': 'attic', 'autostart': True}, 'visit_builder': builder},
        ),
    ]
    process = processes.start(
        'visit_builder.one_process',
        '--ros-args',
        *(argument for file in files for argument in ('--params-file', file)),
        remap=['__ns:=/robot1', 'clouds:=/camera/points'],
    )
    node, other = '/robot1/rescene4d', '/robot1/visit_builder'
    client.wait(lambda: client.state(node) == client.state(other) == 'active')

    def values(of, *names):
        request = GetParameters.Request(names=names)
        found = client.call(GetParameters, f'{of}/get_parameters', request).values
        return [parameter_value_to_python(value) for value in found]

    names = ('map_frame', 'observed_space', 'memory.map_id')
    assert values(node, *names) == ['attic', True, 'cellar']
    assert values(other, 'map_frame', 'duration', 'pose_source') == ['odom', 7.0, 'odometry']
    assert client.node.count_subscribers('/camera/points') == 1
    assert processes.stop(process) == 0
    for file in files:
        file.unlink()


@pytest.mark.parametrize(
    ('given', 'taken'), [([], True), (['-p', 'rescene4d:observed_space:=false'], False)]
)
def test_the_observed_space_is_taken_unless_told_not_to(given, taken):
    """As the launch file has it for two processes, `robot` has it without any parameter."""
    rclpy.init(args=['--ros-args', *given])
    try:
        nodes = make_nodes()
        assert nodes[0].get_parameter('observed_space').value is taken
        for node in nodes:
            node.destroy_node()
    finally:
        rclpy.shutdown()
