"""Which earlier visits a new one is looked at together with: those that saw the same space."""

from __future__ import annotations

from collections.abc import Sequence
import logging

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.memory.reading import ReadableMemory
from rescene4d_ros.structures import VisitInfo

log = logging.getLogger(__name__)

CELL = 0.5  # m; edge of the cells by which the space of two visits is compared
SAME = 0.2  # overlaps that differ by less are equal: the later visit then says more
MIN_OVERLAP = 0.1  # share of the cells below which two visits show different places
KIND = 'cells'  # of the files that keep them
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


def choose_context(cells: np.ndarray, earlier: Sequence[np.ndarray], n: int) -> tuple[int, ...]:
    """
    Choose the earlier visits that say most about what a new one shows.

    One after the other: of those that saw nearly (`SAME`) the largest share of its cells, the
    latest. Visits that saw less than `MIN_OVERLAP` of them are no context.

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
    chosen = []
    while shared and len(chosen) < n:
        best = max(shared.values())
        chosen.append(max(t for t, share in shared.items() if share > best - SAME))
        del shared[chosen[-1]]
    return tuple(sorted(chosen))


class SeenSpace:
    """
    Know which coarse cells each visit of a memory saw.

    A visit's cells are worked out once, and kept in this process and in a small file beside its
    points: a choice among a thousand visits costs some milliseconds.

    Parameters
    ----------
    memory : ReadableMemory
        Open for writing.

    """

    def __init__(self, memory: ReadableMemory):
        self._memory = memory
        self._cells: dict[str, np.ndarray] = {}

    def context(
        self, visit: VisitInfo, earlier: Sequence[VisitInfo], n: int
    ) -> tuple[VisitInfo, ...]:
        """Return at most `n` earlier visits for a visit, in their order; see `choose_context`."""
        if n == 0 or not earlier:
            return ()
        keys = self._memory.keys()
        chosen = choose_context(
            self._of(keys[visit.visit_id]), [self._of(keys[v.visit_id]) for v in earlier], n
        )
        return tuple(earlier[t] for t in chosen)

    def _of(self, key: str) -> np.ndarray:
        """Return the cells of the visit with a key."""
        if key not in self._cells:
            files = self._memory.files
            data = files.derived.read(key, KIND)
            if data is None:
                data = self._work_out(key)
                if data:
                    files.derived.write(key, KIND, data)
            self._cells[key] = np.frombuffer(data, dtype='<i8').astype(np.int64)
        return self._cells[key]

    def _work_out(self, key: str) -> bytes:
        """Return the cells of a visit as they are kept; none where its points are damaged."""
        try:
            return coarse_cells(self._memory.files.read(key).xyz).astype('<i8').tobytes()
        except FileFormatError as error:
            log.warning('%s; the visit is no context for others', error)
            return b''
