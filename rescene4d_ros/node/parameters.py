"""ROS parameters: the settings of the node and of all packages, declared and read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import dataclasses
from dataclasses import dataclass
import difflib
from functools import partial
import sys
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rescene4d_ros.config import check, FRAME, make, param, Setting, settings
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.tracking.settings import (
    AssociationConfig,
    ChangeConfig,
    MotionConfig,
    TrackerConfig,
)

INT64_MAX = 2**63 - 1
RCLPY = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')  # its own names
MOST_TOLD = 10  # unknown names


@dataclass(frozen=True)
class NodeConfig:
    """Hold the settings of frames, transport, intake and display."""

    autostart: bool = param(
        False,
        'Configure and activate at start, without waiting for a lifecycle manager; tried again '
        'after 1 s, then up to every 10 s, until it succeeds once',
    )
    bond: bool = param(
        False,
        'Form a bond on the topic bond while active, as the lifecycle manager of Nav2 expects it; '
        'needs the ROS package bond',
    )
    map_frame: str = param('map', 'Frame of the memory', form=FRAME)
    tf_timeout: float = param(
        1.0,
        'How long a cloud in another frame waits for its transform, and, with source given, one '
        'without instances for its boxes',
        unit='s',
        ge=0.0,
        le=60.0,
    )
    sensor_frame: str = param(
        '',
        'Frame of the sensor, whose path is read from TF; empty = unknown path, with weaker '
        'evidence of absence',
        form=FRAME,
    )
    sensor_path_duration: float = param(
        0.0,
        'Duration of the collection of a cloud before its stamp; the path of the sensor is '
        'read from TF over this time',
        unit='s',
        ge=0.0,
        le=600.0,
    )
    observed_space: bool = param(
        False,
        'Whether each snapshot waits up to tf_timeout for the message on observed_space with its '
        'stamp, which tells where the sensor was and what it looked through',
    )
    max_future: float = param(
        60.0,
        'A cloud with a stamp further in the future is refused, because all later visits '
        'would be LATE',
        unit='s',
        ge=0.0,
        le=86400.0,
    )
    plausibility: str = param(
        'refuse',
        'What happens to a cloud that is implausible, such as one in millimetres or of another '
        'place: refused, stored with a warning, moved onto the memory where a rigid motion does '
        'it, or not checked',
        one_of=('refuse', 'warn', 'register', 'off'),
    )
    snapshots_reliability: str = param(
        'reliable',
        'QoS of the snapshots; best_effort for sensor drivers, whose clouds may be lost',
        one_of=('reliable', 'best_effort'),
    )
    snapshots_depth: int = param(5, 'Queue depth of the subscription', ge=1, le=1000)
    intake_limit: int = param(20, 'How many clouds may wait for their transform or the disk', ge=1)
    intake_megabytes: float = param(500.0, 'Memory for waiting clouds', unit='MB', ge=1.0)
    intake_when_full: str = param(
        'drop_newest',
        'What happens to a cloud beyond these limits or backlog_limit: one is dropped and '
        'counted, or clouds wait in DDS, which drops those beyond its depth',
        one_of=('drop_newest', 'drop_oldest', 'wait'),
    )
    disk_timeout: float = param(
        60.0, 'How long a cloud waits if the disk refuses to store it', unit='s', ge=0.0, le=3600.0
    )
    backlog_limit: int = param(
        1000, 'How many stored visits may wait for processing; further clouds are refused', ge=1
    )
    backlog_warning: int = param(
        10, 'Diagnostics warn when this number of clouds and visits wait', ge=1, live=True
    )
    auto_reprocess: bool = param(
        True, 'Process late visits as soon as nothing else waits; false = wait for ~/reprocess'
    )
    corrections: bool = param(
        True, 'Offer the services that change the memory, ~/correct_object and ~/reprocess'
    )
    report_folder: str = param(
        '',
        'Folder for one page of HTML per visit that says what it changed; empty = none. Writing '
        'one takes seconds, in which no visit is processed',
    )
    slow_after: float = param(
        60.0,
        'Diagnostics warn when a visit takes longer than this',
        unit='s',
        ge=0.1,
        le=3600.0,
        live=True,
    )
    object_frames: str = param(
        '',
        'Begin of the name of a TF frame per object that the newest visit observed, such as '
        'object_ for object_7; empty = none',
        form=FRAME,
    )
    detections: bool = param(
        False,
        'Publish the objects that the newest visit observed as vision_msgs/Detection3DArray on '
        '~/detections as well; needs the ROS package vision_msgs',
    )
    marker_points: int = param(
        100,
        'Largest number of points drawn of one object; ~/segmented_cloud has all points',
        unit='points',
        ge=0,
        le=1_000_000,
        live=True,
    )


@dataclass(frozen=True)
class MemoryConfig:
    """Hold where the memory is and which map it belongs to."""

    path: str = param(
        '~/.ros/rescene4d_memory', 'Folder of the scene memory; created if missing, else continued'
    )
    create: bool = param(
        True,
        'Create a memory if there is none; false where the folder is on a disk that may not be '
        'mounted, so that no second memory is begun',
    )
    url: str = param(
        '',
        'Database of the memory, as postgresql://user@host/name; empty = the one stored in the '
        'folder, else SQLite in the folder',
    )
    map_id: str = param(
        'map', 'Map in which the snapshots are registered; a memory of another map is refused'
    )


@dataclass(frozen=True)
class RetentionConfig:
    """Hold how long a memory keeps all points of its visits."""

    thin_after: float = param(
        0.0,
        'Visits older than this are thinned while nothing else waits, a few at a time: not the '
        'first, the newest, and those with changes; 0 = never',
        unit='days',
        ge=0.0,
        le=36500.0,
    )
    spacing: float = param(
        0.05,
        'Edge of the cells of a thinned visit that each keep one point',
        unit='m',
        ge=0.01,
        le=1.0,
    )


@dataclass(frozen=True)
class FleetConfig:
    """Hold where visits are deposited, for a node that does not process them."""

    url: str = param(
        '',
        'Database of a fleet, as postgresql://user@host/name: visits are deposited there for its '
        'workers, and what these make of them is published; empty = this node processes them',
    )
    points: str = param(
        '',
        'Where the points of deposited visits are: a folder that robot and workers share, or a '
        'URL of fsspec such as s3://bucket/prefix',
    )
    spool: str = param(
        '~/.ros/rescene4d_spool', 'Folder of visits that are not deposited yet, of this node alone'
    )
    spool_megabytes: float = param(
        20_000.0, 'Largest size of the spool; a visit beyond it is refused', unit='MB', ge=1.0
    )
    robot: str = param('', 'Who deposits, for people; empty = name of the machine')


# Prefix of the parameter names -> whose settings they are.
SECTIONS = {
    '': NodeConfig,
    'memory': MemoryConfig,
    'retention': RetentionConfig,
    'fleet': FleetConfig,
    'inference': InferenceConfig,
    'tracker': TrackerConfig,
    'association': AssociationConfig,
    'motion': MotionConfig,
    'changes': ChangeConfig,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Hold one config per room, as the parameters said."""

    node: NodeConfig
    memory: MemoryConfig
    retention: RetentionConfig
    fleet: FleetConfig
    inference: InferenceConfig
    tracker: TrackerConfig
    association: AssociationConfig
    motion: MotionConfig
    changes: ChangeConfig


