"""
Start the node on a robot.

ros2 launch rescene4d_ros robot.launch.py points_topic:=/map_cloud memory_path:=/data/home
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from rescene4d_ros.node.process_environment import environment, share

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
        'rviz',
        default_value='false',
        choices=['true', 'false'],
        description='Start RViz with our view as well.',
    ),
    DeclareLaunchArgument(
        'log_level',
        default_value='info',
        choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severity that the node logs.',
    ),
)


def make_node(context):
    """Return the node; an argument that was given wins over the parameter file."""

    def value(name):
        return LaunchConfiguration(name).perform(context)

    given = {
        'autostart': value('autostart') == 'true',
        'use_sim_time': value('use_sim_time') == 'true',
    }
    for argument, parameter in (('memory_path', 'memory.path'), ('map_id', 'memory.map_id')):
        if value(argument):
            given[parameter] = value(argument)
    return [
        LifecycleNode(
            package='rescene4d_ros',
            executable='rescene4d_node',
            name='rescene4d',
            namespace=value('namespace'),
            output='screen',
            emulate_tty=True,
            sigterm_timeout='60',  # s after ^C: a visit at hand is finished first
            parameters=[value('params_file'), given],
            remappings=[('snapshots', value('points_topic'))],
            arguments=['--ros-args', '--log-level', f'rescene4d:={value("log_level")}'],
        )
    ]


def generate_launch_description():
    """Return what ros2 launch starts."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *[SetEnvironmentVariable(k, v) for k, v in environment().items()],
            OpaqueFunction(function=make_node),
            Node(
                package='rviz2',
                executable='rviz2',
                name='rviz',
                arguments=['-d', str(share() / 'config' / 'rescene4d.rviz')],
                condition=IfCondition(LaunchConfiguration('rviz')),
            ),
        ]
    )
