"""Floors of many rooms on corridors, all visited at once: rooms of a preset in one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.structures import Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.life import Life, make_life
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import settled
from rescene4d_ros.synthetic_rooms.sequence import scan_life

WALL_M, CORRIDOR_M = 0.05, 2.0  # between the outer faces of two rooms; across a corridor
ROW = 10  # rooms side by side
STOREY_M = 3.5  # from floor to floor

MadeRoom = tuple[ScanSequence, SequenceTruth]


@dataclass(frozen=True)
class Building:
    """
    Hold a floor and its rooms, in the same map and with the same ids and stamps.

    Attributes
    ----------
    sequence : ScanSequence
        All rooms at each visit, room after room.
    truth : SequenceTruth
    rooms : tuple of (ScanSequence, SequenceTruth)
        Each room alone.

    """

    sequence: ScanSequence
    truth: SequenceTruth
    rooms: tuple[MadeRoom, ...]


def make_building(
    seed: int,
    count: int,
    config: RoomsConfig,
    make_room: Callable[[Life, int, RoomsConfig], MadeRoom] = scan_life,
) -> Building:
    """
    Make rooms that change between visits, side by side in rows with a corridor between two rows.

    Parameters
    ----------
    seed : int
        Of the first room; the others follow.
    count : int
        Number of rooms.
    config : RoomsConfig
        Of each room.
    make_room : callable
        Scans a room.

    """
    lives = placed_lives(range(seed, seed + count), config)
    return join_rooms([make_room(life, seed + k, config) for k, life in enumerate(lives)])


def placed_lives(seeds: Sequence[int], config: RoomsConfig, on_floor: int = 0) -> list[Life]:
    """
    Furnish the rooms of a building, each at its place; see `make_life`.

    Parameters
    ----------
    seeds : sequence of int
        One per room.
    config : RoomsConfig
        Of each room.
    on_floor : int
        Rooms of one floor, in two rows on a corridor; 0 = all, in rows of 10.

    """
    lives = [make_life(seed, config) for seed in seeds]
    placed, most = [], on_floor or max(len(lives), 1)
    for first in range(0, len(lives), most):
        floor = lives[first : first + most]
        poses = _poses(floor, (on_floor + 1) // 2 or ROW)
        for life, pose in zip(floor, poses):
            pose[2, 3] += STOREY_M * (first // most)
            placed.append(replace(life, map_T_room=pose))
    return placed


def join_rooms(rooms: Sequence[MadeRoom]) -> Building:
    """
    Join rooms of one map to one sequence; ids are given anew, stamps are those of the first room.

    Parameters
    ----------
    rooms : sequence of (ScanSequence, SequenceTruth)
        With the same number of visits and the same fields, apart from each other in space.

    """
    stamps = [scan.stamp_ns for scan in rooms[0][0].scans]
    own, shift = [], 0
    for sequence, truth in rooms:
        scans = tuple(replace(scan, stamp_ns=s) for scan, s in zip(sequence.scans, stamps))
        renamed = SequenceTruth(tuple(_renamed(visit, shift) for visit in truth.visits))
        own.append((replace(sequence, scans=scans), renamed))
        shift = max([shift, *(o.instance_id for v in renamed.visits for o in v.objects)])
    return Building(
        ScanSequence(
            tuple(_joined([sequence.scans[t] for sequence, _ in own]) for t in range(len(stamps))),
            f'building-{len(own)}-{own[0][0].name}',
        ),
        SequenceTruth(
            tuple(
                VisitTruth(
                    np.concatenate([truth.visits[t].instance for _, truth in own]),
                    np.concatenate([truth.visits[t].semantic for _, truth in own]),
                    tuple(o for _, truth in own for o in truth.visits[t].objects),
                )
                for t in range(len(stamps))
            )
        ),
        tuple(own),
    )


def _poses(lives: Sequence[Life], row: int) -> list[np.ndarray]:
    """Return map_T_room of each room: rows along x, every second row across a corridor."""
    poses, y = [], 0.0
    for first in range(0, len(lives), row):
        x, deepest = 0.0, 0.0
        for life in lives[first : first + row]:
            low = life.room.outline.min(axis=0) - life.room.thick
            width, depth = life.room.outline.max(axis=0) + life.room.thick - low
            pose = np.eye(4)
            pose[:2, 3] = np.array([x, y]) - low
            poses.append(settled(pose))
            x, deepest = x + width + WALL_M, max(deepest, depth)
        y += deepest + (CORRIDOR_M if first // row % 2 == 0 else WALL_M)
    return poses


def _renamed(visit: VisitTruth, shift: int) -> VisitTruth:
    """Return the truth of a visit with ids and groups of look-alikes shifted."""
    objects = tuple(
        replace(
            o,
            instance_id=o.instance_id + shift,
            ambiguity_group=o.ambiguity_group and o.ambiguity_group + shift,
        )
        for o in visit.objects
    )
    instance = np.where(visit.instance > 0, visit.instance + shift, 0).astype(np.int32)
    return replace(visit, instance=instance, objects=objects)


def _joined(scans: Sequence[Scan]) -> Scan:
    """Return scans of one visit as one."""
    return replace(
        scans[0],
        xyz=np.concatenate([scan.xyz for scan in scans]),
        rgb=_stacked([scan.rgb for scan in scans]),
        normals=_stacked([scan.normals for scan in scans]),
        sensor_path=_stacked([scan.sensor_path for scan in scans]),
    )


def _stacked(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Return a field of all scans, None where one has none."""
    known = [value for value in values if value is not None]
    return np.concatenate(known) if len(known) == len(values) else None
