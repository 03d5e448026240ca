"""Kernel maps: pairs of input row and output row per kernel offset, cut into tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

# Rows per tile: gathered rows and products of one kernel offset (a few hundred per tile) stay in
# the CPU's second-level cache. The features have the same bits for any number.
TILE_ROWS = 2048


@dataclass(frozen=True)
class Tile:
    """
    Hold the pairs of a run of output rows, ordered by kernel offset, then by output row.

    Attributes
    ----------
    start, stop : int
        Output rows of this tile.
    runs : tuple of (k, first, last)
        Pairs first..last-1 go through kernel offset k; offsets without pairs are left out.
    in_rows, out_rows : Tensor (P,), int32
        Input and output row of each pair, counted over the whole map.
    bag : Tensor (P,), int32
        The pairs again, grouped by output row.
    bag_offsets : Tensor (stop - start + 1,), int32
        Where each output row's group begins in `bag`.

    """

    start: int
    stop: int
    runs: tuple[tuple[int, int, int], ...]
    in_rows: torch.Tensor
    out_rows: torch.Tensor
    bag: torch.Tensor
    bag_offsets: torch.Tensor

    def moved(self, rows: int) -> Tile:
        """Return the same pairs with shifted input and output rows."""
        return replace(
            self,
            start=self.start + rows,
            stop=self.stop + rows,
            in_rows=self.in_rows + rows,
            out_rows=self.out_rows + rows,
        )


class KernelMap:
    """
    Hold the geometry of one convolution: y[o] = sum over k of x[table[k, o]] @ W[k].

    Parameters
    ----------
    table : Tensor (K, V_out), int32
        Input row per kernel offset and output row; -1 = none.
    n_in : int
        Number of input rows.
    identity : int, optional
        Kernel offset whose input row is the output row itself: no gather is needed for it.
    tile_rows : int
        Output rows per tile.

    """

    def __init__(
        self,
        table: torch.Tensor,
        n_in: int,
        identity: int | None = None,
        tile_rows: int = TILE_ROWS,
    ):
        self.table = table
        self.n_in = n_in
        self.identity = identity
        self.tile_rows = tile_rows
        self._tiles: tuple[Tile, ...] | None = None

    @property
    def n_out(self) -> int:
        """Return the number of output rows."""
        return self.table.shape[1]

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Return the tiles of the CPU path, made at first use."""
        if self._tiles is None:
            self._tiles = tuple(
                self._tile(start, min(start + self.tile_rows, self.n_out))
                for start in range(0, self.n_out, self.tile_rows)
            )
        return self._tiles

    def pairs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Return the map as a list.

        Returns
        -------
        pairs : Tensor (P, 2), int32
            Input and output row, ordered by kernel offset, then by output row.
        counts : Tensor (K,), int32
            Pairs of each kernel offset.

        """
        present = self.table >= 0
        rows = torch.arange(self.n_out, dtype=torch.int32, device=self.table.device)
        pairs = torch.stack((self.table[present], rows.expand_as(self.table)[present]), 1)
        return pairs, present.sum(1, dtype=torch.int32)

    def _tile(self, start: int, stop: int) -> Tile:
        """Cut the pairs of the output rows start..stop-1 out of the table."""
        part = self.table[:, start:stop].contiguous()
        present = part >= 0
        if self.identity is not None:
            present[self.identity] = False
        runs, first = [], 0
        for k, n in enumerate(present.sum(1).tolist()):
            if n:
                runs.append((k, first, first + n))
            first += n
        pairs = present.flatten().nonzero().squeeze(1)
        row = pairs % (stop - start)
        offsets = torch.zeros(stop - start + 1, dtype=torch.int32, device=part.device)
        torch.cumsum(present.sum(0, dtype=torch.int32), 0, out=offsets[1:])
        # Sorting 16-bit integers takes a fraction of the time.
        short = row.short() if stop - start <= torch.iinfo(torch.int16).max else row
        return Tile(
            start,
            stop,
            tuple(runs),
            part.flatten().index_select(0, pairs),
            row.int() + start,
            torch.sort(short, stable=True).indices.int(),
            offsets,
        )


class JoinedMap(KernelMap):
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
