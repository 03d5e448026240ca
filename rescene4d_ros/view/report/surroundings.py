"""The points of all places as a memory knows them at one time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
import logging

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitInfo, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve_labels
from rescene4d_ros.view.report.contents import ReportContents

log = logging.getLogger(__name__)

MOST_VISITS = 24  # whose points are read for one report
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
        # A report goes through its changes from the newest to the oldest.
        self.of = lru_cache(MOST_VISITS + 2)(self._read)
        self._joined = lru_cache(4)(self._join)

    def at(self, until_ns: int) -> Surroundings:
        """
        Join the visits up to a time (ns): each place as its newest visit shows it.

        Objects that were gone by then are left out. Visits whose file is lost are, too.
        """
        done = [v for v in self._contents.snapshot.visits if v.status == VisitStatus.DONE]
        until = sorted((v for v in done if v.stamp_ns <= until_ns), key=lambda v: -v.stamp_ns)
        return self._joined(tuple(until[:MOST_VISITS])) if until else NOTHING

    def _join(self, visits: tuple[VisitInfo, ...]) -> Surroundings:
        until_ns = visits[0].stamp_ns
        there = np.array(sorted(self._contents.there_at(until_ns)), np.int64)
        shown, parts = np.zeros(0, np.int64), [NOTHING]
        columns = np.zeros((0, 2), np.int64)
        for visit in visits:
            part = self.of(visit)
            cells = np.floor(part.xyz[:, :2] / CELL).astype(np.int64)
            kept = np.where(
                part.object_id > 0,
                np.isin(part.object_id, there) & ~np.isin(part.object_id, shown),
                ~_among(cells, columns),
            )
            parts.append(part.take(kept))
            shown = np.union1d(shown, part.object_id)
            columns = np.unique(np.concatenate([columns, cells]), axis=0)
        return Surroundings(
            np.concatenate([p.xyz for p in parts]),
            np.concatenate([p.rgb for p in parts]),
            np.concatenate([p.object_id for p in parts]),
            np.concatenate([p.stamp_ns for p in parts]),
        )

    def _read(self, visit: VisitInfo) -> Surroundings:
        """Return the thinned points of a visit under the ids to use; none where they are lost."""
        try:
            scan = self._memory.scan(visit.visit_id)
        except FileFormatError as error:
            log.warning('%s; the report goes without the points of this visit', error)
            return NOTHING
        kept = thin(scan.xyz, self._spacing)
        labels = resolve_labels(self._memory.labels(visit.visit_id)[kept], self._aliases)
        rgb = np.full((len(kept), 3), GRAY, np.uint8) if scan.rgb is None else scan.rgb[kept]
        return Surroundings(
            scan.xyz[kept], rgb, labels, np.full(len(kept), visit.stamp_ns, np.int64)
        )


def _among(cells: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return which of the (N, 2) cells are among the (M, 2) others."""
    every, numbers = np.unique(np.concatenate([cells, columns]), axis=0, return_inverse=True)
    taken = np.zeros(len(every), bool)
    taken[numbers[len(cells) :]] = True
    return taken[numbers[: len(cells)]]
