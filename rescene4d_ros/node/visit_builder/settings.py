"""Parameters of the visit builder, and the rules that they make."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import Form, FRAME, param
from rescene4d_ros.data.readers.images.config import DepthInputConfig
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.visit_building.close_rules import (
    CloseRule,
    Duration,
    LeavingZone,
    StandingStill,
)
from rescene4d_ros.visit_building.config import VisitBuildingConfig

TOPIC = Form(r'(~/|/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', 'name of a topic: letters, digits, _ and /')


@dataclass(frozen=True)
class BuilderNodeConfig:
    """Hold the settings of input, ends of visits and delivery."""

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
    map_frame: str = param('map', 'Frame of the visits', form=FRAME)
    sensor_frame: str = param(
        '',
        'Frame of the sensor, for clouds in the map frame; others carry their frame',
        form=FRAME,
    )
    input: str = param(
        'clouds',
        'What the sensor gives: PointCloud2 on the topic clouds, or depth images on depth with '
        'camera_info, and color images on color',
        one_of=('clouds', 'depth'),
    )
    pose_source: str = param(
        'tf',
        'Where poses come from: TF, or the topic odometry, whose header.frame_id is map_frame and '
        'whose child_frame_id is the frame of the sensor',
        one_of=('tf', 'odometry'),
    )
    clouds_reliability: str = param(
        'best_effort', 'QoS of the clouds and images', one_of=('reliable', 'best_effort')
    )
    tf_timeout: float = param(
        0.5, 'How long a cloud waits for its pose', unit='s', ge=0.0, le=60.0
    )
    max_future: float = param(
        60.0,
        'A cloud with a stamp further in the future is refused, because all later visits '
        'would be LATE',
        unit='s',
        ge=0.0,
        le=86400.0,
    )
    waiting_limit: int = param(
        60,
        'How many clouds may wait, as they do while a visit is finished; beyond it the oldest is '
        'dropped',
        ge=1,
        le=1000,
    )
    begin_at_once: bool = param(
        True, 'Build visits from activation on; false = only after ~/start, until ~/finish'
    )
    standing_still: float = param(
        0.0, 'The visit ends where the sensor stands as long; 0 = off', unit='s', ge=0.0
    )
    duration: float = param(0.0, 'The visit ends after this time; 0 = off', unit='s', ge=0.0)
    zone: str = param(
        '',
        'Polygon in the map as "x y, x y, x y" in m; the visit ends where the sensor leaves it; '
        'empty = off',
    )
    silence: float = param(
        0.0,
        'The visit ends where no cloud comes for as long, by the clock of this machine; 0 = off: '
        'it goes on, or ends with the next cloud where the stamps pause for 10 s',
        unit='s',
        ge=0.0,
    )
    dock_topic: str = param(
        '',
        'Topic that says whether the robot is at its dock; the visit ends when it gets there; '
        'empty = off',
        form=TOPIC,
    )
    dock_type: str = param(
        'bool',
        'Type of dock_topic: std_msgs/Bool, or sensor_msgs/BatteryState, which says that it '
        'charges or is full',
        one_of=('bool', 'battery_state'),
    )
    spool: str = param(
        '~/.ros/rescene4d_visit.spool',
        'File that keeps the visit in the making when the process is killed; empty = none',
        optional=True,
    )
    resume_within: float = param(
        10.0,
        'How long a visit that a killed process left waits for clouds that continue it; then, or '
        'after a pause of 10 s in their stamps, it ends as a partial one; 0 = at once',
        unit='s',
        ge=0.0,
        le=600.0,
    )


SECTIONS = {'': BuilderNodeConfig, 'building': VisitBuildingConfig, 'depth': DepthInputConfig}


def zone_of(text: str) -> list[list[float]]:
    """
    Return the corners (x, y), m, of a zone.

    Raises
    ------
    ConfigError
        Other than numbers.

    """
    try:
        return [[float(v) for v in corner.split()] for corner in text.split(',')]
    except ValueError as error:
        raise ConfigError(f'zone: expected "x y, x y, x y" in m, got {text!r}') from error


def rules_of(settings: BuilderNodeConfig) -> list[CloseRule]:
    """Return the rules of one visit; raises ConfigError for a zone that is none."""
    rules: list[CloseRule] = []
    if settings.standing_still > 0:
        rules.append(StandingStill(settings.standing_still))
    if settings.duration > 0:
        rules.append(Duration(settings.duration))
    if settings.zone:
        rules.append(LeavingZone(zone_of(settings.zone)))
    return rules
