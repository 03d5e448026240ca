"""robot.launch.py as a user starts it, where launch is installed."""

from importlib.util import find_spec
import shutil
import signal
import subprocess
import sys

from lifecycle_msgs.srv import GetState
import pytest
from rcl_interfaces.srv import GetParameters
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


def test_launched_node_is_active_with_the_given_arguments(client, weights, tmp_path):
    """Arguments win over the parameter file; namespace and topic are where they were asked for."""
    params = tmp_path / 'params.yaml'
    params.write_text(
        '/**:\n  rescene4d:\n    ros__parameters:\n      memory:\n'
        '        path: /nowhere\n        map_id: cellar\n      inference:\n'
        f'        weights: {weights}\n'
    )
    log = tmp_path / 'launch.log'
    with log.open('w') as file:
        launch = subprocess.Popen(
            [
                sys.executable,
                '-c',
                WITH_SIGINT,
                'ros2',
                'launch',
                share() / 'launch' / 'robot.launch.py',
                'namespace:=robot1',
                f'params_file:={params}',
                f'memory_path:={tmp_path / "memory"}',
                'points_topic:=/map_cloud',
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        client.wait(lambda: 'process started' in log.read_text() or launch.poll() is not None)
        assert launch.poll() is None, log.read_text()
        client.wait(
            lambda: (
                client.call(
                    GetState, '/robot1/rescene4d/get_state', GetState.Request()
                ).current_state.label
                == 'active'
            )
        )
        values = client.call(
            GetParameters,
            '/robot1/rescene4d/get_parameters',
            GetParameters.Request(names=['memory.path', 'memory.map_id']),
        ).values
        assert [v.string_value for v in values] == [str(tmp_path / 'memory'), 'cellar']
        assert client.node.count_subscribers('/map_cloud') == 1
        objects = client.listen(interfaces.OBJECTS, '/robot1/rescene4d/objects')
        client.wait(lambda: objects)
        assert objects[0].map_id == 'cellar'
    finally:
        launch.send_signal(signal.SIGINT)
        code = launch.wait(120)
    assert code == 0, log.read_text()
    assert 'has died' not in log.read_text()