def named_settings(sections: Mapping[str, type] = SECTIONS) -> Iterator[tuple[str, Setting]]:
    """Yield every parameter's full name and setting, in the order of the README's table."""
    for prefix, cls in sections.items():
        for setting in settings(cls):
            yield f'{prefix}.{setting.name}' if prefix else setting.name, setting


def descriptor(setting: Setting) -> ParameterDescriptor:
    """Say in ROS terms what a setting means, its unit, its bounds, and whether it may change."""
    text = f'{setting.text} [{setting.unit}]' if setting.unit else setting.text
    # Types are checked here: rclpy refuses 60 where 60.0 is expected, and an unquoted off.
    message = ParameterDescriptor(
        description=text, read_only=not setting.live, dynamic_typing=True
    )
    if setting.one_of is not None:
        message.additional_constraints = 'one of: ' + ', '.join(map(str, setting.one_of))
    elif setting.form is not None:
        message.additional_constraints = setting.form.text
    if setting.ge is None and setting.le is None:
        return message
    if setting.type is int:
        message.integer_range = [
            IntegerRange(
                from_value=-INT64_MAX if setting.ge is None else setting.ge,
                to_value=INT64_MAX if setting.le is None else setting.le,
                step=0,
            )
        ]
    else:
        huge = sys.float_info.max
        message.floating_point_range = [
            FloatingPointRange(
                from_value=-huge if setting.ge is None else float(setting.ge),
                to_value=huge if setting.le is None else float(setting.le),
                step=0.0,
            )
        ]
    return message


