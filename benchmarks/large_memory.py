"""A memory of a large home, of true masks and true changes: one room is visited at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box, Change, ChangeKind, INSTANCE_CLASSES, ObjectState, Scan
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation, VisitFacts

IN_A_ROOM = 50  # things
SIDE, ACROSS = 7, 5  # m, edge of a room, a thing per square meter; rooms side by side
MOVES, LEAVES = 2, 1  # things of a room that do so at each visit
FIRST_NS, STEP_NS = 1_780_000_000 * 10**9, 43_200 * 10**9
NO_FEATURE = np.zeros(0, np.float32)


@dataclass
class Thing:
    """Hold where a thing of a room stands, and its color."""

    object_id: int
    box: Box
    rgb: tuple[int, int, int]
    is_there: bool = True


class Home:
    """
    Hold rooms of things that move and leave.

    Parameters
    ----------
    objects : int
        In all rooms together.
    seed : int

    """

    def __init__(self, objects: int, seed: int = 0):
        self._rng = np.random.default_rng(seed)
        self.rooms = [
            [self._thing(room, k, room * IN_A_ROOM + k + 1) for k in range(IN_A_ROOM)]
            for room in range(objects // IN_A_ROOM)
        ]

    def _thing(self, room: int, k: int, object_id: int) -> Thing:
        size = self._rng.uniform(0.3, 0.75, 3)
        place = (np.array([k % SIDE, k // SIDE % SIDE]) + 0.5, (k == IN_A_ROOM - 1) * 0.8)
        x, y = place[0] + self.corner(room)
        center = (float(x), float(y), float(size[2] / 2 + place[1]))
        rgb = self._rng.integers(40, 230, 3)
        return Thing(
            object_id, Box(center, (float(size[0]), float(size[1]), float(size[2]))), tuple(rgb)
        )

    def corner(self, room: int) -> np.ndarray:
        """Return where a room begins, m."""
        return np.array([room % ACROSS, room // ACROSS]) * (SIDE + 1.0)

    def live(self, room: int) -> dict[int, tuple[ChangeKind, Box]]:
        """Change a room; return the kind of each change with the box before it, by id."""
        changes = {}
        chosen = self._rng.choice(IN_A_ROOM, MOVES + LEAVES, replace=False)
        for n, thing in enumerate(self.rooms[room][k] for k in chosen):
            kind = ChangeKind.MOVED
            if n >= MOVES or not thing.is_there:
                kind = ChangeKind.REMOVED if thing.is_there else ChangeKind.REAPPEARED
                thing.is_there = not thing.is_there
            changes[thing.object_id] = kind, thing.box
            if kind == ChangeKind.MOVED:
                x, y, z = thing.box.center
                dx, dy = self._rng.uniform(-0.3, 0.3, 2)
                thing.box = replace(thing.box, center=(x + dx, y + dy, z))
        return changes

    def scan(self, room: int, points: int, stamp_ns: int) -> tuple[Scan, np.ndarray]:
        """Return a scan of a room, and the id of the thing of each point, 0 = floor."""
        there = [t for t in self.rooms[room] if t.is_there]
        share = points // (2 * len(there))
        floor = self._rng.random((points - share * len(there), 2)) * SIDE + self.corner(room)
        xyz = [np.column_stack([floor, np.zeros(len(floor))])]
        for thing in there:
            at = self._rng.random((share, 3)) - 0.5
            axis = self._rng.integers(0, 3, share)
            at[np.arange(share), axis] = self._rng.integers(0, 2, share) - 0.5
            xyz.append(at * thing.box.size + thing.box.center)
        count = [len(x) for x in xyz]
        ids = np.repeat([0, *(t.object_id for t in there)], count)
        rgb = np.repeat(np.array([(120, 110, 100), *(t.rgb for t in there)], np.uint8), count, 0)
        return Scan(np.concatenate(xyz).astype(np.float32), stamp_ns, rgb), ids


def make_large_memory(folder: Path, visits: int, objects: int, points: int) -> None:
    """Store a memory of some visits of one room each, `points` points each."""
    home, seen = Home(objects), dict[int, int]()
    with SceneMemory.open(folder, 'large home', 'map', INSTANCE_CLASSES) as memory:
        for k in range(visits):
            room, stamp = k % len(home.rooms), FIRST_NS + k * STEP_NS
            changes = home.live(room) if k >= len(home.rooms) else {}
            scan, ids = home.scan(room, points, stamp)
            visit = memory.add_visit(scan)
            facts = _facts(memory, home.rooms[room], scan, ids, changes, visit, seen)
            memory.commit(facts)
            seen |= dict.fromkeys(facts.linked, stamp)


def _facts(memory, things, scan, ids, changes, visit, seen) -> VisitFacts:
    """Return what a visit says where every mask and every link is true."""
    records, linked = dict(memory.records), {}
    states = dict.fromkeys(records, ObjectState.NOT_OBSERVED)
    for thing in things:
        state = ObjectState.PRESENT if thing.is_there else ObjectState.ABSENT
        states[thing.object_id] = state
        points = np.flatnonzero(ids == thing.object_id)
        record = _record(thing, state, scan, points, records.get(thing.object_id))
        records[thing.object_id] = record
        if thing.is_there:
            linked[thing.object_id] = LinkedObservation(
                Observation(
                    points,
                    record.xyz,
                    thing.box,
                    record.class_probs,
                    0.9,
                    NO_FEATURE,
                    NO_FEATURE,
                    {},
                ),
                record.link_reason,
                alternatives=(thing.object_id + 1,) if thing.object_id % IN_A_ROOM == 1 else (),
            )
    told = tuple(
        Change(
            kind,
            i,
            INSTANCE_CLASSES[records[i].class_id],
            0.5 + i % 50 / 100,
            visit.visit_id,
            None if kind == ChangeKind.REAPPEARED else before,
            None if kind == ChangeKind.REMOVED else records[i].box,
            None,
            seen.get(i),
            scan.stamp_ns,
        )
        for i, (kind, before) in changes.items()
    )
    return VisitFacts(visit, linked, states, told, ids.astype(np.int64), records)


def _record(thing, state, scan, points, old) -> ObjectRecord:
    probs = np.zeros(len(INSTANCE_CLASSES), np.float32)
    probs[thing.object_id % len(probs)] = 1
    is_there = state == ObjectState.PRESENT
    first = scan.stamp_ns if old is None else old.first_seen_ns
    return ObjectRecord(
        thing.object_id,
        state,
        not is_there,
        0.9,
        thing.box,
        first,
        scan.stamp_ns if is_there or old is None else old.last_seen_ns,
        None if is_there else scan.stamp_ns,
        1 if old is None else old.n_observations + 1,
        0.0,
        'first seen' if old is None else '93 % of its surface at the same place',
        probs,
        NO_FEATURE,
        NO_FEATURE,
        scan.xyz[points] if is_there or old is None else old.xyz,
    )
