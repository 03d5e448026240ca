"""Parts of earlier visits of many rooms: what lies around a visit of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.geometry.floor.pieces import KIND, room_around, rooms_of
from rescene4d_ros.geometry.floor.room_plan import RoomPlan
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.derived_cache import DerivedFiles
from rescene4d_ros.structures import Scan, TileName
from rescene4d_ros.tracking.records import LinkedObservation, VisitFacts

AROUND = 0.5  # m; through the walls of a room, not far into the next


@dataclass(frozen=True)
class VisitPart:
    """
    Hold what an earlier visit shows around a new one.

    Attributes
    ----------
    scan : Scan
    rows : ndarray (M,), int64
        Which points of the earlier visit these are, ascending.
    name : TileName or ''
        Of the points, where features of just these are kept.

    """

    scan: Scan
    rows: np.ndarray
    name: TileName | str = ''

    @cached_property
    def cloud(self) -> Cloud:
        """Return the points prepared for queries about places."""
        return Cloud.of(self.scan)


class PartsOfVisits:
    """
    Cut parts out of visits of many rooms; their rooms are kept beside their points.

    Parameters
    ----------
    files : DerivedFiles

    """

    def __init__(self, files: DerivedFiles):
        self._files = files
        self._edge = InferenceConfig().tile_size

    def keep_rooms(self, key: str, scan: Scan) -> None:
        """Work out the rooms of a visit now, so that a later visit to one of them need not."""
        self._plan(key, scan)

    def around(self, newest: Scan, scan: Scan, key: str) -> VisitPart:
        """
        Return what an earlier visit shows around a new one.

        That is the room in which the new visit lies, which the earlier one was segmented by, so
        its features are kept; or, where the new visit shows more, all within its range.

        Parameters
        ----------
        newest, scan : Scan
            The new visit and the earlier one, in one map.
        key : str
            Of the earlier visit.

        """
        plan = self._plan(key, scan)
        found = None if plan is None else room_around(newest.xyz, scan.xyz, plan, self._edge)
        if found is not None:
            name, rows = found
            return _part(scan, rows, TileName(key, name))
        low, high = newest.xyz.min(axis=0) - AROUND, newest.xyz.max(axis=0) + AROUND
        return _part(scan, np.flatnonzero(((scan.xyz >= low) & (scan.xyz <= high)).all(axis=1)))

    def _plan(self, key: str, scan: Scan) -> RoomPlan | None:
        """Return the rooms of a visit; None where no walls part rooms."""
        kind = f'{KIND}-{self._edge:g}'
        data = self._files.read(key, kind)  # the segmenter may have kept by which it worked
        if data is not None:
            return RoomPlan.from_bytes(data) if data else None
        plan = rooms_of([scan.xyz], self._edge)
        self._files.write(key, kind, b'' if plan is None else plan.to_bytes())
        return plan


def _part(scan: Scan, rows: np.ndarray, name: TileName | str = '') -> VisitPart:
    """Return some points of a visit."""
    return VisitPart(scan.take(rows), rows, name)


def count_in_whole_visits(facts: VisitFacts, rows: Mapping[int, np.ndarray]) -> VisitFacts:
    """
    Return facts whose discovered objects have the points of whole visits.

    Parameters
    ----------
    facts : VisitFacts
    rows : mapping of stamp to ndarray (M,), int64
        Of `VisitPart`, by the stamp of the visit, ns.

    """

    def whole(link: LinkedObservation, part: np.ndarray) -> LinkedObservation:
        seen = link.observation
        return replace(link, observation=replace(seen, points=part[seen.points]))

    discovered = {
        stamp_ns: {k: whole(link, rows[stamp_ns]) for k, link in linked.items()}
        if stamp_ns in rows
        else linked
        for stamp_ns, linked in facts.discovered.items()
    }
    return replace(facts, discovered=discovered)
