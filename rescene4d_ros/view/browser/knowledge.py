"""What a viewer knows of a memory at one revision, read once."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from rescene4d_ros.memory.database.row_access import StoredObservation
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import written_at, Zone, zones_by_place, zones_of_change
from rescene4d_ros.structures import (
    Box,
    Change,
    ChangeKind,
    ObjectState,
    SceneObject,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.tracking.object_ids import resolve
from rescene4d_ros.view.report.contents import contents_of, ReportContents

TURNS = (ChangeKind.ADDED, ChangeKind.MOVED, ChangeKind.REAPPEARED)
RECENT = 8  # visits whose objects are kept


@dataclass(frozen=True)
class PlacedObject:
    """
    Hold what was known of an object after one visit.

    Attributes
    ----------
    item : SceneObject
    state : ObjectState
        At that visit.
    gone_ns : int or None, ns since the Unix epoch
        First visit that found its place empty; None where it was not gone by then.
    box : Box
        Latest known place up to then, in map.
    since_ns : int, ns since the Unix epoch
        First visit that showed it there.
    last_seen_ns : int, ns since the Unix epoch
    confidence : float
        Of its latest observation up to then, 0..1.
    zones : tuple of str
        Names of the zones that hold it there.

    """

    item: SceneObject
    state: ObjectState
    gone_ns: int | None
    box: Box
    since_ns: int
    last_seen_ns: int
    confidence: float
    zones: tuple[str, ...] = ()

    @property
    def object_id(self) -> int:
        """Return the persistent id."""
        return self.item.object_id

    @property
    def is_gone(self) -> bool:
        """Return whether the newest visit up to then that observed its place found it empty."""
        return self.gone_ns is not None

    @property
    def title(self) -> str:
        """Return what people call it: its name with its class, or its class."""
        item = self.item
        return f'{item.name} ({item.class_name})' if item.name else item.class_name


@dataclass(frozen=True)
class Knowledge:
    """
    Hold a memory at one revision.

    Attributes
    ----------
    contents : ReportContents
        Of all visits.
    visits : tuple of VisitInfo
        The processed ones, in stamp order.
    observations : mapping of int to tuple of StoredObservation
        By the id in use, in stamp order.
    locked : frozenset of int
        Objects that people have locked.
    zones_written : tuple of int, or None
        What differs where the file of zones was written again.

    """

    contents: ReportContents
    visits: tuple[VisitInfo, ...]
    observations: Mapping[int, tuple[StoredObservation, ...]]
    locked: frozenset[int]
    zones_written: tuple[int, int] | None = None

    @property
    def revision(self) -> int:
        """Return the revision of the memory."""
        return self.contents.snapshot.revision

    @property
    def state(self) -> tuple:
        """Return what `state_of` returned when it was read."""
        return self.revision, self.contents.snapshot.visits, self.zones_written

    @property
    def changes(self) -> tuple[Change, ...]:
        """Return all changes, newest first."""
        return self.contents.changes

    @property
    def zones(self) -> tuple[Zone, ...]:
        """Return the named parts of the map."""
        return self.contents.zones

    def zone(self, name: str | None) -> Zone | None:
        """Return the zone of a name as it is written; None where there is none."""
        return next((zone for zone in self.zones if zone.name == name), None)

    @cached_property
    def zones_of_changes(self) -> tuple[tuple[str, ...], ...]:
        """Return per change the names of the zones that held the object before it, or do after."""
        return tuple(zones_of_change(self.zones, change) for change in self.changes)

    @cached_property
    def stamps(self) -> dict[int, int]:
        """Return the stamp of every visit by its id, ns since the Unix epoch."""
        return {v.visit_id: v.stamp_ns for v in self.contents.snapshot.visits}

    def stamp_of(self, position: int) -> int:
        """Return the stamp (ns) of the visit at a position; -1 for what is before all."""
        return self.visits[position].stamp_ns if position >= 0 else -1

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Return the classes of the objects, by name."""
        return tuple(sorted({o.item.class_name for o in self.contents.objects.values()}))

    @cached_property
    def _turns(self) -> dict[int, list[int]]:
        """Return when visits found each object at another place, or back; in stamp order."""
        found: dict[int, list[int]] = defaultdict(list)
        for change in reversed(self.changes):
            if change.kind in TURNS:
                found[self.current_id(change.object_id)].append(self.stamps[change.visit_id])
        return found

    @cached_property
    def _aliases(self) -> dict[int, int]:
        return dict(self.contents.snapshot.aliases)

    def current_id(self, object_id: int) -> int:
        """Return the id to use for one that may be an alias."""
        return resolve(object_id, self._aliases)

    @cached_property
    def _changes_of(self) -> dict[int, tuple[Change, ...]]:
        found: dict[int, list[Change]] = defaultdict(list)
        for change in self.changes:
            found[change.visit_id].append(change)
        return {visit_id: tuple(changes) for visit_id, changes in found.items()}

    def changes_of(self, visit_id: int) -> tuple[Change, ...]:
        """Return what one visit changed."""
        return self._changes_of.get(visit_id, ())

    def changed_after(self, stamp_ns: int) -> frozenset[int]:
        """Return the objects that visits after a time (ns) found changed."""
        return frozenset(
            self.current_id(c.object_id)
            for c in self.changes
            if self.stamps[c.visit_id] > stamp_ns
        )

    @cached_property
    def placed_at(self) -> Callable[[int], tuple[PlacedObject, ...]]:
        """Return the objects that a visit had seen, up to the one of an index; by rising id."""
        return lru_cache(RECENT)(self._placed_at)

    def _placed_at(self, index: int) -> tuple[PlacedObject, ...]:
        if not self.visits:
            return ()
        visit = self.visits[index]
        found = (self._placed(o.item, visit) for o in self.contents.objects.values())
        placed = [p for p in found if p is not None]
        if not self.zones:
            return tuple(placed)
        centers = np.array([p.box.center for p in placed]).reshape(-1, 3)
        names = zones_by_place(self.zones, centers)
        return tuple(replace(p, zones=zones) for p, zones in zip(placed, names))

    @cached_property
    def _states(self) -> dict[int, dict[int, ObjectState]]:
        """Return what each visit said of each object, by id."""
        return {i: dict(o.item.states) for i, o in self.contents.objects.items()}

    @cached_property
    def _seen(self) -> dict[int, list[int]]:
        """Return when each object was seen, by id; in stamp order."""
        return {i: [o.stamp_ns for o in found] for i, found in self.observations.items()}

    def _placed(self, item: SceneObject, visit: VisitInfo) -> PlacedObject | None:
        object_id, until_ns = item.object_id, visit.stamp_ns
        n_seen = bisect_right(self._seen.get(object_id, ()), until_ns)
        if n_seen == 0:
            return None
        first, last = (self.observations[object_id][k] for k in (0, n_seen - 1))
        run = self.contents.runs[object_id].at(until_ns)
        turns = self._turns.get(object_id, [])
        turn = bisect_right(turns, until_ns)
        return PlacedObject(
            item,
            self._states[object_id].get(visit.visit_id, ObjectState.NOT_OBSERVED),
            run[1] if run is not None and run[0] == ObjectState.ABSENT else None,
            last.box,
            turns[turn - 1] if turn else first.stamp_ns,
            last.stamp_ns,
            last.score,
        )


def state_of(memory: SceneMemory) -> tuple:
    """Return what differs where a memory changed since it was read, as it is now."""
    memory.database.reload(with_records=False, with_past=False)
    return memory.metadata.revision, memory.visits(), written_at(memory.path)


def knowledge_of(memory: SceneMemory) -> Knowledge:
    """Read what a viewer needs of a memory, beside points."""
    zones_written = written_at(memory.path)  # before it is read
    contents = contents_of(memory, since_ns=-1)
    aliases = dict(contents.snapshot.aliases)
    observations: dict[int, list[StoredObservation]] = defaultdict(list)
    for observation in memory.observations():
        observations[resolve(observation.object_id, aliases)].append(observation)
    done = [v for v in contents.snapshot.visits if v.status == VisitStatus.DONE]
    return Knowledge(
        contents,
        tuple(sorted(done, key=lambda v: v.stamp_ns)),
        {i: tuple(found) for i, found in observations.items()},
        memory.locked(),
        zones_written,
    )
