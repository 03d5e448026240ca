"""robot.launch.py as a user starts it, where launch is installed."""

from contextlib import contextmanager
from importlib.util import find_spec
import os
import shutil
import signal
import subprocess
import sys
from urllib.request import urlopen

from lifecycle_msgs.srv import GetState
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.ros_process import share

if shutil.which('ros2') is None or find_spec('launch_ros') is None:
    pytest.skip(
        'ros2 launch is not installed (it is not among the PyPI wheels)', allow_module_level=True
    )

WITH_SIGINT = (
    'import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); '
    'os.execvp(sys.argv[1], sys.argv[1:])'
)
VIEWER = 'http://127.0.0.1:8080'


@contextmanager
def launched(client, folder, env=None, **arguments):
    """Run the launch file with arguments, give its log, and end it by ^C without complaints."""
    log = folder / 'launch.log'
    given = [f'{name}:={value}' for name, value in arguments.items()]
    command = ['ros2', 'launch', share() / 'launch' / 'robot.launch.py', *given]
    with log.open('w') as file:
        launch = subprocess.Popen(
            [sys.executable, '-c', WITH_SIGINT, *command],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
    try:
        client.wait(lambda: 'process started' in log.read_text() or launch.poll() is not None)
        assert launch.poll() is None, log.read_text()
        yield log
    finally:
        launch.send_signal(signal.SIGINT)
        code = launch.wait(120)
    assert code == 0, log.read_text()
    assert 'has died' not in log.read_text()


def is_active(client, node):
    """Return whether a node is active."""
    answer = client.call(GetState, f'{node}/get_state', GetState.Request())
    return answer.current_state.label == 'active'


def parameters(client, node, *names):
    """Return values of a node's parameters."""
    request = GetParameters.Request(names=names)
    values = client.call(GetParameters, f'{node}/get_parameters', request).values
    return [parameter_value_to_python(value) for value in values]


def test_launched_node_is_active_with_the_given_arguments(client, weights, tmp_path):
    """Arguments win over the parameter file; namespace and topic are where they were asked for."""
    params = tmp_path / 'params.yaml'
    params.write_text(
        '/**:\n  rescene4d:\n    ros__parameters:\n      memory:\n'
        '        path: /nowhere\n        map_id: cellar\n      inference:\n'
        f'        weights: {weights}\n'
    )
    with launched(
        client,
        tmp_path,
        namespace='robot1',
        params_file=params,
        memory_path=tmp_path / 'memory',
        points_topic='/map_cloud',
    ):
        client.wait(lambda: is_active(client, '/robot1/rescene4d'))
        values = parameters(client, '/robot1/rescene4d', 'memory.path', 'memory.map_id')
        assert values == [str(tmp_path / 'memory'), 'cellar']
        assert client.node.count_subscribers('/map_cloud') == 1
        objects = client.listen(interfaces.OBJECTS, '/robot1/rescene4d/objects')
        client.wait(lambda: objects)
        assert objects[0].map_id == 'cellar'


def test_every_argument_reaches_what_it_names(client, weights, tmp_path):
    """Builder, viewer and RViz start; a stand-in tells how RViz would have been called."""
    rviz = stand_in(tmp_path / 'prefix', 'rviz2')
    prefixes = [str(tmp_path / 'prefix'), os.environ.get('AMENT_PREFIX_PATH', sys.prefix)]
    memory = tmp_path / 'memory'
    with launched(
        client,
        tmp_path,
        env={'AMENT_PREFIX_PATH': os.pathsep.join(prefixes)},
        namespace='/robot2/',
        use_sim_time='false',
        autostart='true',
        build_visits='true',
        points_topic='/camera/points',
        odometry_topic='/wheel/odometry',
        memory_path=memory,
        map_id='attic',
        map_frame='odom',
        weights=weights,
        object_frames='thing_',
        detections='true',
        bond='true',
        network='loopback',
        viewer='true',
        rviz='true',
        log_level='warn',
    ) as log:
        node, builder = '/robot2/rescene4d', '/robot2/visit_builder'
        client.wait(lambda: is_active(client, node) and is_active(client, builder))
        names = ('pose_source', 'map_frame', 'bond')
        assert parameters(client, builder, *names) == ['odometry', 'odom', True]
        names = ('memory.map_id', 'map_frame', 'inference.weights', 'object_frames')
        assert parameters(client, node, *names) == ['attic', 'odom', str(weights), 'thing_']
        assert parameters(client, node, 'detections', 'bond') == [True, True]
        for topic in ('/camera/points', '/wheel/odometry', '/robot2/snapshots'):
            client.wait(lambda topic=topic: client.node.count_subscribers(topic) == 1)
        client.wait(lambda: client.node.count_publishers('/robot2/snapshots') == 1)
        client.wait(lambda: rviz.exists() and rviz.read_text().endswith('\n'))
        said = rviz.read_text()
        assert '__ns:=/robot2' in said
        assert '--fixed-frame odom' in said
        assert str(share() / 'config' / 'rescene4d.rviz') in said
        client.wait(lambda: VIEWER in log.read_text())
        assert urlopen(VIEWER).status == 200


def test_one_process_runs_both_nodes_with_the_given_arguments(client, weights, tmp_path):
    """In a namespace, where only a file with full names reaches one node of several."""
    memory = tmp_path / 'memory'
    with launched(
        client,
        tmp_path,
        namespace='robot3',
        one_process='true',
        points_topic='/camera/points',
        odometry_topic='/wheel/odometry',
        memory_path=memory,
        map_frame='odom',
        weights=weights,
    ) as log:
        node, builder = '/robot3/rescene4d', '/robot3/visit_builder'
        client.wait(lambda: is_active(client, node) and is_active(client, builder))
        names = ('memory.path', 'map_frame', 'observed_space')
        assert parameters(client, node, *names) == [str(memory), 'odom', True]
        names = ('pose_source', 'map_frame')
        assert parameters(client, builder, *names) == ['odometry', 'odom']
        for topic in ('/camera/points', '/wheel/odometry'):
            client.wait(lambda topic=topic: client.node.count_subscribers(topic) == 1)
        assert log.read_text().count('process started') == 1


def stand_in(prefix, package):
    """Make a package with one executable, which writes how it was called into a file."""
    said = prefix / 'called'
    script = prefix / 'lib' / package / package
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\necho "$@" > {said}\ntrap "exit 0" INT\nsleep 600 &\nwait\n')
    script.chmod(0o755)
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / package).touch()
    return said
