"""Earlier visits that saw the same space: the window of a visit, and what a scan must lie on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
import logging
from typing import Protocol, TYPE_CHECKING

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.cloud import Cloud, ONE_PLACE
from rescene4d_ros.geometry.point_sets import covers_more
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.plausibility.registered import Reference
from rescene4d_ros.structures import Scan, Segmentation, VisitInfo, VisitStatus
from rescene4d_ros.tracking.records import ObjectRecord, VisitFacts
from rescene4d_ros.tracking.visit_view import VisitContext, VisitView

if TYPE_CHECKING:
    from rescene4d_ros.scene.parts_of_visits import PartsOfVisits, VisitPart

log = logging.getLogger(__name__)

CELL = 0.5  # m; edge of the cells by which the space of two visits is compared
SAME = 0.2  # overlaps that differ by less are equal: the later visit then says more
MIN_OVERLAP = 0.1  # share of the cells below which two visits show different places
KIND = 'cells'  # of the files that keep them
VISITS = 2  # that a scan is laid on; more say little more
HALF = 1 << 20  # cells on either side of the map's origin


def coarse_cells(xyz: np.ndarray) -> np.ndarray:
    """
    Name the coarse cells of space that points lie in.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m, in map
        Beyond 500 km from the origin all cells are one.

    Returns
    -------
    ndarray (C,), int64
        One number per cell, rising; the same cell has the same number at every visit.

    """
    cells = np.floor(np.asarray(xyz, dtype=np.float64) / CELL)
    x, y, z = np.clip(cells, -HALF, HALF - 1).astype(np.int64).reshape(-1, 3).T + HALF
    return np.unique((x << 42) | (y << 21) | z)


def overlap(cells: np.ndarray, other: np.ndarray) -> float:
    """Return the share of a visit's cells (C,) that another saw too; 0..1, 0 without cells."""
    if len(cells) == 0 or len(other) == 0:
        return 0.0
    at = np.minimum(np.searchsorted(cells, other), len(cells) - 1)
    return float((cells[at] == other).sum() / len(cells))


def choose_visits(cells: np.ndarray, earlier: Sequence[np.ndarray], n: int) -> tuple[int, ...]:
    """
    Choose the earlier visits that say most about what a new one shows.

    One after the other: of those that saw nearly (`SAME`) the largest share of its cells, the
    latest. Visits that saw less than `MIN_OVERLAP` of them are never chosen.

    Parameters
    ----------
    cells : ndarray (C,), int64
        Of the new visit, by `coarse_cells`.
    earlier : sequence of ndarray (C_t,), int64
        Of the earlier visits, oldest first.
    n : int
        Largest number of visits to choose.

    Returns
    -------
    tuple of int
        Positions in `earlier`, rising.

    """
    shared = {
        t: share
        for t, other in enumerate(earlier)
        if (share := overlap(cells, other)) >= MIN_OVERLAP
    }
    chosen: list[int] = []
    while shared and len(chosen) < n:
        best = max(shared.values())
        chosen.append(max(t for t, share in shared.items() if share > best - SAME))
        del shared[chosen[-1]]
    return tuple(sorted(chosen))


