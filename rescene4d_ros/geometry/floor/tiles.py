"""Tiles: squares of a grid fixed in the map, each of one storey, and a margin around each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.floor.storeys import storey_of

Tile = tuple[int, int, int]  # column and row in the grid, and storey
HALF = 1 << 25  # tiles on either side of the map's origin
STOREYS = 1 << 10


@dataclass(frozen=True)
class TileShape:
    """
    Hold the size of tiles.

    Attributes
    ----------
    edge : float, m
        Of the core, the part that no other tile has.
    margin : float, m
        Around the core, shared with the neighbors of the same storey; at most `edge`.
    borders : tuple of float, m
        Between storeys; see `storey_borders`.

    """

    edge: float
    margin: float
    borders: tuple[float, ...] = ()

    def tiles_of(self, xyz: np.ndarray) -> np.ndarray:
        """Return the tile (N, 3), int64, in whose core each point (N, 3) lies."""
        square = np.floor(xyz[:, :2] / self.edge).astype(np.int64)
        return np.c_[square, storey_of(xyz[:, 2], self.borders)]

    def reach(self, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
        """Return the corners (2,), m, of a tile with its margin in the floor plan."""
        low = np.array(tile[:2]) * self.edge
        return low - self.margin, low + self.edge + self.margin

    def name_of(self, tile: Tile) -> str:
        """Return a name, without minus signs, that means the same space with other storeys too."""
        column, row, storey = tile
        low, high = self.borders[:storey][-1:], self.borders[storey:][:1]
        parts = [
            f'{column}_{row}',
            *(f'above_{z:g}' for z in low),
            *(f'below_{z:g}' for z in high),
        ]
        return '_'.join(parts).replace('-', 'm')


class TiledCloud:
    """
    Points of one visit by the tile whose core they lie in.

    Parameters
    ----------
    xyz : ndarray (N, 3), float, m, in map
    shape : TileShape
    only : sequence of Tile, optional
        The tiles that will be asked for; points far from them take no part.

    """

    def __init__(self, xyz: np.ndarray, shape: TileShape, only: Sequence[Tile] | None = None):
        self._floor, self._shape = xyz[:, :2], shape
        rows = np.arange(len(xyz))
        if only is not None:
            corners = np.array([shape.reach(tile) for tile in only]).reshape(-1, 2, 2)
            inside = np.zeros(len(xyz), dtype=bool)
            if len(corners):
                low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
                inside = ((self._floor >= low) & (self._floor < high)).all(axis=1)
            rows = np.flatnonzero(inside)
        key = _key(*shape.tiles_of(xyz[rows]).T)
        order = np.argsort(key, kind='stable')
        self._names, self._starts = np.unique(key[order], return_index=True)
        self._ends = np.append(self._starts[1:], len(key))
        self._order = rows[order]

    def counts(self) -> dict[Tile, int]:
        """Return the number of points in the core of each tile that has any."""
        sizes = (self._ends - self._starts).tolist()
        return {_tile(name): size for name, size in zip(self._names.tolist(), sizes)}

    def take(self, tile: Tile) -> np.ndarray:
        """Return the points (M,), int64, ascending, of a tile with its margin."""
        low, high = self._shape.reach(tile)
        points = np.sort(np.concatenate([self._core(one) for one in tiles_around(tile)]))
        where = self._floor[points]
        return points[((where >= low) & (where < high)).all(axis=1)]

    def _core(self, tile: Tile) -> np.ndarray:
        """Return the points in the core of a tile."""
        key = _key(*tile)
        at = int(np.searchsorted(self._names, key))
        if at == len(self._names) or self._names[at] != key:
            return np.empty(0, dtype=np.int64)
        return self._order[self._starts[at] : self._ends[at]]


def tiles_around(tile: Tile) -> list[Tile]:
    """Return a tile and its eight neighbors of the same storey."""
    column, row, storey = tile
    return [(column + x, row + y, storey) for x in (-1, 0, 1) for y in (-1, 0, 1)]


def tiles_of_newest(
    clouds: Sequence[np.ndarray], shape: TileShape, least: int
) -> tuple[list[Tile], list[TiledCloud]]:
    """
    Cut visits into the tiles in which the last of them has points.

    Parameters
    ----------
    clouds : sequence of T ndarrays (N_t, 3), float, m, in map
    shape : TileShape
    least : int
        Least number of points of the last visit in the core of a tile.

    Returns
    -------
    tiles : list of Tile
        In the order of the grid.
    tiled : list of T TiledCloud

    """
    newest = TiledCloud(clouds[-1], shape)
    tiles = sorted(tile for tile, count in newest.counts().items() if count >= least)
    return tiles, [*(TiledCloud(xyz, shape, tiles) for xyz in clouds[:-1]), newest]


def _key(column, row, storey):
    """Return one number per tile."""
    return ((column + HALF) * (2 * HALF) + row + HALF) * STOREYS + storey


def _tile(key: int) -> Tile:
    """Return the tile of a number."""
    square, storey = divmod(key, STOREYS)
    column, row = divmod(square, 2 * HALF)
    return column - HALF, row - HALF, storey
