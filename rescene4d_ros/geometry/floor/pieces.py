"""The pieces in which visits of many rooms are segmented: rooms by their walls, or squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import hashlib

import numpy as np
from rescene4d_ros.geometry.floor.room_plan import (
    CELL,
    cubes_of,
    plan_rooms,
    RoomPlan,
    share_known,
)
from rescene4d_ros.geometry.floor.storeys import storey_borders
from rescene4d_ros.geometry.floor.tiles import Tile, tiles_around, tiles_of_newest, TileShape
from scipy import ndimage

MARGIN = 0.15  # of the edge of a tile; half the size of an object that one tile holds whole
NEAR_EDGE = 0.1  # m
WALL_MARGIN = 0.3  # m; around a room, both sides of its walls
ONE_PASS = 3.5  # tiles whose area is one pass
IN_ROOM = 0.95  # share of a visit's points, from which it is one of that room
SAME_FLOOR = 0.9  # share of the newest visit that a plan, or the earliest visit, must know
KIND = 'rooms-2'  # of the files that keep plans beside points, with the edge of a square behind


@dataclass(frozen=True)
class Piece:
    """
    One piece of T visits.

    Attributes
    ----------
    name : str
        Means the same space at every visit.
    points : tuple of T ndarrays (M_t,), int64
        Of each visit, ascending: those in the piece and its margin.
    is_core : tuple of T ndarrays (M_t,), bool
        Whether no other piece has the point as its own.
    at_edge : tuple of T ndarrays (M_t,), bool
        Whether the point is so near the border that its object may go on beyond.

    """

    name: str
    points: tuple[np.ndarray, ...]
    is_core: tuple[np.ndarray, ...]
    at_edge: tuple[np.ndarray, ...]


def pieces_of(
    clouds: Sequence[np.ndarray],
    edge: float,
    least: int,
    margin: float | None = None,
    plan: RoomPlan | None = None,
) -> Iterator[Piece]:
    """
    Divide visits of many rooms into the pieces in which the last of them has points.

    Objects are told by what else is in their room, so a piece is a room where walls part rooms.
    Where they do not, and of larger rooms, it is a square tile.

    Parameters
    ----------
    clouds : sequence of T ndarrays (N_t, 3), float, m, in map
    edge : float, m
        Of the core of a square tile.
    least : int
        Least number of points of the last visit in a piece, without its margin.
    margin : float, m, optional
        Around a square tile, default 0.15 of the edge.
    plan : RoomPlan, optional
        By `rooms_of_window`, where it is known already.

    """
    margin = MARGIN * edge if margin is None else margin
    plan = rooms_of_window(clouds, edge) if plan is None else plan
    if plan is None:
        return _squares(clouds, edge, margin, least)
    return _of_rooms(clouds, plan, margin, least)


def rooms_of_window(
    clouds: Sequence[np.ndarray], edge: float, kept: RoomPlan | None = None
) -> RoomPlan | None:
    """
    Return the rooms in which the visits of a window are segmented, by as few of them as will do.

    Features are kept by room, so the plan stays what it is as long as it knows what the newest
    visit shows; next is that of the earliest visit, and last that of all.

    Parameters
    ----------
    clouds : sequence of T ndarrays (N_t, 3), float, m, in map
    edge : float, m
        Of the core of a square tile.
    kept : RoomPlan, optional
        By which the earliest visit was segmented before.

    Returns
    -------
    RoomPlan or None
        None where no walls part rooms.

    """
    own = cubes_of(clouds[-1])
    if kept is not None and share_known(own, kept.shown) >= SAME_FLOOR:
        return kept
    alone = share_known(own, cubes_of(clouds[0])) >= SAME_FLOOR
    return rooms_of(clouds[:1] if alone else clouds, edge)


def rooms_of(clouds: Sequence[np.ndarray], edge: float) -> RoomPlan | None:
    """Return the rooms in which visits are segmented; None where no walls part rooms."""
    return plan_rooms(clouds, edge, ONE_PASS * edge**2)


def room_around(
    newest: np.ndarray, earliest: np.ndarray, plan: RoomPlan, edge: float
) -> tuple[str, np.ndarray] | None:
    """
    Return the room of an earlier visit of many in which a new visit lies.

    Parameters
    ----------
    newest, earliest : ndarray (N, 3), float, m, in map
    plan : RoomPlan
        By which the earlier visit was segmented.
    edge : float, m
        Of the core of a square tile.

    Returns
    -------
    name : str
    points : ndarray (M,), int64
        Of the earlier visit, those of the piece of this name in `pieces_of` it.
    None where the new visit shows several rooms.

    """
    shown = plan.cells_of(newest)
    room = int(np.bincount(plan.room[tuple(shown.T)]).argmax())
    where = ndimage.find_objects((plan.room == room).astype(np.int8))[0]
    window = _Window(plan, room, where, MARGIN * edge)
    inside = window.inside(shown[:, 1:])[0] & (shown[:, 0] == window.storey)
    if inside.mean() < IN_ROOM:
        return None
    low = (plan.low + window.low) * CELL - CELL
    high = low + (np.array(window.reach.shape) + 2) * CELL
    near = np.ones(len(earliest), dtype=bool)
    for k in (0, 1):
        near &= (earliest[:, k] >= low[k]) & (earliest[:, k] < high[k])
    rows = np.flatnonzero(near)
    cells = plan.cells_of(earliest[rows])
    inside = window.inside(cells[:, 1:])[0] & (cells[:, 0] == window.storey)
    return window.name, rows[inside]


def _squares(
    clouds: Sequence[np.ndarray], edge: float, margin: float, least: int
) -> Iterator[Piece]:
    """Yield the tiles of a grid fixed in the map."""
    shape = TileShape(edge, margin, storey_borders(clouds))
    tiles, tiled = tiles_of_newest(clouds, shape, least)
    for tile in tiles:
        points = tuple(cloud.take(tile) for cloud in tiled)
        taken = [xyz[index] for xyz, index in zip(clouds, points)]
        is_core, at_edge = zip(*(_in_square(xyz, tile, tiles, shape) for xyz in taken))
        yield Piece(shape.name_of(tile), points, is_core, at_edge)


def _in_square(
    xyz: np.ndarray, tile: Tile, tiles: Sequence[Tile], shape: TileShape
) -> tuple[np.ndarray, np.ndarray]:
    """Return which points of a tile are its own, and which lie at its border."""
    core = shape.tiles_of(xyz)
    is_core = (core == tile).all(axis=1)
    for beside in tiles_around(tile):
        if beside not in tiles:  # nobody else says anything there
            is_core |= (core == beside).all(axis=1)
    low, high = shape.reach(tile)
    near = (xyz[:, :2] < low + NEAR_EDGE) | (xyz[:, :2] >= high - NEAR_EDGE)
    return is_core, np.any(near, axis=1)


def _of_rooms(
    clouds: Sequence[np.ndarray], plan: RoomPlan, margin: float, least: int
) -> Iterator[Piece]:
    """Yield the rooms of a plan."""
    visits = [_PlannedVisit(xyz, plan) for xyz in clouds]
    has_points = visits[-1].counts >= least
    where = ndimage.find_objects(plan.room + 1)
    for room in np.flatnonzero(has_points).tolist():
        window = _Window(plan, room, where[room], margin)
        points, is_core, at_edge = [], [], []
        for visit in visits:
            index = visit.points_of(window.rooms)
            inside, x, y = window.inside(visit.cell[index])
            index = index[inside]
            points.append(index)
            is_core.append((visit.room[index] == room) | ~has_points[visit.room[index]])
            at_edge.append(window.at_border[x, y])
        yield Piece(window.name, tuple(points), tuple(is_core), tuple(at_edge))


class _Window:
    """
    The cells of the floor plan that a room reaches with its margin.

    Attributes
    ----------
    storey : int
    low : ndarray (2,), int64
        First cell, in the plan.
    reach, at_border : ndarray (X, Y), bool
        Cells that belong to the piece, and of them those at its border.
    rooms : ndarray (K,), int
        That share cells with it, itself included.

    """

    def __init__(self, plan: RoomPlan, room: int, where: tuple[slice, ...], margin: float):
        margin = margin if plan.is_divided[room] else WALL_MARGIN
        more = int(np.ceil(margin / CELL))
        self._plan, self.storey = plan, where[0].start
        low, high = np.array([(s.start, s.stop) for s in where[1:]]).T
        self.low = np.maximum(low - more, 0)
        (x, y), (right, top) = self.low, high + more
        window = plan.room[self.storey, x:right, y:top]
        distance = ndimage.distance_transform_edt(window != room) * CELL
        self.reach = distance <= margin
        self.at_border = self.reach & (distance > margin - NEAR_EDGE)
        self.rooms = np.unique(window[self.reach])

    def inside(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return which cells (N, 2) of the plan are in it, and where: column and row of those."""
        x, y = (cells - self.low).T
        inside = (x >= 0) & (y >= 0) & (x < self.reach.shape[0]) & (y < self.reach.shape[1])
        inside[inside] = self.reach[x[inside], y[inside]]
        return inside, x[inside], y[inside]

    @property
    def name(self) -> str:
        """Return what names its cells and its storey, whatever else the plan holds."""
        borders = self._plan.borders[max(self.storey - 1, 0) : self.storey + 1]
        space = [self._plan.low + self.low, self.reach.shape, borders]
        told = repr((self.storey > 0, [np.asarray(part).tolist() for part in space])).encode()
        cells = told + np.packbits(self.reach).tobytes()
        return 'room_' + hashlib.blake2b(cells, digest_size=8).hexdigest()


class _PlannedVisit:
    """Points of one visit by the room of a plan that they lie in."""

    def __init__(self, xyz: np.ndarray, plan: RoomPlan):
        storey, *plane = plan.cells_of(xyz).T
        self.cell = np.stack(plane, axis=1)
        self.room = plan.room[storey, plane[0], plane[1]]
        self.counts = np.bincount(self.room, minlength=len(plan.is_divided))
        self._order = np.argsort(self.room, kind='stable')
        self._ends = np.cumsum(self.counts)

    def points_of(self, rooms: np.ndarray) -> np.ndarray:
        """Return the points (M,), int64, ascending, of some rooms."""
        slices = [self._order[self._ends[k] - self.counts[k] : self._ends[k]] for k in rooms]
        return np.sort(np.concatenate(slices))
