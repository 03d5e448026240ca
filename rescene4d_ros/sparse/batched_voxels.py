"""Voxels of several visits joined from those of each visit, with their neighbor tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from rescene4d_ros.sparse.kernel_map import KernelMap, Tile
from rescene4d_ros.sparse.voxels import NATIVE, Voxels
import torch
from torch import Tensor


class JoinedVoxels(Voxels):
    """
    Hold the voxels of T visits, visit after visit, and take neighbors and levels from each.

    Voxels of different visits are never neighbors, so maps of a visit are reused with shifted row
    numbers.

    Parameters
    ----------
    parts : sequence of T Voxels
        One per visit; visit k takes slot k. Visits may be empty.
    backend : str
        See `Voxels`.

    """

    def __init__(self, parts: Sequence[Voxels], backend: str = NATIVE):
        self._parts = tuple(parts)
        self._starts = list(accumulate(map(len, parts), initial=0))[:-1]
        coords = torch.cat([p.coords for p in parts])
        coords[:, 0] = torch.cat([torch.full_like(p.order, k) for k, p in enumerate(parts)])
        super().__init__(coords, _counted_on([p.order for p in parts], self._starts), backend)

    def subm_map(self, kernel_size: int = 3) -> KernelMap:
        """Return the map of a convolution that keeps the voxels."""
        if kernel_size not in self._maps:
            self._maps[kernel_size] = _JoinedMap(
                [p.subm_map(kernel_size) for p in self._parts], self._starts
            )
        return self._maps[kernel_size]

    def down(self) -> Voxels:
        """Return the level of twice the voxel size: parents floor(x / 2) in absolute terms."""
        if self._coarse is None:
            coarse = JoinedVoxels([p.down() for p in self._parts], self.backend)
            self._parent = _counted_on([p.parent for p in self._parts], coarse._starts)
            self._coarse = coarse
        return self._coarse

    def children(self) -> tuple[Tensor, Tensor]:
        """Return the rows by parent, (V,), and how many each parent has, (len(down()),)."""
        if self._children is None:
            rows, counts = zip(*(p.children() for p in self._parts))
            self._children = _counted_on(rows, self._starts), torch.cat(counts)
        return self._children


class _JoinedMap(KernelMap):
    """The maps of several visits as one map, with the tiles of each."""

    def __init__(self, maps: Sequence[KernelMap], starts: Sequence[int]):
        table = torch.cat(
            [torch.where(m.table < 0, m.table, m.table + start) for m, start in zip(maps, starts)],
            dim=1,
        )
        super().__init__(table, sum(m.n_in for m in maps), maps[0].identity, maps[0].tile_rows)
        self._maps, self._starts = maps, starts

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Return the tiles of the CPU path, made at first use."""
        if self._tiles is None:
            self._tiles = tuple(
                tile.moved(start) for m, start in zip(self._maps, self._starts) for tile in m.tiles
            )
        return self._tiles


def _counted_on(rows: Sequence[Tensor], starts: Sequence[int]) -> Tensor:
    """Return the rows of all parts, shifted by the number of rows before each part."""
    return torch.cat([r + start for r, start in zip(rows, starts)])