def check_parameters(
    parameters: list[Parameter], sections: Mapping[str, type] = SECTIONS
) -> SetParametersResult:
    """Refuse values that a setting does not allow; a pure check, nothing is applied here."""
    known = dict(named_settings(sections))
    for parameter in parameters:
        if parameter.name not in known:
            continue  # use_sim_time, qos overrides: rclpy's own
        try:
            check(known[parameter.name], parameter.value, 'parameter')
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def declare(
    node: Node, sections: Mapping[str, type], defaults: Mapping[str, Any] | None = None
) -> None:
    """
    Declare all parameters, so that tools can describe them before the node is configured.

    Names that the command line or a file gives and nobody declared are told in the log: rclpy
    leaves them out without a word. `defaults` are those that differ from the settings' own.

    Raises
    ------
    ConfigError
        The command line or a file gives a value that is not allowed.

    """
    node.add_on_set_parameters_callback(partial(check_parameters, sections=sections))
    for name, setting in named_settings(sections):
        default = (defaults or {}).get(name, setting.default)
        try:
            node.declare_parameter(name, default, descriptor(setting))
        except ParameterException as error:
            raise ConfigError(f'{error}; correct the parameter') from error
    for text in _unknown(node, [n for n, _ in named_settings(sections)]):
        node.get_logger().warning(text)


def _unknown(node: Node, known: list[str]) -> Iterator[str]:
    """Yield what to say of parameters that are given and that the node does not have."""
    given = getattr(node, '_parameter_overrides', {})  # rclpy offers them in no other way
    names = [n for n in given if not node.has_parameter(n) and not n.startswith(RCLPY)]
    for name in names[:MOST_TOLD]:
        near = difflib.get_close_matches(name, known, n=2)
        hint = f'; did you mean {" or ".join(near)}?' if near else ''
        yield f'expected a parameter of this node, got {name[:100]!r}, which has no effect{hint}'
    if len(names) > MOST_TOLD:
        yield f'expected parameters of this node, got {len(names) - MOST_TOLD} more of others'


def read_sections(node: Node, sections: Mapping[str, type]) -> dict[str, Any]:
    """
    Collect the values of some sections: one config by prefix.

    Raises
    ------
    ConfigError
        A value is of the wrong type or out of bounds.

    """
    configs: dict[str, Any] = {}
    for prefix, cls in sections.items():
        names = {s.name: f'{prefix}.{s.name}' if prefix else s.name for s in settings(cls)}
        configs[prefix or 'node'] = make(
            cls, {key: node.get_parameter(name).value for key, name in names.items()}
        )
    return configs


def read(node: Node) -> Settings:
    """Collect the parameters' values; raises as `read_sections`."""
    return Settings(**read_sections(node, SECTIONS))
