"""Rooms of a storey by its walls: every place of the floor plan belongs to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import io
import math

import numpy as np
from rescene4d_ros.geometry.floor.storeys import storey_borders, storey_of
from rescene4d_ros.geometry.floor.structure import floor_without_normals
from rescene4d_ros.geometry.point_sets import evenly
from scipy import ndimage

CELL = 0.1  # m; edge of the cells of the floor plan
FROM_HEIGHT, LAYER, LAYERS = 0.4, 0.2, 8  # m, m; over the floor, in which a wall is looked for
WALL_LAYERS = 6  # of them that a wall, or a wardrobe, occupies
DOOR = 0.45  # m; half the width of an opening that still parts two rooms
GAP = 3  # cells; half of what hides the floor in the middle of a room and does not part it
LEAST_ROOM = 0.3  # m^2 farther than `DOOR` from all walls
MOST_POINTS = 1 << 19  # of a visit, by which its floor is known
MOST_CELLS = 1 << 26  # of a plan: 67 hectares with all storeys


@dataclass(frozen=True)
class RoomPlan:
    """
    Hold which room each place of a building belongs to.

    Attributes
    ----------
    low : ndarray (2,), int64
        Column and row of the first cell of the plan.
    room : ndarray (S, X, Y), int32
        Room of each cell of each storey, from 0 on.
    is_divided : ndarray (R,), bool
        Whether it is a square of a large room.
    borders : tuple of float, m
        Between storeys.
    shown : ndarray (C,), float64
        Names of the cubes of 1 m in which it knows surfaces, rising; see `cubes_of`.

    """

    low: np.ndarray
    room: np.ndarray
    is_divided: np.ndarray
    borders: tuple[float, ...]
    shown: np.ndarray

    def to_bytes(self) -> bytes:
        """Return the plan as it is kept."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            low=self.low,
            room=self.room,
            is_divided=self.is_divided,
            borders=np.array(self.borders),
            shown=self.shown,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> RoomPlan:
        """Return the plan of `to_bytes`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as kept:
            borders = tuple(kept['borders'].tolist())
            return cls(kept['low'], kept['room'], kept['is_divided'], borders, kept['shown'])

    def cells_of(self, xyz: np.ndarray) -> np.ndarray:
        """Return the cell (N, 3), int64, of each point: storey, column and row in the plan."""
        plan = np.floor(xyz[:, :2] / CELL).astype(np.int64) - self.low
        inside = np.clip(plan, 0, np.array(self.room.shape[1:]) - 1)
        return np.c_[storey_of(xyz[:, 2], self.borders), inside]


def cubes_of(xyz: np.ndarray) -> np.ndarray:
    """Return the names (C,), float64, rising, of the cubes of 1 m that points (N, 3) lie in."""
    return np.unique(np.floor(xyz[evenly(len(xyz), MOST_POINTS)]) @ (1 << 40, 1 << 20, 1))


def share_known(cubes: np.ndarray, others: np.ndarray) -> float:
    """Return the share of cubes (C,) that are among others; 1 without."""
    return float(np.isin(cubes, others).mean()) if len(cubes) else 1.0


def plan_rooms(clouds: Sequence[np.ndarray], edge: float, most: float) -> RoomPlan | None:
    """
    Divide a building into rooms.

    What is farther from all walls than half a door is the middle of a room, where it hangs
    together; every other place belongs to the nearest middle. Larger rooms than `most` are
    divided by a grid.

    Parameters
    ----------
    clouds : sequence of ndarray (N, 3), float, m, in map
    edge : float, m
        Of the squares of the grid.
    most : float, m^2
        Floor of a room that is one.

    Returns
    -------
    RoomPlan or None
        None where no walls part rooms, or the points reach too far for a plan of all.

    """
    known = [xyz for xyz in clouds if len(xyz)]
    if not known:
        return None
    borders = storey_borders(known)
    low = np.min([np.floor(xyz[:, :2].min(axis=0) / CELL) for xyz in known], axis=0)
    high = np.max([np.floor(xyz[:, :2].max(axis=0) / CELL) for xyz in known], axis=0)
    shape = (*(high - low + 1).astype(int).tolist(), len(borders) + 1)
    if math.prod(shape) > MOST_CELLS:
        return None
    storeys, is_divided = [], np.zeros(0, dtype=bool)
    for storey in range(len(borders) + 1):
        of_storey = [xyz[storey_of(xyz[:, 2], borders) == storey] for xyz in known]
        room, seen = _rooms(np.concatenate(of_storey), low, shape[:2])
        room, divided = _divided(room, seen, low, edge, most)
        storeys.append(len(is_divided) + room)
        is_divided = np.r_[is_divided, divided]
    if is_divided.all():
        return None
    room = np.stack(storeys).astype(np.int32)
    shown = np.unique(np.concatenate([cubes_of(xyz) for xyz in known]))
    return RoomPlan(low.astype(np.int64), room, is_divided, borders, shown)


def _rooms(
    xyz: np.ndarray, low: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the room (X, Y) of each cell of one storey, from 0 on, and which were visited."""
    none, seen = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    if len(xyz) == 0:
        return none, seen
    cell = np.ravel_multi_index(
        tuple((np.floor(xyz[:, k] / CELL) - low[k]).astype(np.int64) for k in (0, 1)), shape
    )
    seen.flat[cell] = True
    seen = ndimage.binary_closing(np.pad(seen, GAP), iterations=GAP)[GAP:-GAP, GAP:-GAP]
    layer = np.floor((xyz[:, 2] - floor_without_normals(xyz) - FROM_HEIGHT) / LAYER)
    standing = (layer >= 0) & (layer < LAYERS)
    occupied = np.zeros((seen.size, LAYERS), dtype=bool)
    occupied[cell[standing], layer[standing].astype(np.int64)] = True
    wall = (occupied.sum(axis=1) >= WALL_LAYERS).reshape(shape)
    if not wall.any():
        return none, seen
    middle = seen & (ndimage.distance_transform_edt(~wall) * CELL > DOOR)
    names, count = ndimage.label(middle)
    sizes = np.bincount(names.ravel(), minlength=count + 1) * CELL**2
    small = np.flatnonzero(sizes < LEAST_ROOM)
    names[np.isin(names, small)] = 0
    if not names.any():
        return none, seen
    nearest = ndimage.distance_transform_edt(
        names == 0, return_distances=False, return_indices=True
    )
    return np.unique(names[tuple(nearest)], return_inverse=True)[1].reshape(shape), seen


def _divided(
    room: np.ndarray, seen: np.ndarray, low: np.ndarray, edge: float, most: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return rooms with the large ones divided by squares of the map, and which these are."""
    large = np.bincount(room.ravel(), seen.ravel()) * CELL**2 > most
    column, row = (
        np.floor((low[k] + np.arange(room.shape[k])) * CELL / edge).astype(np.int64)
        for k in (0, 1)
    )
    square = (column - column[0])[:, None] * (int(row[-1] - row[0]) + 1) + (row - row[0])
    both = room * (int(square.max()) + 1) + np.where(large[room], square, 0)
    _, first, name = np.unique(both, return_index=True, return_inverse=True)
    return name.reshape(room.shape), large[room.ravel()[first]]
