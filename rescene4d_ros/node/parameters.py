"""ROS parameters made of the typed settings of all rooms, and read back into them."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import sys

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rescene4d_ros.config import check, make, Setting, settings
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.node.config import MemoryConfig, NodeConfig
from rescene4d_ros.scene import TrackerConfig
from rescene4d_ros.tracking.settings import AssociationConfig, ChangeConfig, MotionConfig

# Prefix of the parameter names -> whose settings they are.
SECTIONS = {
    '': NodeConfig,
    'memory': MemoryConfig,
    'inference': InferenceConfig,
    'tracker': TrackerConfig,
    'association': AssociationConfig,
    'motion': MotionConfig,
    'changes': ChangeConfig,
}
INT64_MAX = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Settings:
    """Hold one config per room, as the parameters said."""

    node: NodeConfig
    memory: MemoryConfig
    inference: InferenceConfig
    tracker: TrackerConfig
    association: AssociationConfig
    motion: MotionConfig
    changes: ChangeConfig


def named_settings() -> Iterator[tuple[str, Setting]]:
    """Yield every parameter's full name and setting, in the order of the README's table."""
    for prefix, cls in SECTIONS.items():
        for setting in settings(cls):
            yield f'{prefix}.{setting.name}' if prefix else setting.name, setting


def descriptor(setting: Setting) -> ParameterDescriptor:
    """Say in ROS terms what a setting means, its unit, its bounds, and whether it may change."""
    text = f'{setting.text} [{setting.unit}]' if setting.unit else setting.text
    message = ParameterDescriptor(description=text, read_only=not setting.live)
    if setting.one_of is not None:
        message.additional_constraints = 'one of: ' + ', '.join(map(str, setting.one_of))
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


def check_parameters(parameters: list[Parameter]) -> SetParametersResult:
    """Refuse values that a setting does not allow; a pure check, nothing is applied here."""
    known = dict(named_settings())
    for parameter in parameters:
        if parameter.name not in known:
            continue  # use_sim_time, qos overrides: rclpy's own
        try:
            check(known[parameter.name], parameter.value, 'parameter')
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def declare(node: Node) -> None:
    """Declare all parameters, so that tools can describe them before the node is configured."""
    node.add_on_set_parameters_callback(check_parameters)
    for name, setting in named_settings():
        node.declare_parameter(name, setting.default, descriptor(setting))


def read(node: Node) -> Settings:
    """
    Collect the parameters' values.

    Raises
    ------
    ConfigError
        A value is of the wrong type or out of bounds.

    """
    configs = {}
    for prefix, cls in SECTIONS.items():
        names = {s.name: f'{prefix}.{s.name}' if prefix else s.name for s in settings(cls)}
        configs[prefix or 'node'] = make(
            cls, {key: node.get_parameter(name).value for key, name in names.items()}
        )
    return Settings(**configs)
