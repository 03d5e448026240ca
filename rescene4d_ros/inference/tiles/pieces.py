"""The pieces in which visits of many rooms are segmented: rooms by their walls, or squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import hashlib

import numpy as np
from rescene4d_ros.geometry.floor.room_plan import CELL, plan_rooms, RoomPlan
from rescene4d_ros.geometry.floor.storeys import storey_borders
from rescene4d_ros.geometry.floor.tiles import Tile, tiles_around, tiles_of_newest, TileShape
from rescene4d_ros.geometry.point_sets import evenly
from scipy import ndimage

MARGIN = 0.15  # of the edge of a tile; half the size of an object that one tile holds whole
NEAR_EDGE = 0.1  # m
WALL_MARGIN = 0.3  # m; around a room, both sides of its walls
ONE_PASS = 3.5  # tiles whose area is one pass
MOST_POINTS = 1 << 19  # of a visit, by which its floor is known
SAME_FLOOR = 0.9  # share of the newest visit's floor that the earliest shows; then it has the plan


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


def pieces_of(clouds: Sequence[np.ndarray], edge: float, least: int) -> Iterator[Piece]:
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

    """
    # By the earliest visit alone, if that shows enough: its features are those kept before.
    shown = clouds[:1] if _share_shown(clouds[-1], clouds[0]) >= SAME_FLOOR else clouds
    plan = plan_rooms(shown, edge, ONE_PASS * edge**2)
    if plan is None:
        return _squares(clouds, edge, least)
    return _of_rooms(clouds, plan, edge, least)


def _share_shown(newest: np.ndarray, earliest: np.ndarray) -> float:
    """Return the share of the cubes of 1 m of a visit that another has points in, too."""
    own, other = (
        np.unique(np.floor(xyz[evenly(len(xyz), MOST_POINTS)]) @ (1 << 40, 1 << 20, 1))
        for xyz in (newest, earliest)
    )
    return float(np.isin(own, other).mean()) if len(own) else 1.0


def _squares(clouds: Sequence[np.ndarray], edge: float, least: int) -> Iterator[Piece]:
    """Yield the tiles of a grid fixed in the map."""
    shape = TileShape(edge, MARGIN * edge, storey_borders(clouds))
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
    clouds: Sequence[np.ndarray], plan: RoomPlan, edge: float, least: int
) -> Iterator[Piece]:
    """Yield the rooms of a plan."""
    visits = [_PlannedVisit(xyz, plan) for xyz in clouds]
    has_points = visits[-1].counts >= least
    where = ndimage.find_objects(plan.room + 1)
    for room in np.flatnonzero(has_points).tolist():
        margin = MARGIN * edge if plan.is_divided[room] else WALL_MARGIN
        storey, low, distance = _around(plan, room, where[room], margin)
        reach = distance <= margin
        at_border = reach & (distance > margin - NEAR_EDGE)
        window = plan.room[storey, low[0] :, low[1] :][: reach.shape[0], : reach.shape[1]]
        rooms = np.unique(window[reach])
        points, is_core, at_edge = [], [], []
        for visit in visits:
            index = visit.points_of(rooms)
            x, y = (visit.cell[index] - low).T
            inside = (x >= 0) & (y >= 0) & (x < reach.shape[0]) & (y < reach.shape[1])
            inside[inside] = reach[x[inside], y[inside]]
            index, x, y = index[inside], x[inside], y[inside]
            points.append(index)
            is_core.append((visit.room[index] == room) | ~has_points[visit.room[index]])
            at_edge.append(at_border[x, y])
        name = _name(plan, storey, low, reach)
        yield Piece(name, tuple(points), tuple(is_core), tuple(at_edge))


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


def _around(
    plan: RoomPlan, room: int, where: tuple[slice, ...], margin: float
) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the storey of a room, the first cell around it, and distances from it (X, Y), m."""
    more = int(np.ceil(margin / CELL))
    storey, (low, high) = where[0].start, np.array([(s.start, s.stop) for s in where[1:]]).T
    low = np.maximum(low - more, 0)
    window = plan.room[storey, low[0] : high[0] + more, low[1] : high[1] + more]
    return storey, low, ndimage.distance_transform_edt(window != room) * CELL


def _name(plan: RoomPlan, storey: int, low: np.ndarray, reach: np.ndarray) -> str:
    """Return a name of the cells of a storey that a piece reaches."""
    space = [plan.low + low, reach.shape, *(plan.borders[max(storey - 1, 0) : storey + 1])]
    told = repr((storey > 0, [np.asarray(part).tolist() for part in space])).encode()
    return (
        'room_' + hashlib.blake2b(told + np.packbits(reach).tobytes(), digest_size=8).hexdigest()
    )
