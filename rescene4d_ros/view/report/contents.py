"""What a report says: changes since a time, where objects are, what was not seen, and trust."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.database.history_queries import TURNS
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import read_zones, Zone, zones_by_place
from rescene4d_ros.structures import (
    Change,
    Finding,
    MemorySnapshot,
    ObjectState,
    SceneObject,
    Severity,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.tracking.object_ids import resolve
from rescene4d_ros.view.report.runs import Runs, runs_of

NEAR = 2.0  # m; what is further away does not say where an object is


class Standing(Enum):
    """What is known of an object at the end of a report's time."""

    THERE = 'there'
    GONE = 'gone'
    NOT_SEEN = 'not seen'  # since the report's time begins; it was there before


@dataclass(frozen=True)
class ReportedObject:
    """
    Hold one object, and what can be said of it.

    Attributes
    ----------
    item : SceneObject
    standing : Standing
    since_ns : int, ns since the Unix epoch
        First visit that showed it where it is, or that found its place empty.
    neighbor_id : int or None
        Nearest larger object that is there, within 2 m.
    neighbor_m : float, m
    zones : tuple of str
        Names of the zones where it is, or was last.

    """

    item: SceneObject
    standing: Standing
    since_ns: int
    neighbor_id: int | None = None
    neighbor_m: float = 0.0
    zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportedVisit:
    """
    Hold one visit, what it showed, and what makes it less sure.

    Attributes
    ----------
    visit : VisitInfo
    is_new : bool
        Whether it is of the report's time.
    present, absent, not_observed : int
        Objects in each state.
    findings : tuple of Finding
        Of the check of its cloud.
    failure : str
        Why it was not processed; empty for others.

    """

    visit: VisitInfo
    is_new: bool
    present: int
    absent: int
    not_observed: int
    findings: tuple[Finding, ...]
    failure: str

    @property
    def warns(self) -> bool:
        """Return whether something makes it less sure than others."""
        return bool(self.failure) or any(f.severity != Severity.INFO for f in self.findings)


@dataclass(frozen=True)
class ReportContents:
    """
    Hold what a report says.

    Attributes
    ----------
    snapshot : MemorySnapshot
    since_ns, until_ns : int, ns since the Unix epoch
        The report is about visits after the first, up to the second: the newest processed one.
    changes : tuple of Change
        Of these visits, newest first.
    objects : mapping of int to ReportedObject
        By id.
    visits : tuple of ReportedVisit
        Newest first.
    zones : tuple of Zone
        Named parts of the map.
    zones_fault : str
        Why the zones cannot be read; empty where they can.

    """

    snapshot: MemorySnapshot
    since_ns: int
    until_ns: int
    changes: tuple[Change, ...]
    objects: Mapping[int, ReportedObject]
    visits: tuple[ReportedVisit, ...]
    zones: tuple[Zone, ...] = ()
    zones_fault: str = ''

    @property
    def least_sure(self) -> Change | None:
        """Return the change with the lowest confidence."""
        return min(self.changes, key=lambda c: c.confidence, default=None)

    def standing(self, standing: Standing) -> tuple[ReportedObject, ...]:
        """Return the objects of which the same is known."""
        return tuple(o for o in self.objects.values() if o.standing == standing)

    @cached_property
    def runs(self) -> dict[int, Runs]:
        """Return when each object was there and gone, by id."""
        stamps = {v.visit_id: v.stamp_ns for v in self.snapshot.visits}
        return {i: runs_of(o.item, stamps) for i, o in self.objects.items()}

    def there_at(self, until_ns: int) -> frozenset[int]:
        """Return the ids of objects that were there by the visits up to a time."""
        known = ((i, runs.at(until_ns)) for i, runs in self.runs.items())
        return frozenset(i for i, run in known if run and run[0] == ObjectState.PRESENT)


