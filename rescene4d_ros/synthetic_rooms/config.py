"""Settings of the procedural rooms: how full, how much changes, how they are scanned."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param
from rescene4d_ros.synthetic_rooms.furniture.split import SPLITS

ROOM_TYPES = ('living', 'bedroom', 'office', 'kitchen', 'bath', 'meeting')
# Homes more often than offices, so that beds, sofas and counters are not rare.
ROOM_SHARES = (0.23, 0.21, 0.14, 0.2, 0.13, 0.09)


@dataclass(frozen=True)
class RoomsConfig:
    """Hold what `make_sequence` needs to know beside the seed."""

    visits: int = param(2, 'How often the room is scanned.', ge=1, le=12)
    room_type: str = param('any', 'Kind of room; any = random.', one_of=('any', *ROOM_TYPES))
    min_objects: int = param(6, 'Fewest objects at the first visit.', ge=1, le=150)
    max_objects: int = param(20, 'Most objects at the first visit.', ge=1, le=150)
    p_move: float = param(0.13, 'Share of movable objects that move per visit.', ge=0, le=1)
    p_remove: float = param(0.07, 'Share of movable objects that leave per visit.', ge=0, le=1)
    p_arrive: float = param(0.06, 'New objects per movable object and visit.', ge=0, le=1)
    p_return: float = param(0.4, 'Chance that an absent object returns.', ge=0, le=1)
    p_swap: float = param(0.05, 'Chance that look-alikes exchange places.', ge=0, le=1)
    p_deform: float = param(
        0.1,
        'Share of objects with doors, drawers, cushions, cloth or a swivel that change shape '
        'per visit.',
        ge=0,
        le=1,
    )
    p_niche: float = param(0.2, 'Chance that one wall has a niche.', ge=0, le=1)
    p_twin: float = param(0.7, 'Chance that chairs of one table are look-alikes.', ge=0, le=1)
    max_failures: int = param(30, 'Failed placements after which a room is full.', ge=1, le=10_000)
    failures_per_object: float = param(
        3.0, 'The same per requested object, if that is more.', ge=0, le=100
    )
    split: str = param(
        'any',
        'Split of the shapes of parametric furniture; any = all shapes.',
        one_of=('any', *SPLITS),
    )
    days_min: float = param(1.0, 'Shortest time between visits.', unit='d', ge=0.01)
    days_max: float = param(30.0, 'Longest time between visits.', unit='d', ge=0.01)
    views: int = param(22, 'Depth images per visit.', ge=1, le=400)
    view_width: int = param(176, 'Columns of a depth image.', ge=16, le=1024)
    view_height: int = param(132, 'Rows of a depth image.', ge=16, le=1024)
    range_max: float = param(5.0, 'Largest depth of the camera.', unit='m', ge=1, le=20)
    depth_noise: float = param(
        0.0019,
        'Standard deviation of depth at 1 m; grows with the square of depth.',
        unit='m',
        ge=0,
        le=0.05,
    )
    p_hidden_zone: float = param(0.15, 'Chance that a visit misses one zone.', ge=0, le=1)
    hidden_visit: int = param(
        0, 'Visit that always misses one zone, from 1; 0 = none.', ge=0, le=12
    )
    hidden_radius: float = param(0.9, 'Radius of the missed zone.', unit='m', ge=0.1, le=5)
    registration_m: float = param(0.01, 'Largest shift of a visit.', unit='m', ge=0, le=0.2)
    registration_deg: float = param(0.3, 'Largest rotation of a visit.', unit='deg', ge=0, le=10)
    layout: str = param(
        'apart',
        'apart = objects keep a distance; contact = they stand on, in and against each other.',
        one_of=('apart', 'contact'),
    )
    scanner: str = param(
        'plain',
        'plain = one depth camera, points averaged by cell; any = a kind of scanner is drawn per '
        'sequence, with its noise, and its views are fused to a surface. The latter ignores '
        'views, view size, range, noise and spacing.',
        one_of=('plain', 'any'),
    )
    p_left_out: float = param(0.0, 'Share of movable objects that are not annotated.', ge=0, le=1)
    ragged: float = param(
        0.0, 'Share of patches at borders that are annotated as one object.', ge=0, le=1
    )
    spacing: float = param(0.025, 'Cell of the fused cloud.', unit='m', ge=0.005, le=0.2)
    min_points: int = param(25, 'Number of points from which an object counts as observed.', ge=1)


PRESETS: dict[str, dict[str, float | str]] = {
    'default': {},
    'busy': {
        'min_objects': 9,
        'max_objects': 26,
        'p_move': 0.28,
        'p_remove': 0.12,
        'p_arrive': 0.12,
        'p_return': 0.6,
        'p_swap': 0.25,
        'p_deform': 0.2,
        'p_hidden_zone': 0.15,
    },
    # As real scans of lived-in rooms: see `comparison`.
    'lifelike': {
        'layout': 'contact',
        'scanner': 'any',
        'p_left_out': 0.08,
        'ragged': 0.5,
        'min_objects': 28,
        'max_objects': 130,
        'p_move': 0.16,
        'p_remove': 0.1,
        'p_arrive': 0.1,
        'p_return': 0.5,
        'p_swap': 0.1,
        'p_deform': 0.1,
        'p_hidden_zone': 0.15,
    },
}
