"""Sorted voxels of several visits on one grid, their neighbors and their coarser levels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product

from rescene4d_ros.sparse.kernel_map import JoinedMap, KernelMap
import torch
from torch import Tensor

NATIVE, TORCHSPARSE = 'native', 'torchsparse'  # backend of convolutions; see `choose_backend`


class Voxels:
    """
    Hold the unique voxels of several visits on one common grid, sorted by (visit, x, y, z).

    Neighbor tables, convolution maps and coarser levels are computed at first use and cached, so
    all layers of a level share them. Voxels of different visits are never neighbors.

    Attributes
    ----------
    coords : Tensor (V, 4), int64
        Columns visit slot, x, y, z; any sign; sorted.
    order : Tensor (V,), int64
        Input row of each sorted voxel: `feats[order]` are features in the order of `coords`.
    backend : str
        Backend of convolutions, 'native' or 'torchsparse'; see `choose_backend`.

    """

    def __init__(self, coords: torch.Tensor, order: torch.Tensor, backend: str = NATIVE):
        """Take sorted, unique coords; use `build` for others."""
        self.coords = coords
        self.order = order
        self.backend = backend
        self._maps: dict[int, KernelMap] = {}
        self._coarse: Voxels | None = None
        self._parent: torch.Tensor | None = None
        self._children: tuple[torch.Tensor, torch.Tensor] | None = None
        self._down_map: KernelMap | None = None
        self._up_map: KernelMap | None = None

    @classmethod
    def build(cls, coords: torch.Tensor, backend: str = NATIVE) -> Voxels:
        """
        Sort the voxels.

        Parameters
        ----------
        coords : Tensor (V, 4), integer
            Columns visit slot, x, y, z; unique rows in any order.
        backend : str
            See the class.

        Raises
        ------
        ValueError
            Wrong shape or type, or a voxel that occurs twice.

        """
        if coords.ndim != 2 or coords.shape[1] != 4 or coords.is_floating_point():
            raise ValueError(
                'voxel coordinates: expected integers (V, 4) with columns visit, x, '
                f'y, z; got {tuple(coords.shape)} {coords.dtype}'
            )
        coords = coords.long()
        keys, order = torch.sort(linear_keys(coords, 0)[0])
        if bool((keys[1:] == keys[:-1]).any()):
            raise ValueError(
                'voxel coordinates: expected unique rows, got a voxel twice; '
                'voxelize the points of each visit first'
            )
        return cls(coords[order], order, backend)

    def __len__(self) -> int:
        """Return the number of voxels V."""
        return len(self.coords)

    def sort(self, rows: torch.Tensor) -> torch.Tensor:
        """Bring rows from the order given to `build` into the order of `coords`."""
        return rows[self.order]

    def unsort(self, rows: torch.Tensor) -> torch.Tensor:
        """Bring rows from the order of `coords` back into the order given to `build`."""
        inverse = torch.empty_like(self.order)
        inverse[self.order] = torch.arange(len(self), device=self.order.device)
        return rows[inverse]

    def visit_splits(self, n_visits: int) -> list[int]:
        """Return the number of voxels of each visit slot 0..n_visits-1; they are contiguous."""
        return torch.bincount(self.coords[:, 0], minlength=n_visits).tolist()

    def to(self, device: torch.device | str) -> Voxels:
        """Return the voxels on another device, with empty caches."""
        return Voxels(self.coords.to(device), self.order.to(device), self.backend)

    def neighbors(self, kernel_size: int = 3) -> torch.Tensor:
        """
        Return the row of each voxel's neighbors.

        Returns
        -------
        Tensor (kernel_size ** 3, V), int32
            Row k belongs to the offset (dx, dy, dz) with k = x + n * (y + n * z), x fastest,
            each counted from -(n // 2); -1 = no such voxel.

        """
        return self.subm_map(kernel_size).table

    def subm_map(self, kernel_size: int = 3) -> KernelMap:
        """Return the map of a convolution that keeps the voxels."""
        if kernel_size not in self._maps:
            if kernel_size < 1 or kernel_size % 2 == 0:
                raise ValueError(f'kernel size: expected odd and positive, got {kernel_size}')
            table = _neighbor_table(self.coords, kernel_size // 2)
            self._maps[kernel_size] = KernelMap(table, len(self), identity=len(table) // 2)
        return self._maps[kernel_size]

    def down(self) -> Voxels:
        """Return the level of twice the voxel size: parents floor(x / 2) in absolute terms."""
        if self._coarse is None:
            parents = self.coords.clone()
            parents[:, 1:] >>= 1
            keys, self._parent = torch.unique(linear_keys(parents, 0)[0], return_inverse=True)
            coords = parents.new_empty(len(keys), 4)
            coords[self._parent] = parents
            self._coarse = Voxels(
                coords, torch.arange(len(keys), device=coords.device), self.backend
            )
        return self._coarse

    @property
    def parent(self) -> torch.Tensor:
        """Return the row of each voxel's parent in `down()`, (V,) int64."""
        self.down()
        assert self._parent is not None  # made with the level above
        return self._parent

    def children(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows by parent, (V,), and how many each parent has, (len(down()),)."""
        if self._children is None:
            self._children = (
                torch.sort(self.parent, stable=True).indices,
                torch.bincount(self.parent, minlength=len(self.down())),
            )
        return self._children

    @property
    def child_offset(self) -> torch.Tensor:
        """Return the place of each voxel in its parent, (V,) int64, 0..7, x fastest."""
        odd = self.coords[:, 1:] & 1
        return odd[:, 0] + 2 * odd[:, 1] + 4 * odd[:, 2]

    def down_map(self) -> KernelMap:
        """Return the map of the 2^3 convolution of stride 2 onto `down()`."""
        if self._down_map is None:
            rows = torch.arange(len(self), dtype=torch.int32, device=self.coords.device)
            table = rows.new_full((8, len(self.down())), -1)
            table[self.child_offset, self.parent] = rows
            self._down_map = KernelMap(table, len(self))
        return self._down_map

    def up_map(self) -> KernelMap:
        """Return the map of the transposed 2^3 convolution from `down()` onto these voxels."""
        if self._up_map is None:
            rows = torch.arange(len(self), device=self.coords.device)
            table = torch.full((8, len(self)), -1, dtype=torch.int32, device=rows.device)
            table[self.child_offset, rows] = self.parent.int()
            self._up_map = KernelMap(table, len(self.down()))
        return self._up_map


def linear_keys(coords: torch.Tensor, halo: int) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """
    Return the number of each cell in the bounding grid, z fastest.

    Parameters
    ----------
    coords : Tensor (V, 4), int64
    halo : int
        Empty cells on each side of x, y and z, so that a neighbor's key is key + constant
        and never that of a voxel in another row or visit.

    Returns
    -------
    keys : Tensor (V,), int64
    steps : tuple of 3 int
        Key difference of one step along x, y and z.

    """
    if not len(coords):
        return coords.new_empty(0), (1, 1, 1)
    low = coords.amin(0)
    span = (coords.amax(0) - low + 1).tolist()
    nx, ny, nz = (s + 2 * halo for s in span[1:])
    if span[0] * nx * ny * nz >= 2**62:
        raise ValueError(
            'voxel coordinates: expected a bounding grid of less than 2^62 cells, '
            f'got visits x {span[1:]} = {span}; remove far outliers'
        )
    steps = (ny * nz, nz, 1)
    c = coords - low
    c[:, 1:] += halo
    return ((c[:, 0] * nx + c[:, 1]) * ny + c[:, 2]) * nz + c[:, 3], steps


def _neighbor_table(coords: torch.Tensor, radius: int) -> torch.Tensor:
    """
    Find the neighbors with one search per (dx, dy) column of half the kernel.

    Voxels that differ in z alone are adjacent in sorted order, so a search for the lowest dz
    also finds the others; if j is i's neighbor at offset k, i is j's at the mirrored offset.
    """
    n, v = 2 * radius + 1, len(coords)
    table = torch.full((n**3, v), -1, dtype=torch.int32, device=coords.device)
    rows = torch.arange(v, dtype=torch.int32, device=coords.device)
    table[n**3 // 2] = rows
    if not v:
        return table
    keys, (step_x, step_y, _) = linear_keys(coords, radius)
    keys_and_end = torch.cat((keys, keys.new_full((1,), -1)))
    columns = [c for c in product(range(-radius, radius + 1), repeat=2) if c >= (0, 0)]
    for dx, dy in columns:
        low_dz = -radius if (dx, dy) != (0, 0) else 1
        wanted = keys + (dx * step_x + dy * step_y + low_dz)
        # Keys are unique and sorted, so an existing next cell follows its voxel.
        at = torch.searchsorted(keys, wanted) if (dx, dy) != (0, 0) else rows.long() + 1
        for dz in range(low_dz, radius + 1):
            found = keys_and_end.index_select(0, at) == wanted
            k = dx + radius + n * (dy + radius + n * (dz + radius))
            # Whole rows at a time: selecting the found entries costs more than the search.
            table[k] = torch.where(found, at, -1)
            mirror = table.new_full(
                (v + 1,), -1
            )  # the last entry is for voxels without a neighbor
            table[n**3 - 1 - k] = mirror.scatter_(0, torch.where(found, at, v), rows)[:v]
            at = at + found
            wanted = wanted + 1
    return table


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
            self._maps[kernel_size] = JoinedMap(
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


def _counted_on(rows: Sequence[Tensor], starts: Sequence[int]) -> Tensor:
    """Return the rows of all parts, shifted by the number of rows before each part."""
    return torch.cat([r + start for r, start in zip(rows, starts)])
