"""Furnish a room and let it change, before it is scanned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.furnish import (
    draw_of_everything,
    furnish_in_contact,
    furnisher,
)
from rescene4d_ros.synthetic_rooms.config import ROOM_SHARES, ROOM_TYPES, RoomsConfig
from rescene4d_ros.synthetic_rooms.evolution import evolve, reshape
from rescene4d_ros.synthetic_rooms.furniture import Draw, draw_of
from rescene4d_ros.synthetic_rooms.layout.added_structure import with_added_structure, with_slopes
from rescene4d_ros.synthetic_rooms.layout.arrangement import furnish
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.layout.painted_doors import with_wall_colored_doors
from rescene4d_ros.synthetic_rooms.layout.room_shell import make_room, Room
from rescene4d_ros.synthetic_rooms.layout.wall_details import with_wall_details
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import settled

FIRST_VISIT_NS = 1_735_689_600 * 10**9
DAY_NS = 86_400 * 10**9
# Shapes have a stream of their own, so that everything else is the same without them.
SHAPES = 3
NICHE = 4
WALLS = 7
ADDED = 8
MOST_MORE_DOORS = 1
# Some rooms are large, whatever is in them.
ROOMY, P_ROOMY = 48, 0.18
# A room full of things is no larger than one with so much less.
CROWDED = 0.6
# A bathroom holds fewer things than a living room.
BATH_SHARE = 0.65


@dataclass(frozen=True)
class Life:
    """
    Hold a room and what happens in it, before it is scanned.

    Attributes
    ----------
    room : Room
    visits : tuple of T dicts
        What is in the room, by instance id.
    map_T_room : ndarray (4, 4), float64
    stamps_ns : tuple of T int, ns since the Unix epoch

    """

    room: Room
    visits: tuple[dict[int, Placed], ...]
    map_T_room: np.ndarray
    stamps_ns: tuple[int, ...]


def make_life(seed: int, config: RoomsConfig, draw: Draw | None = None) -> Life:
    """Furnish a room and let it change, which is quick; see `sequence.make_sequence`."""
    draw = draw_of(config.split) if draw is None else draw
    layout, life, frame = (np.random.default_rng([seed, k]) for k in range(3))
    kind = config.room_type
    if kind == 'any':
        kind = str(layout.choice(ROOM_TYPES, p=ROOM_SHARES))
    low = min(config.min_objects, config.max_objects)
    target = int(layout.integers(low, config.max_objects + 1))
    if kind == 'bath':
        target = max(low, round(target * BATH_SHARE))
    niche = np.random.default_rng([seed, NICHE])
    full = config.layout == 'contact'
    crowd = target
    if full:
        crowd = ROOMY if layout.random() < P_ROOMY else round(target * CROWDED)
    more_doors = int(layout.integers(0, MOST_MORE_DOORS + 1)) if full else 0
    room = make_room(
        kind,
        crowd,
        layout,
        config.split,
        niche if niche.random() < config.p_niche else None,
        more_doors,
    )
    if full:
        walls = np.random.default_rng([seed, WALLS])
        room = with_wall_details(with_wall_colored_doors(room, walls), walls)
        room = with_slopes(room, walls)
        draw = draw_of_everything(config.split, draw)
        plan, next_id = furnish_in_contact(room, target, config, layout, draw)
        visits = evolve(room, plan, next_id, config, life, draw, furnisher)
    else:
        plan, next_id = furnish(room, target, config, layout, draw)
        visits = evolve(room, plan, next_id, config, life, draw)
    if config.p_deform:
        visits = reshape(room, visits, config, np.random.default_rng([seed, SHAPES]))
    if full:
        room = with_added_structure(room, visits, np.random.default_rng([seed, ADDED]))
    map_T_room = _map_frame(frame)
    stamps = [FIRST_VISIT_NS + int(frame.integers(0, 300 * DAY_NS))]
    longest = max(config.days_min, config.days_max)
    for _ in visits[1:]:
        stamps.append(stamps[-1] + int(frame.uniform(config.days_min, longest) * DAY_NS))
    return Life(room, tuple(visits), map_T_room, tuple(stamps))


def _map_frame(rng: np.random.Generator) -> np.ndarray:
    """Return map_T_room: any heading, some metres off, the floor not quite at zero."""
    yaw = rng.uniform(-np.pi, np.pi)
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = (*rng.uniform(-4, 4, 2), rng.normal(0, 0.15))
    return settled(pose)
