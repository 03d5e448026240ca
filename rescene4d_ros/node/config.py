"""What the node itself can be told; settings of the other rooms stay with them."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class NodeConfig:
    """Hold the settings of frames, transport, intake and display."""

    autostart: bool = param(
        False,
        'Configure and activate at start, without waiting for a lifecycle manager; tried again '
        'every 10 s until it succeeds once',
    )
    map_frame: str = param('map', 'Frame of the memory')
    tf_timeout: float = param(
        1.0, 'How long a cloud in another frame waits for its transform', unit='s', ge=0.0, le=60.0
    )
    sensor_frame: str = param(
        '',
        'Frame of the sensor, whose path is read from TF; empty = unknown path, with weaker '
        'evidence of absence',
    )
    sensor_path_duration: float = param(
        0.0,
        'Duration of the collection of a cloud before its stamp; the path of the sensor is '
        'read from TF over this time',
        unit='s',
        ge=0.0,
        le=600.0,
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
