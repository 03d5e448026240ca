"""
Start the node on a robot.

ros2 launch rescene4d_ros robot.launch.py points_topic:=/map_cloud memory_path:=/data/home
"""

from pathlib import Path
import sys

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from rescene4d_ros.node.ros_process import dds_environment, memory_path, parameter_file, share

from launch import LaunchDescription

ARGUMENTS = (
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument(
        'params_file',
        default_value=str(share() / 'config' / 'robot.yaml'),
        description='YAML file with parameters of the node.',
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        choices=['true', 'false'],
        description='Take the time from /clock.',
    ),
    DeclareLaunchArgument(
        'autostart',
        default_value='true',
        choices=['true', 'false'],
        description='Configure and activate at once.',
    ),
    DeclareLaunchArgument(
        'points_topic',
        default_value='snapshots',
        description='Topic with one registered cloud per visit.',
    ),
    DeclareLaunchArgument(
        'build_visits',
        default_value='false',
        choices=['true', 'false'],
        description='Start visit_builder too: points_topic then carries live clouds.',
    ),
    DeclareLaunchArgument(
        'one_process',
        default_value='false',
        choices=['true', 'false'],
        description='Run visit_builder and the node in one process, which hands snapshots over '
        'without DDS; visits are then built whatever build_visits says.',
    ),
    DeclareLaunchArgument(
        'depth_topic',
        default_value='',
        description='Depth images from which visit_builder makes visits, in place of clouds; '
        'those of a topic .../compressedDepth are taken as such.',
    ),
    DeclareLaunchArgument(
        'color_topic',
        default_value='',
        description='Color images of the same pixels; those of a topic .../compressed are taken '
        'as such; empty: points without color.',
    ),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='',
        description='Calibration of the depth images; empty: camera_info beside depth_topic.',
    ),
    DeclareLaunchArgument(
        'odometry_topic',
        default_value='',
        description='Where visit_builder takes poses from, nav_msgs/Odometry; empty: from TF.',
    ),
    DeclareLaunchArgument(
        'memory_path',
        default_value='',
        description='Folder of the scene memory; empty: as params_file says.',
    ),
    DeclareLaunchArgument(
        'map_id',
        default_value='',
        description='Which map the clouds belong to; empty: as params_file says.',
    ),
    DeclareLaunchArgument(
        'map_frame',
        default_value='',
        description='Frame of everything remembered; empty: as params_file says.',
    ),
    DeclareLaunchArgument(
        'weights',
        default_value='',
        description='Weights file or name of `rescene4d weights`; empty: as params_file says.',
    ),
    DeclareLaunchArgument(
        'object_frames',
        default_value='',
        description='Begin of the name of a TF frame per object, as object_; empty: as '
        'params_file says.',
    ),
    DeclareLaunchArgument(
        'detections',
        default_value='',
        choices=['', 'true', 'false'],
        description='Publish the objects as vision_msgs too; empty: as params_file says.',
    ),
    DeclareLaunchArgument(
        'bond',
        default_value='',
        choices=['', 'true', 'false'],
        description='Form bonds with the lifecycle manager of Nav2; empty: as params_file says.',
    ),
    DeclareLaunchArgument(
        'network',
        default_value='all',
        choices=['all', 'loopback'],
        description='loopback: only processes of this machine can reach the node.',
    ),
    DeclareLaunchArgument(
        'rviz',
        default_value='false',
        choices=['true', 'false'],
        description='Start RViz with our view as well.',
    ),
    DeclareLaunchArgument(
        'viewer',
        default_value='false',
        choices=['true', 'false'],
        description='Show the memory in the browser as well, at http://127.0.0.1:8080.',
    ),
    DeclareLaunchArgument(
        'log_level',
        default_value='info',
        choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severity that the node logs.',
    ),
)


PARAMETERS = {
    'memory_path': 'memory.path',
    'map_id': 'memory.map_id',
    'map_frame': 'map_frame',
    'weights': 'inference.weights',
    'object_frames': 'object_frames',
}
SWITCHES = ('detections', 'bond')  # arguments and parameters of one name, true or false


