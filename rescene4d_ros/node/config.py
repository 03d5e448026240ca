"""What the node itself can be told; settings of the other rooms stay with them."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class NodeConfig:
    """Hold the settings of frames, transport, intake and display."""

    autostart: bool = param(
        False, 'Configure and activate at start, without waiting for a lifecycle manager'
    )
    map_frame: str = param('map', 'Frame that everything remembered is in')
    tf_timeout: float = param(
        1.0,
        'How long a cloud in another frame is held until its transform comes',
        unit='s',
        ge=0.0,
        le=60.0,
    )
    sensor_frame: str = param(
        '',
        'Frame of the sensor, whose path TF tells; empty = the path is not known, and evidence of '
        'absence is weaker',
    )
    sensor_path_duration: float = param(
        0.0,
        'How long before its stamp the collecting of a cloud began; the path of the sensor is '
        'taken from TF over this time',
        unit='s',
        ge=0.0,
        le=600.0,
    )
    max_future: float = param(
        60.0,
        'A cloud whose stamp is further in the future is refused, for later visits would come '
        'late for good',
        unit='s',
        ge=0.0,
        le=86400.0,
    )
    snapshots_reliability: str = param(
        'reliable',
        'QoS of the snapshots; best_effort for sensor drivers, whose clouds may '
        'then be lost on the way',
        one_of=('reliable', 'best_effort'),
    )
    snapshots_depth: int = param(
        5, 'How many snapshots may wait for the node to take them', ge=1, le=1000
    )
    intake_limit: int = param(
        20, 'How many clouds may be held until their transform is known or the disk works', ge=1
    )
    intake_megabytes: float = param(
        500.0, 'How much memory the held clouds may take together', unit='MB', ge=1.0
    )
    intake_when_full: str = param(
        'drop_newest',
        'What happens to a cloud beyond these limits or backlog_limit: one is dropped and '
        'counted, or the clouds wait in DDS, which drops what its depth does not hold',
        one_of=('drop_newest', 'drop_oldest', 'wait'),
    )
    disk_timeout: float = param(
        60.0,
        'How long a cloud is held that the disk refuses to store',
        unit='s',
        ge=0.0,
        le=3600.0,
    )
    backlog_limit: int = param(
        1000, 'How many stored visits may wait for processing; clouds beyond are not taken', ge=1
    )
    backlog_warning: int = param(
        10, 'Diagnostics warn when so many clouds and visits wait', ge=1, live=True
    )
    auto_reprocess: bool = param(
        True, 'Take late visits in as soon as nothing else waits; false = wait for ~/reprocess'
    )
    corrections: bool = param(
        True, 'Offer the services that change the memory, ~/correct_object and ~/reprocess'
    )
    slow_after: float = param(
        60.0,
        'Diagnostics warn when a visit takes longer than this',
        unit='s',
        ge=0.1,
        le=3600.0,
        live=True,
    )
    marker_points: int = param(
        2000, 'Largest number of points drawn of one object', ge=0, le=1_000_000, live=True
    )


@dataclass(frozen=True)
class MemoryConfig:
    """Hold where the memory is and which map it belongs to."""

    path: str = param(
        '~/.ros/rescene4d_memory',
        'Folder of the scene memory; made if it is not there, continued if it is',
    )
    url: str = param(
        '',
        'Database of the memory, as postgresql://user@host/name; empty = the one that the '
        'folder names, else SQLite in the folder',
    )
    map_id: str = param(
        'map', 'Which map the snapshots are registered in; a memory of another map is refused'
    )
