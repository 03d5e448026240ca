"""Where a visit did not look: known floor without points of it, hatched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.view.browser.drawing.coloring import Color
from rescene4d_ros.view.report.surroundings import CELL, cells_of, floor_of, VisitPoints

HATCH: Color = (120, 132, 152)
STRIPE = 0.08  # m; width of the lines
FEWEST = 5  # points of a cell that was seen; fewer are strays
ABOVE = 0.02  # m; of the floor, whose points would hide it


@dataclass(frozen=True)
class Coverage:
    """
    Hold which part of the floor that earlier visits know one visit saw.

    Attributes
    ----------
    missing : ndarray (M, 2), float64, m
        Corners with the smallest x and y of the cells that it did not see, in map.
    share : float
        Of the known floor that it saw, 0..1.
    floor : float, m

    """

    missing: np.ndarray
    share: float
    floor: float

    def hatched(self, is_in_one: bool = True) -> np.ndarray:
        """
        Return stripes along the diagonals of the missing cells, segments (M, 2, 3) in m.

        Parameters
        ----------
        is_in_one : bool
            Whether a stripe goes on through the next cells; else each cell has its own.

        """
        cells = np.round(self.missing / CELL).astype(np.int64)
        diagonal = cells[:, 0] - cells[:, 1]
        order = np.lexsort((cells[:, 0], diagonal))
        cells, diagonal = cells[order], diagonal[order]
        goes_on = (np.diff(diagonal) == 0) & (np.diff(cells[:, 0]) == 1) & is_in_one
        edge = np.ones(min(len(cells), 1), bool)
        first = cells[np.concatenate([edge, ~goes_on])]
        last = cells[np.concatenate([~goes_on, edge])] + 1
        flat = CELL * np.stack([first, last], axis=1)
        height = np.full((len(flat), 2, 1), self.floor + ABOVE)
        return np.concatenate([flat, height], axis=2)


def coverage_of(visits: Sequence[VisitPoints], zone: Zone | None = None) -> Coverage:
    """Compare what visits saw of the floor, or of a zone; the first one is that in question."""
    floor = floor_of(visits)
    cells = [_seen(v) for v in visits]
    if zone is not None:
        cells = [at[zone.covers((at + 0.5) * CELL)] for at in cells]
    if not sum(map(len, cells)):
        return Coverage(np.zeros((0, 2)), 1.0, floor)
    known = np.unique(np.concatenate(cells), axis=0)
    low = known.min(axis=0) - 1
    shape = known.max(axis=0) - low + 2
    is_known, is_seen = np.zeros(shape, bool), np.zeros(shape, bool)
    is_known[tuple((known - low).T)] = True
    is_seen[tuple((cells[0] - low).T)] = True
    missing = _wide(is_known & ~is_seen)
    at = (np.argwhere(missing) + low) * CELL
    return Coverage(at, 1 - missing.sum() / is_known.sum(), floor)


def _seen(visit: VisitPoints) -> np.ndarray:
    """Return the cells (K, 2) int64 with points of a visit."""
    count = np.bincount(visit.column, minlength=len(visit.columns))
    return cells_of(visit.columns[count >= FEWEST])


def _wide(mask: np.ndarray) -> np.ndarray:
    """
    Return the cells of a mask that lie in a square of four of them.

    Lines of single cells come from walls at the edge of a cell, which noise moves to the next.
    """
    four = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    wide = np.zeros_like(mask)
    for x in (0, 1):
        for y in (0, 1):
            wide[x : mask.shape[0] - 1 + x, y : mask.shape[1] - 1 + y] |= four
    return wide