def depth_images(value):
    """Return remappings and parameters of the input of depth images; none without depth_topic."""
    depth, color = value('depth_topic'), value('color_topic')
    if not depth:
        return [], {}
    base, _, last = depth.rpartition('/')
    is_compressed = last == 'compressedDepth'
    beside = base.rpartition('/')[0] if is_compressed else base
    info = value('camera_info_topic') or f'{beside}/camera_info'
    colors = 'none' if not color else 'compressed' if color.endswith('/compressed') else 'raw'
    images = {
        'input': 'depth',
        'depth.transport': 'compressedDepth' if is_compressed else 'raw',
        'depth.color': colors,
    }
    return [('depth', depth), ('camera_info', info), ('color', color or 'color')], images


def make_nodes(context):
    """Return node, RViz and viewer; an argument that was given wins over the parameter file."""

    def value(name):
        return LaunchConfiguration(name).perform(context)

    given = {
        'autostart': value('autostart') == 'true',
        'use_sim_time': value('use_sim_time') == 'true',
    }
    given |= {name: value(key) for key, name in PARAMETERS.items() if value(key)}
    given |= {name: value(name) == 'true' for name in SWITCHES if value(name)}
    namespace = value('namespace').strip('/')
    together = value('one_process') == 'true'
    build = together or value('build_visits') == 'true'
    builder = {'map_frame': value('map_frame')} if value('map_frame') else {}
    shared = ('autostart', 'use_sim_time', 'bond')
    builder |= {key: given[key] for key in shared if key in given}
    odometry = value('odometry_topic')
    builder |= {'pose_source': 'odometry'} if odometry else {}
    cameras, images = depth_images(value)
    builder |= images
    inputs = [('clouds', value('points_topic')), ('odometry', odometry or 'odometry'), *cameras]
    file = value('params_file')
    process = {
        'package': 'rescene4d_ros',
        'namespace': namespace,
        'output': 'screen',
        'emulate_tty': True,
    }
    prefix = '.'.join(filter(None, namespace.split('/')))
    logger = f'{prefix}.rescene4d' if prefix else 'rescene4d'
    log_level = ['--ros-args', '--log-level', f'{logger}:={value("log_level")}']
    node = {
        **process,
        'sigterm_timeout': '60',  # s after ^C: a visit at hand is finished first
        'arguments': log_level,
    }
    if together:  # without a name, which would become that of both nodes
        files = [file, parameter_file(namespace, {'rescene4d': given, 'visit_builder': builder})]
        nodes = [Node(executable='robot', parameters=files, remappings=inputs, **node)]
    else:
        nodes = [
            LifecycleNode(
                executable='rescene4d_node',
                name='rescene4d',
                parameters=[{'observed_space': build}, file, given],
                remappings=[('snapshots', 'snapshots' if build else value('points_topic'))],
                **node,
            ),
            LifecycleNode(
                executable='visit_builder',
                name='visit_builder',
                parameters=[file, builder],
                remappings=inputs,
                condition=IfCondition(LaunchConfiguration('build_visits')),
                **process,
            ),
        ]
    frame = ['--fixed-frame', value('map_frame')] if value('map_frame') else []
    return [
        # None where the user has chosen a profile.
        *[SetEnvironmentVariable(k, v) for k, v in dds_environment(value('network')).items()],
        *nodes,
        Node(
            package='rviz2',
            executable='rviz2',
            name='rviz',
            namespace=namespace,  # the topics of the view are relative to it
            arguments=['-d', str(share() / 'config' / 'rescene4d.rviz'), *frame],
            condition=IfCondition(LaunchConfiguration('rviz')),
        ),
        ExecuteProcess(
            cmd=[
                *(sys.executable, '-m', 'rescene4d_ros.cli.main', 'view', '--wait'),
                value('memory_path') or str(memory_path(Path(file))),
            ],
            name='viewer',
            output='screen',
            condition=IfCondition(LaunchConfiguration('viewer')),
        ),
    ]


def generate_launch_description():
    """Return what ros2 launch starts."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=make_nodes)])
