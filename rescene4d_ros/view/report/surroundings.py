"""The points of all places as a memory knows them at one time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
import logging

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.point_sets import evenly, thin
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitInfo, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve_labels
from rescene4d_ros.view.report.contents import ReportContents

log = logging.getLogger(__name__)

MOST_VISITS = 24  # whose points are joined
KEPT = MOST_VISITS + 12  # a report goes from new changes to old ones, pages show six visits
CELL = 0.3  # m; edge of the columns that a newer visit replaces
GRAY = (170, 168, 162)  # of clouds without colors


@dataclass(frozen=True)
class Surroundings:
    """
    Hold points of the newest visits to each place.

    Attributes
    ----------
    xyz : ndarray (N, 3), float32, m, in map
    rgb : ndarray (N, 3), uint8
    object_id : ndarray (N,), int64
        0 = none.
    stamp_ns : ndarray (N,), int64, ns since the Unix epoch
        Of the visit that measured the point.

    """

    xyz: np.ndarray
    rgb: np.ndarray
    object_id: np.ndarray
    stamp_ns: np.ndarray

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.xyz)

    def take(self, index: np.ndarray) -> Surroundings:
        """Return the points that `index` (mask or indices) selects."""
        return Surroundings(
            self.xyz[index], self.rgb[index], self.object_id[index], self.stamp_ns[index]
        )


NOTHING = Surroundings(
    np.zeros((0, 3), np.float32),
    np.zeros((0, 3), np.uint8),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
)


@dataclass(frozen=True)
class VisitPoints:
    """
    Hold the points of one visit, prepared to be joined with others.

    Attributes
    ----------
    points : Surroundings
    columns, ids : ndarray (M,) and (K,), int64
        Columns with points, as `_columns` numbers them, and ids of objects with points; rising.
    column, which : ndarray (N,), int32
        Positions in `columns` and in `ids` of each point.
    floor : float, m
        Height below which next to nothing lies.

    """

    points: Surroundings
    columns: np.ndarray
    column: np.ndarray
    ids: np.ndarray
    which: np.ndarray
    floor: float

    @classmethod
    def of(cls, points: Surroundings) -> VisitPoints:
        """Prepare some points."""
        columns, column = np.unique(_columns(points.xyz), return_inverse=True)
        ids, which = np.unique(points.object_id, return_inverse=True)
        return cls(
            points, columns, column.astype(np.int32), ids, which.astype(np.int32), low_of(points)
        )


class Places:
    """
    Give all places at several times; the points of a visit are read once.

    Parameters
    ----------
    memory : SceneMemory
    contents : ReportContents
        Of the memory.
    spacing : float, m
        Between points.

    """

    def __init__(self, memory: SceneMemory, contents: ReportContents, spacing: float):
        self._memory, self._contents, self._spacing = memory, contents, spacing
        self._aliases = dict(contents.snapshot.aliases)
        self._parts: OrderedDict[int, VisitPoints] = OrderedDict()
        done = [v for v in contents.snapshot.visits if v.status == VisitStatus.DONE]
        self._done = sorted(done, key=lambda v: -v.stamp_ns)
        self._joined = lru_cache(4)(self._join)

    def of(self, visit: VisitInfo) -> Surroundings:
        """Return the thinned points of a visit under the ids to use; none where they are lost."""
        return self._part(visit).points

    def unread(self, until_ns: int) -> tuple[VisitInfo, ...]:
        """Return the visits whose points `at` would read first for a time (ns), newest first."""
        return tuple(v for v in self._window(until_ns) if v.visit_id not in self._parts)

    def at(
        self,
        until_ns: int,
        most: int | None = None,
        cut: float | None = None,
        only_read: bool = False,
    ) -> Surroundings:
        """
        Join the visits up to a time (ns): each place as its newest visit shows it.

        Objects that were gone by then are left out. Visits whose file is lost are, too.

        Parameters
        ----------
        until_ns : int, ns since the Unix epoch
        most : int, optional
            Number of points; others are left out evenly.
        cut : float, optional, m
            Height above the floor from which points are left out.
        only_read : bool
            Whether to read nothing but the newest of the visits, and join those read before.

        """
        window = self._window(until_ns)
        if only_read:
            window = window[:1] + tuple(v for v in window[1:] if v.visit_id in self._parts)
        return self._joined(window, most, cut) if window else NOTHING

    def objects_at(self, until_ns: int, ids: Collection[int]) -> Surroundings:
        """Return the points of some objects as `at` has them, of visits read before."""
        everything = self.at(until_ns, only_read=True) if ids else NOTHING
        return everything.take(np.isin(everything.object_id, list(ids)))

    def read_before(self, until_ns: int) -> list[VisitPoints]:
        """Return what `at` joins for a time (ns) of visits that were read before, newest first."""
        window = self._window(until_ns)
        return [self._parts[v.visit_id] for v in window if v.visit_id in self._parts]

    def _window(self, until_ns: int) -> tuple[VisitInfo, ...]:
        return tuple(v for v in self._done if v.stamp_ns <= until_ns)[:MOST_VISITS]

    def _join(
        self, window: tuple[VisitInfo, ...], most: int | None, cut: float | None
    ) -> Surroundings:
        parts = [self._part(visit) for visit in window]
        floor = floor_of(parts)
        kept = []
        for part, mask in zip(parts, self._newest(parts, window[0].stamp_ns)):
            low = mask if cut is None else mask & (part.points.xyz[:, 2] < floor + cut)
            kept.append(np.flatnonzero(low))
        return joined([part.points for part in parts], kept, most)

    def _newest(self, parts: Sequence[VisitPoints], until_ns: int) -> Iterator[np.ndarray]:
        """Give for each visit, newest first, which points no newer one replaces."""
        there = np.array(sorted(self._contents.there_at(until_ns)), np.int64)
        shown, taken = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for part in parts:
            is_free, is_other = ~_among(part.columns, taken), ~_among(part.ids, shown)
            is_new = is_other & _among(part.ids, there)
            is_object = part.ids > 0
            yield np.where(is_object[part.which], is_new[part.which], is_free[part.column])
            shown = np.sort(np.concatenate([shown, part.ids[is_other]]))
            taken = np.sort(np.concatenate([taken, part.columns[is_free]]))

    def _part(self, visit: VisitInfo) -> VisitPoints:
        """Return the points of a visit, which are kept while few others were asked for."""
        if visit.visit_id not in self._parts:
            self._parts[visit.visit_id] = VisitPoints.of(self._read(visit))
            if len(self._parts) > KEPT:
                self._parts.popitem(last=False)
        self._parts.move_to_end(visit.visit_id)
        return self._parts[visit.visit_id]

    def _read(self, visit: VisitInfo) -> Surroundings:
        try:
            scan = self._memory.scan(visit.visit_id)
        except FileFormatError as error:
            log.warning('%s; the report goes without the points of this visit', error)
            return NOTHING
        kept = thin(scan.xyz, self._spacing)
        labels = resolve_labels(self._memory.labels(visit.visit_id)[kept], self._aliases)
        rgb = np.full((len(kept), 3), GRAY, np.uint8) if scan.rgb is None else scan.rgb[kept]
        return Surroundings(
            scan.xyz[kept], rgb, labels, np.broadcast_to(np.int64(visit.stamp_ns), len(kept))
        )


def _columns(xyz: np.ndarray) -> np.ndarray:
    """Return the number (N,) int64 of the column of each point."""
    x, y = np.floor(xyz[:, :2] / CELL).astype(np.int64).T
    return (x << 32) + y


def low_of(points: Surroundings) -> float:
    """Return the height (m) below which next to nothing lies; 0 for no points."""
    return float(np.percentile(points.xyz[:, 2], 1)) if len(points) else 0.0


def floor_of(visits: Sequence[VisitPoints]) -> float:
    """Return the height (m) of the floor that visits share; 0 where none has points."""
    return float(np.median([v.floor for v in visits if len(v.points)] or [0.0]))


def cells_of(columns: np.ndarray) -> np.ndarray:
    """Return the (K, 2) multiples of `CELL` in x and y of the numbers of some columns."""
    y = ((columns + 2**31) & (2**32 - 1)) - 2**31
    return np.stack([(columns - y) >> 32, y], axis=1)


def _among(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return which values are in a rising table; faster than np.isin for short ones."""
    if not len(table):
        return np.zeros(len(values), bool)
    return table[np.minimum(np.searchsorted(table, values), len(table) - 1)] == values


def joined(
    clouds: Sequence[Surroundings], kept: Sequence[np.ndarray], most: int | None
) -> Surroundings:
    """Join what is kept of some clouds, at most some points, evenly chosen."""
    ends = np.cumsum([0, *map(len, kept)])
    chosen = np.arange(ends[-1]) if most is None else evenly(int(ends[-1]), most)
    cuts = np.searchsorted(chosen, ends)
    parts = [
        cloud.take(index[chosen[start:end] - first])
        for cloud, index, first, start, end in zip(clouds, kept, ends, cuts, cuts[1:])
    ]
    return Surroundings(
        np.concatenate([p.xyz for p in parts]),
        np.concatenate([p.rgb for p in parts]),
        np.concatenate([p.object_id for p in parts]),
        np.concatenate([p.stamp_ns for p in parts]),
    )
