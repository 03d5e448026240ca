"""What the node itself can be told; settings of the other rooms stay with them."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class NodeConfig:
    """Hold the settings of frames, transport and display."""

    autostart: bool = param(
        False, 'Configure and activate at start, without waiting for a lifecycle manager'
    )
    map_frame: str = param('map', 'Frame that everything remembered is in')
    tf_timeout: float = param(
        1.0,
        'How long to wait for the transform of a cloud in another frame',
        unit='s',
        ge=0.0,
        le=60.0,
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
