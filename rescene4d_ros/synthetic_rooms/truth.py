"""The truth of a made sequence: states, changes, boxes, visible shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.structures import Box, ChangeKind, ObjectState
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import Piece
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed, stays
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import moved, on_grid, settled

SHARE_CELL_M = 0.05
COVERED_SHARE = 0.4


@dataclass(frozen=True)
class VisitRecord:
    """
    Hold what a scan says about its own truth.

    Attributes
    ----------
    instance, semantic : ndarray (N,), int32
    local : ndarray (N, 3), m
        Points in the frame of their own model as it was made.
    covered : callable
        Room points (M, 3) -> (M,) bool: looked at or through.

    """

    instance: np.ndarray
    semantic: np.ndarray
    local: np.ndarray
    covered: Callable[[np.ndarray], np.ndarray]


def surface_samples(pieces: Iterable[Piece], rng: np.random.Generator) -> np.ndarray:
    """Return (M, 3) points spread evenly over the surface of pieces of a model, m."""
    corners = on_grid(np.concatenate([p.vertices[p.part.faces] for p in pieces]))
    edges = corners[:, 1:] - corners[:, :1]
    area = np.sqrt((np.cross(edges[:, 0], edges[:, 1]) ** 2).sum(axis=1)) / 2
    count = int(np.clip(area.sum() / SHARE_CELL_M**2 * 3, 200, 6000))
    face = rng.choice(len(area), count, p=area / area.sum())
    u = rng.random((count, 2))
    u = np.where(u.sum(axis=1, keepdims=True) > 1, 1 - u, u)
    return corners[face, 0] + u[:, :1] * edges[face, 0] + u[:, 1:] * edges[face, 1]


def _cells(points: np.ndarray) -> np.ndarray:
    return np.unique(np.floor(points / SHARE_CELL_M).astype(np.int64) @ (1, 1 << 12, 1 << 24))


def box_of(placed: Placed, map_T_room: np.ndarray) -> Box:
    """Return the box of the whole model, in its state, in the map frame."""
    every = np.concatenate([p.vertices for p in placed.pieces])
    low, high = every.min(axis=0), every.max(axis=0)
    pose = map_T_room @ placed.room_T_object
    center = pose[:3, :3] @ ((low + high) / 2) + pose[:3, 3]
    yaw = (np.arctan2(pose[1, 0], pose[0, 0]) + np.pi) % (2 * np.pi) - np.pi
    return Box(triple(center), triple(high - low), float(yaw))


def write_truth(
    visits: Sequence[dict[int, Placed]],
    records: Sequence[VisitRecord],
    map_T_room: np.ndarray,
    config: RoomsConfig,
) -> SequenceTruth:
    """
    Join what the room knows and what the scans saw.

    Parameters
    ----------
    visits : sequence of T dicts
        What is in the room, by instance id.
    records : sequence of T VisitRecord
    map_T_room : ndarray (4, 4)
    config : RoomsConfig

    """
    everything = {k: p for placed in visits for k, p in placed.items()}
    groups = _ambiguity_groups(everything)
    # The visible share is counted on the shape as it was made, which scanned points refer to.
    cells = {
        k: _cells(surface_samples(p.model.pieces(), np.random.default_rng(k)))
        for k, p in everything.items()
    }
    last: dict[int, Placed] = {}
    truths = []
    for t, (placed, record) in enumerate(zip(visits, records)):
        before = visits[t - 1] if t else None
        points = Counter(dict(zip(*np.unique(record.instance, return_counts=True))))
        known = sorted(set(last) | set(placed))
        objects = []
        for k in known:
            here = placed.get(k)
            change = ChangeKind.UNKNOWN
            if before is not None:
                change = _change(before, placed, k, k in last)
            last[k] = here or last[k]
            share = 0.0
            if here and points[k]:
                share = np.isin(_cells(record.local[record.instance == k]), cells[k]).sum()
                share = float(share / len(cells[k]))
            if here:
                seen = points[k] >= config.min_points
                state = ObjectState.PRESENT if seen else ObjectState.NOT_OBSERVED
            else:
                pose = last[k].room_T_object
                where = surface_samples(last[k].pieces, np.random.default_rng(k))
                where = moved(where, settled(pose))
                empty = record.covered(where).mean() >= COVERED_SHARE
                state = ObjectState.ABSENT if empty else ObjectState.NOT_OBSERVED
            objects.append(
                TrueObject(
                    k,
                    last[k].model.class_id,
                    state,
                    here is not None,
                    map_T_room @ last[k].room_T_object,
                    box_of(last[k], map_T_room),
                    change,
                    groups.get(k, 0),
                    share,
                )
            )
        truths.append(VisitTruth(record.instance, record.semantic, tuple(objects)))
    return SequenceTruth(tuple(truths))


def _change(before: dict[int, Placed], now: dict[int, Placed], k: int, known: bool) -> ChangeKind:
    if k in now and k not in before:
        return ChangeKind.REAPPEARED if known else ChangeKind.ADDED
    if k not in now:
        return ChangeKind.REMOVED if k in before else ChangeKind.UNKNOWN
    if not stays(before[k], now[k]):
        return ChangeKind.MOVED
    return ChangeKind.UNKNOWN if before[k].state == now[k].state else ChangeKind.DEFORMED


def _ambiguity_groups(everything: dict[int, Placed]) -> dict[int, int]:
    """Return the number of the group of look-alikes per member."""
    members: dict[int, list[int]] = {}
    for k in sorted(everything):
        members.setdefault(id(everything[k].model), []).append(k)
    groups = [m for m in members.values() if len(m) > 1]
    return {k: g + 1 for g, m in enumerate(groups) for k in m}