class VisitSelector:
    """
    Select the earlier visits that a new one is segmented together with.

    A visit's cells are worked out once, and kept in this process and in a small file beside its
    points: a choice among a thousand visits costs some milliseconds.

    Parameters
    ----------
    memory : SceneMemory
        Open for writing.
    n : int
        Largest number of earlier visits.
    write : bool
        Whether cells may be kept beside the points; False for a memory open for reading.

    """

    def __init__(self, memory: SceneMemory, n: int, write: bool = True):
        self._memory = memory
        self._n = n
        self._write = write
        self._cells: dict[str, np.ndarray] = {}

    def select(
        self, visit: VisitInfo, earlier: Sequence[VisitInfo], scan: Scan
    ) -> tuple[VisitInfo, ...]:
        """
        Return earlier visits for a visit, in their order; see `choose_visits`.

        Parameters
        ----------
        visit : VisitInfo
        earlier : sequence of VisitInfo
            Oldest first.
        scan : Scan
            The points of the visit.

        """
        if self._n == 0:
            return ()
        keys = self._memory.keys()
        own = self._cells_of(keys[visit.visit_id], scan)
        chosen = choose_visits(own, [self._cells_of(keys[v.visit_id]) for v in earlier], self._n)
        return tuple(earlier[t] for t in chosen)

    def select_for(self, scan: Scan, earlier: Sequence[VisitInfo]) -> tuple[VisitInfo, ...]:
        """Return earlier visits for a scan that is not stored; as `select`."""
        keys = self._memory.keys()
        others = [self._cells_of(keys[v.visit_id]) for v in earlier]
        chosen = choose_visits(coarse_cells(scan.xyz), others, self._n)
        return tuple(earlier[t] for t in chosen)

    def _cells_of(self, key: str, scan: Scan | None = None) -> np.ndarray:
        """Return the cells of the visit with a key; its points are read where they are needed."""
        if key not in self._cells:
            derived = self._memory.files.derived
            data = derived.read(key, KIND)
            if data is None:
                data = self._compute(key, scan)
                if data and self._write:
                    derived.write(key, KIND, data)
            self._cells[key] = np.frombuffer(data, dtype='<i8').astype(np.int64)
        return self._cells[key]

    def _compute(self, key: str, scan: Scan | None) -> bytes:
        """Return the cells of a visit as they are kept; none where its points are damaged."""
        try:
            xyz = self._memory.files.read(key).xyz if scan is None else scan.xyz
        except FileFormatError as error:
            log.warning('%s; no other visit is segmented together with this one', error)
            return b''
        return coarse_cells(xyz).astype('<i8').tobytes()


