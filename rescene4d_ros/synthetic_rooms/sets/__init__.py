"""The fixed sets of rooms by name: how each is made, and the record of what it must hold."""

from rescene4d_ros.synthetic_rooms.sets.definitions import Batch, RoomSet, SETS
from rescene4d_ros.synthetic_rooms.sets.digest import Digest, digest_of
from rescene4d_ros.synthetic_rooms.sets.record import (
    compare,
    Comparison,
    read_record,
    RECORDS,
    write_record,
)

__all__ = [
    'Batch',
    'compare',
    'Comparison',
    'Digest',
    'digest_of',
    'read_record',
    'RECORDS',
    'RoomSet',
    'SETS',
    'write_record',
]
