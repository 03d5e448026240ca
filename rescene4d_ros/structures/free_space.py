"""Which space a visit looked through: cells in which nothing stood."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.errors import ScanError

MOST_CELLS = 64_000_000  # 200 m x 100 m x 3 m in cells of 10 cm


@dataclass(frozen=True)
class FreeSpace:
    """
    Hold which cells of a grid were looked through, with nothing measured in them.

    A cell that is not free was not looked through, or holds a surface: nothing is known of it.

    Attributes
    ----------
    map_T_grid : ndarray (4, 4), float64
        Takes places in the grid, m from the lowest corner of its first cell, to the map less
        the origin of the visit.
    is_free : ndarray (X, Y, Z), bool
    cell : float, m
        Edge of a cell.

    """

    map_T_grid: np.ndarray
    is_free: np.ndarray
    cell: float

    def __post_init__(self) -> None:
        """Refuse what is no grid."""
        shape, cells = np.shape(self.map_T_grid), self.is_free
        if shape != (4, 4) or not np.isfinite(self.map_T_grid).all():
            raise ScanError(f'free space: expected a pose of 4 x 4 finite numbers, got {shape}')
        if cells.ndim != 3 or cells.dtype != bool or cells.size > MOST_CELLS:
            raise ScanError(
                f'free space: expected at most {MOST_CELLS} cells (X, Y, Z) of bool, got '
                f'{cells.shape} of {cells.dtype}; use larger cells'
            )
        if not 1e-3 <= self.cell <= 10.0:
            raise ScanError(
                f'free space: expected cells of 0.001 m to 10 m, got {self.cell:g} m; check the '
                'unit'
            )

    @classmethod
    def at_corner(cls, corner: np.ndarray, is_free: np.ndarray, cell: float) -> FreeSpace:
        """Return a grid along the axes of the map, by the lowest corner (3,), m, of its cells."""
        map_T_grid = np.eye(4)
        map_T_grid[:3, 3] = corner
        return cls(map_T_grid, is_free, cell)

    @classmethod
    def of_bits(
        cls, map_T_grid: np.ndarray, bits: np.ndarray, size: tuple[int, ...], cell: float
    ) -> FreeSpace:
        """
        Return the grid whose `bits` these are.

        Raises
        ------
        ScanError
            More or fewer bits than cells, or no grid.

        """
        count = int(np.prod(np.array(size, dtype=float))) if len(size) == 3 else 0
        if not 0 < count <= MOST_CELLS or len(bits) != -(-count // 8):
            raise ScanError(
                f'free space: expected one bit for each of 1 to {MOST_CELLS} cells, got '
                f'{len(bits)} bytes for {" x ".join(map(str, size))} cells'
            )
        flat = np.unpackbits(np.asarray(bits, np.uint8), count=count, bitorder='little')
        return cls(map_T_grid, flat.view(bool).reshape(size[::-1]).transpose(2, 1, 0), cell)

    @property
    def bits(self) -> np.ndarray:
        """Return one bit per cell (B,), uint8: lowest bit first, x fastest and z slowest."""
        return np.packbits(self.is_free.transpose(2, 1, 0).ravel(), bitorder='little')

    def moved(self, motion: np.ndarray) -> FreeSpace:
        """Return it moved by a rigid (4, 4) motion, m."""
        return replace(self, map_T_grid=motion @ self.map_T_grid)

    def shifted(self, shift: np.ndarray) -> FreeSpace:
        """Return it moved by a shift (3,), m."""
        map_T_grid = self.map_T_grid.copy()
        map_T_grid[:3, 3] += shift
        return replace(self, map_T_grid=map_T_grid)

    def at(self, xyz: np.ndarray) -> np.ndarray:
        """Return whether the cells of places (N, 3), m, are free; those outside are not known."""
        return self._look(np.floor(self._cells_of(xyz)))

    def around(self, xyz: np.ndarray) -> np.ndarray:
        """
        Return whether all eight cells nearest to places (N, 3), m, are free.

        The cell of a surface may be looked through in front of it. Those behind the surface are
        hidden as long as it is there.
        """
        low = np.floor(self._cells_of(xyz) - 0.5)
        found = np.ones(len(xyz), dtype=bool)
        for step in np.ndindex(2, 2, 2):
            found &= self._look(low + step)
        return found

    def _cells_of(self, xyz: np.ndarray) -> np.ndarray:
        """Return places (N, 3), m, in the grid, in cells."""
        turn, corner = self.map_T_grid[:3, :3], self.map_T_grid[:3, 3]
        return (np.asarray(xyz, np.float64) - corner) @ turn / self.cell

    def _look(self, cells: np.ndarray) -> np.ndarray:
        """Return whether cells (N, 3) are inside the grid and free."""
        inside = ((cells >= 0) & (cells < self.is_free.shape)).all(axis=1)
        found = np.zeros(len(cells), dtype=bool)
        found[inside] = self.is_free[tuple(cells[inside].astype(np.int64).T)]
        return found
