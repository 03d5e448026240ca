"""Procedural rooms that change between visits, and their scanner; knows no files, no network."""

from rescene4d_ros.synthetic_rooms.config import PRESETS, ROOM_TYPES, RoomsConfig
from rescene4d_ros.synthetic_rooms.life import make_life
from rescene4d_ros.synthetic_rooms.sample import make_sample
from rescene4d_ros.synthetic_rooms.sequence import make_sequence, notes_of_life, scan_life

__all__ = [
    'make_life',
    'make_sample',
    'make_sequence',
    'notes_of_life',
    'PRESETS',
    'ROOM_TYPES',
    'RoomsConfig',
    'scan_life',
]
