"""Changed things of many rooms at once: found room by room or by tiles, each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rescene4d_ros.geometry.floor.pieces import pieces_of
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.regions.changed_things import ChangedThing
from rescene4d_ros.tracking.thresholds import MIN_POINTS

MARGIN = 1.0  # m, around a square tile
LEAST_FREE = 0.5  # share of its points that no other thing has

Find = Callable[[Sequence[Scan]], Sequence[ChangedThing]]


def find_by_tiles(scans: Sequence[Scan], edge: float, find: Find) -> tuple[ChangedThing, ...]:
    """
    Find what the last of several visits shows changed, where it has points.

    Viewpoints, registration and the limit from which a surface has changed are those of a tile,
    as those of a room are its own. A thing at a border is that of the tile in whose core most of
    it lies.

    Parameters
    ----------
    scans : sequence of T Scan
        Oldest first.
    edge : float, m
        Of the core of a square tile.
    find : callable
        Finds the changed things of one tile.

    Returns
    -------
    tuple of ChangedThing
        Best first, disjoint.

    """
    found = list(_found(scans, edge, find))
    taken = [np.zeros(len(scan), dtype=bool) for scan in scans]
    kept = []
    for _, thing in sorted(found, key=lambda one: (one[0] < 0.5, -one[1].quality)):
        free = tuple(part[~mine[part]] for part, mine in zip(thing.parts, taken))
        if sum(map(len, free)) < LEAST_FREE * sum(map(len, thing.parts)):
            continue
        for part, mine in zip(free, taken):
            mine[part] = True
        kept.append(ChangedThing(free, thing.quality))
    return tuple(sorted(kept, key=lambda thing: -thing.quality))


def _found(scans: Sequence[Scan], edge: float, find: Find) -> Iterator[tuple[float, ChangedThing]]:
    """Yield what changed in each tile, with the share of it that no other tile has as its own."""
    for piece in pieces_of([scan.xyz for scan in scans], edge, MIN_POINTS, MARGIN):
        for thing in find([scan.take(index) for scan, index in zip(scans, piece.points)]):
            parts = tuple(index[part] for index, part in zip(piece.points, thing.parts))
            last = next(t for t in reversed(range(len(parts))) if len(parts[t]))
            own = piece.is_core[last][thing.parts[last]].mean()
            yield float(own), ChangedThing(parts, thing.quality)
