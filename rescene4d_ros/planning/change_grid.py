"""A grid that says how often each place changed: where things come, go and move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.boxes import bounds, bounds_of, contains
from rescene4d_ros.structures import Box, Change, ChangeKind

CELL = 0.1  # m
MARGIN = 0.5  # m; around everything known
MOST_CELLS = 4_000_000
COUNTED = (ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.MOVED, ChangeKind.REAPPEARED)


@dataclass(frozen=True)
class ChangeGrid:
    """
    Hold a grid over the floor.

    Attributes
    ----------
    corner : tuple of 2 float, m
        Lowest x and y of the grid, in the frame of the memory.
    cell : float, m
    share : ndarray (H, W), float64, 0..1
        Share of the visits after the first that found a change there; row = y, column = x.

    """

    corner: tuple[float, float]
    cell: float
    share: np.ndarray


def change_grid(
    boxes: Sequence[Box], changes: Sequence[Change], n_visits: int, cell: float = CELL
) -> ChangeGrid:
    """
    Count the visits that found a change in each cell.

    Parameters
    ----------
    boxes : sequence of Box
        Of all objects; the grid covers them and the places of the changes.
    changes : sequence of Change
        Places of what came, went or moved count, before and after.
    n_visits : int
        Processed visits.
    cell : float, m
        Grows where the grid would have more than `MOST_CELLS`.

    Returns
    -------
    ChangeGrid
        Of no cells where nothing is known.

    """
    places = [
        (change.visit_id, box)
        for change in changes
        if change.kind in COUNTED
        for box in (change.before, change.after)
        if box is not None
    ]
    lowest, highest = bounds_of([*boxes, *(box for _, box in places)])
    if not len(lowest):
        return ChangeGrid((0.0, 0.0), cell, np.zeros((0, 0)))
    low = lowest[:, :2].min(0) - MARGIN
    extent = highest[:, :2].max(0) + MARGIN - low
    cell = max(cell, float(np.sqrt(extent.prod() / MOST_CELLS)))
    low = np.floor(low / cell) * cell
    width, height = np.ceil(extent / cell).astype(int) + 1
    count = np.zeros((height, width))
    of_visit: dict[int, list[Box]] = {}
    for visit_id, box in places:
        of_visit.setdefault(visit_id, []).append(box)
    for found in of_visit.values():
        changed = np.zeros((height, width), bool)
        for box in found:
            (x0, y0), (x1, y1) = ((b[:2] - low) / cell for b in bounds(box))
            rows = np.arange(max(int(y0), 0), min(int(y1) + 1, height))
            columns = np.arange(max(int(x0), 0), min(int(x1) + 1, width))
            x, y = np.meshgrid(low[0] + (columns + 0.5) * cell, low[1] + (rows + 0.5) * cell)
            centers = np.c_[x.ravel(), y.ravel(), np.full(x.size, box.center[2])]
            inside = contains(box, centers).reshape(x.shape)
            changed[np.ix_(rows, columns)] |= inside
        count += changed
    return ChangeGrid(
        (float(low[0]), float(low[1])), cell, np.minimum(count / max(n_visits - 1, 1), 1.0)
    )