def contents_of(memory: SceneMemory, since_ns: int | None = None) -> ReportContents:
    """
    Collect what a report says of a memory.

    Parameters
    ----------
    memory : SceneMemory
    since_ns : int, optional
        Default: the stamp of the processed visit before the newest one.

    """
    snapshot = memory.snapshot()
    stamps = {v.visit_id: v.stamp_ns for v in snapshot.visits}
    done = sorted(v.stamp_ns for v in snapshot.visits if v.status == VisitStatus.DONE)
    until_ns = done[-1] if done else 0
    if since_ns is None:
        since_ns = done[-2] if len(done) > 1 else until_ns - 1
    changes = queries.changed_between(memory, since_ns, until_ns)
    aliases = dict(snapshot.aliases)
    turned: dict[int, int] = {}
    for change in memory.changes():
        if change.kind in TURNS and change.visit_id in stamps:
            i = resolve(change.object_id, aliases)
            turned[i] = max(turned.get(i, 0), stamps[change.visit_id])
    zones, fault = _zones(memory)
    centers = np.array([item.box.center for item in snapshot.objects]).reshape(-1, 3)
    objects = [
        replace(_reported(item, stamps, since_ns, turned), zones=names)
        for item, names in zip(snapshot.objects, zones_by_place(zones, centers))
    ]
    return ReportContents(
        snapshot,
        since_ns,
        until_ns,
        tuple(sorted(changes, key=lambda c: (-stamps[c.visit_id], c.object_id, c.kind))),
        {o.item.object_id: o for o in _beside(objects)},
        _visits(memory, snapshot, since_ns),
        zones,
        fault,
    )


def _zones(memory: SceneMemory) -> tuple[tuple[Zone, ...], str]:
    """Return the zones of a memory, or none and why they cannot be read."""
    try:
        return read_zones(memory.path), ''
    except FileFormatError as error:  # people write this file; the rest is worth showing
        return (), str(error)


def _reported(
    item: SceneObject, stamps: Mapping[int, int], since_ns: int, turned: Mapping[int, int]
) -> ReportedObject:
    run = runs_of(item, stamps).at(max(stamps.values(), default=0))
    if run is not None and run[0] == ObjectState.ABSENT:
        return ReportedObject(item, Standing.GONE, run[1])
    standing = Standing.THERE if item.last_seen_ns > since_ns else Standing.NOT_SEEN
    return ReportedObject(item, standing, turned.get(item.object_id, item.first_seen_ns))


def _beside(objects: Sequence[ReportedObject]) -> list[ReportedObject]:
    """Return the objects with the nearest larger one that is not gone."""
    there = [o.item for o in objects if o.standing != Standing.GONE]
    centers = np.array([item.box.center for item in there]).reshape(-1, 3)
    floors = np.array([item.box.size[0] * item.box.size[1] for item in there])
    found = []
    for o in objects:
        apart = np.linalg.norm(centers - o.item.box.center, axis=1)
        apart[floors <= o.item.box.size[0] * o.item.box.size[1]] = np.inf
        nearest = int(apart.argmin()) if len(apart) else 0
        near = len(apart) > 0 and apart[nearest] <= NEAR
        found.append(
            replace(
                o,
                neighbor_id=there[nearest].object_id if near else None,
                neighbor_m=float(apart[nearest]) if near else 0.0,
            )
        )
    return found


def _visits(
    memory: SceneMemory, snapshot: MemorySnapshot, since_ns: int
) -> tuple[ReportedVisit, ...]:
    states: dict[int, Counter[ObjectState]] = {}
    for item in snapshot.objects:
        for visit_id, state in item.states:
            states.setdefault(visit_id, Counter())[state] += 1
    findings, none = memory.findings(), Counter[ObjectState]()
    return tuple(
        ReportedVisit(
            visit,
            visit.stamp_ns > since_ns,
            states.get(visit.visit_id, none)[ObjectState.PRESENT],
            states.get(visit.visit_id, none)[ObjectState.ABSENT],
            states.get(visit.visit_id, none)[ObjectState.NOT_OBSERVED],
            findings.get(visit.visit_id, ()),
            memory.failure(visit.visit_id) if visit.status == VisitStatus.FAILED else '',
        )
        for visit in sorted(snapshot.visits, key=lambda v: -v.stamp_ns)
    )