class Segmenter(Protocol):
    """Anything that finds the instances of T visits together."""

    def segment(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> Segmentation:
        """
        Return instances that span the visits.

        Parameters
        ----------
        scans : sequence of T Scan
            Of an earlier visit of many rooms only what is around the new one, if that is small.
        keys : sequence of T hashable
            Names of the points for a cache: str, or `TileName` of a room of a visit; '' = of
            another part of a visit, which has none.

        """


class _Points:
    """The points of one visit; what is worked out from them is, when it is asked for."""

    def __init__(self, scan: Scan):
        self.scan = scan

    @cached_property
    def cloud(self) -> Cloud:
        """Return the points prepared for queries about places."""
        return Cloud.of(self.scan)

    @cached_property
    def has_many_rooms(self) -> bool:
        """Return whether the visit covers more floor than one room has."""
        return covers_more([self.scan.xyz], ONE_PLACE)


@dataclass(frozen=True)
class VisitWindow:
    """
    Hold the visits that are interpreted together, oldest first, the new one last.

    Attributes
    ----------
    visits : tuple of T VisitInfo
    scans : tuple of T Scan
    clouds : tuple of T Cloud
    segmentation : Segmentation
    rows : tuple of T (ndarray (N_t,), int64, or None)
        Which points of its visit a scan holds; None = all.

    """

    visits: tuple[VisitInfo, ...]
    scans: tuple[Scan, ...]
    clouds: tuple[Cloud, ...]
    segmentation: Segmentation
    rows: tuple[np.ndarray | None, ...]

    def context(
        self,
        labels: Mapping[int, np.ndarray],
        records: Mapping[int, ObjectRecord],
        class_names: tuple[str, ...],
        next_id: int,
        locked: frozenset[int],
    ) -> VisitContext:
        """Return the new visit with what is known before it; `labels` are by earlier visit."""
        earlier = [
            VisitView(scan, labels[visit.visit_id][... if rows is None else rows], cloud)
            for visit, scan, cloud, rows in zip(
                self.visits[:-1], self.scans, self.clouds, self.rows
            )
        ]
        view = VisitView(self.scans[-1], cloud=self.clouds[-1])
        return VisitContext(
            self.visits[-1], view, tuple(earlier[::-1]), class_names, records, next_id, locked
        )

    def of_whole_visits(self, facts: VisitFacts) -> VisitFacts:
        """Return facts with the points of discovered objects counted in the whole visits."""
        rows = {v.stamp_ns: rows for v, rows in zip(self.visits, self.rows) if rows is not None}
        if not rows:
            return facts
        from rescene4d_ros.scene.parts_of_visits import count_in_whole_visits

        return count_in_whole_visits(facts, rows)


class WindowOpener:
    """
    Choose the window of a visit, read its points and segment them.

    The points of the latest window are kept: the next one mostly begins with them.

    Parameters
    ----------
    memory : SceneMemory
        Open for writing.
    segmenter : Segmenter
    n : int
        Largest number of earlier visits.

    """

    def __init__(self, memory: SceneMemory, segmenter: Segmenter, n: int):
        self._memory, self._segmenter = memory, segmenter
        self._selector = VisitSelector(memory, n)
        self._loaded: dict[str, _Points] = {}  # by key

    def open(self, visit: VisitInfo, earlier: Sequence[VisitInfo]) -> VisitWindow:
        """
        Open the window of a visit.

        Parameters
        ----------
        visit : VisitInfo
            Stored.
        earlier : sequence of VisitInfo
            Those to choose from, oldest first.

        Raises
        ------
        FileFormatError
            The points of the visit are missing or damaged; earlier ones are left out then.
        Exception
            Whatever the segmenter raised.

        """
        keys = self._memory.keys()
        newest = self._load(keys[visit.visit_id])
        while True:
            past = self._selector.select(visit, earlier, newest.scan)
            loaded = {v: self._load_or_warn(keys[v.visit_id]) for v in past}
            found = {v: points for v, points in loaded.items() if points is not None}
            if len(found) == len(loaded):
                break
            earlier = [v for v in earlier if v not in loaded or v in found]
        self._loaded = {keys[v.visit_id]: points for v, points in found.items()}
        self._loaded[keys[visit.visit_id]] = newest
        parts = [self._part(newest, key, points) for key, points in self._loaded.items()]
        scans = tuple(part.scan for part, _, _ in parts)
        segmentation = self._segmenter.segment(scans, [name for _, _, name in parts])
        if newest.has_many_rooms:
            self._parts.keep_rooms(keys[visit.visit_id], newest.scan)
        clouds = tuple(part.cloud for part, _, _ in parts)  # not while the segmenter takes memory
        rows = tuple(rows for _, rows, _ in parts)
        return VisitWindow((*past, visit), scans, clouds, segmentation, rows)

    def _part(
        self, newest: _Points, key: str, points: _Points
    ) -> tuple[_Points | VisitPart, np.ndarray | None, Hashable]:
        """Return an earlier visit, of many rooms only what is around a newest visit of few."""
        if points is newest or not points.has_many_rooms or newest.has_many_rooms:
            return points, None, key
        part = self._parts.around(newest.scan, points.scan, key)
        return part, part.rows, part.name

    @cached_property
    def _parts(self) -> PartsOfVisits:
        """Return what cuts parts out of visits of many rooms."""
        from rescene4d_ros.scene.parts_of_visits import PartsOfVisits

        return PartsOfVisits(self._memory.files.derived)

    def _load_or_warn(self, key: str) -> _Points | None:
        """Return the points of an earlier visit; None where they are lost."""
        try:
            return self._load(key)
        except FileFormatError as error:
            log.warning('%s; the visit is left out of the window', error)
            return None

    def _load(self, key: str) -> _Points:
        """Return the points of the visit with a key."""
        return self._loaded.get(key) or _Points(self._memory.files.read(key))


class RememberedSurface:
    """
    Give the points of earlier visits to check scans against.

    Parameters
    ----------
    memory : SceneMemory
    write : bool
        Whether the memory is open for writing.

    """

    def __init__(self, memory: SceneMemory, write: bool = True):
        self._memory = memory
        self._selector = VisitSelector(memory, VISITS, write)
        self._kept: tuple[tuple[str, ...], Reference] | None = None

    def reference(self, scan: Scan) -> Reference | None:
        """
        Return the points of the visits that saw what a scan shows, or of the newest ones.

        None where no visit is processed yet, or none can be read.
        """
        done = self._memory.visits(VisitStatus.DONE)
        keys = self._memory.keys()
        chosen = self._selector.select_for(scan, done) or done[-VISITS:]
        names = tuple(keys[visit.visit_id] for visit in chosen)
        if self._kept is not None and self._kept[0] == names:
            return self._kept[1]
        clouds = []
        for name in names:
            try:
                clouds.append(self._memory.files.read(name).xyz)
            except FileFormatError:
                continue  # `memory check` tells of it
        if not clouds:
            return None
        self._kept = names, Reference.of_points(*clouds)
        return self._kept[1]
