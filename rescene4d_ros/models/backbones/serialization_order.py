"""In which order, and together with whom, voxels attend: along curves, per visit or merged."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rescene4d_ros.models.backbones.space_filling_curves import curve_code, CURVES
from rescene4d_ros.sparse.ops import avg_pool
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import Tensor


@dataclass(frozen=True)
class AttentionPattern:
    """
    Hold the way one block attends.

    Attributes
    ----------
    is_merged : bool
        Through all visits, or within each.
    curve : str
        One of `CURVES`.

    """

    is_merged: bool
    curve: str


# What the blocks of a level take in turn.
_PATTERNS = {
    'off': tuple(AttentionPattern(False, curve) for curve in CURVES),
    'merged': tuple(AttentionPattern(True, curve) for curve in CURVES),
    'mixed': tuple(
        AttentionPattern(k % 2 == first, curve)
        for first in (0, 1)
        for k, curve in enumerate(CURVES)
    ),
}


@dataclass(frozen=True)
class Order:
    """
    Hold one serialization of the voxels of a level.

    Attributes
    ----------
    rows : Tensor (V,), int64
        Voxel at each place of the order.
    places : Tensor (V,), int64
        Place of each voxel: the inverse of `rows`.
    counts : tuple of int
        Runs of the order that attend among themselves; they sum to V.

    """

    rows: Tensor
    places: Tensor
    counts: tuple[int, ...]


@dataclass(frozen=True)
class TieBreak:
    """
    Hold what puts voxels of one cell in order, whatever numbers their visits have.

    Attributes
    ----------
    xyz : Tensor (V, 3), float32, m
        Mean place of the points in each voxel; compared first.
    rank : Tensor (T,), int64
        Of each visit slot, where places are equal; see `visit_ranks`.

    """

    xyz: Tensor
    rank: Tensor

    def down(self, voxels: Voxels) -> TieBreak:
        """Return the same for `voxels.down()`, where this is for `voxels`."""
        return TieBreak(avg_pool(self.xyz, voxels), self.rank)

    def is_before(self, one: Tensor, two: Tensor, slots: Tensor) -> Tensor:
        """Return whether voxels `one` (P,) come before voxels `two` (P,), rows of `slots` (V,)."""
        before = self.rank[slots[one]] < self.rank[slots[two]]
        for axis in (2, 1, 0):
            a, b = self.xyz[one, axis], self.xyz[two, axis]
            before = (a < b) | ((a == b) & before)
        return before


def visit_ranks(voxels: Voxels, feats: Tensor, n_visits: int) -> Tensor:
    """
    Rank visits by what is in them; only visits that are the same share a rank.

    Parameters
    ----------
    voxels : Voxels
        Of the finest level.
    feats : Tensor (V, C), float32
        That the network is given.
    n_visits : int
        T.

    Returns
    -------
    Tensor (T,), int64

    """
    cells = (voxels.coords[:, 1:] - voxels.coords[:, 1:].amin(0)).double()
    rows = torch.cat([cells, cells.square(), feats.double()], dim=1)
    counts = voxels.visit_splits(n_visits)
    told = [(n, *part.sum(0).tolist()) for n, part in zip(counts, rows.split(counts))]
    place = {content: k for k, content in enumerate(sorted(set(told)))}
    return torch.tensor([place[content] for content in told], device=feats.device)


def visit_order(voxels: Voxels, stride_bits: int, curve: str) -> Order:
    """
    Serialize each visit on its own; each is one run.

    Parameters
    ----------
    voxels : Voxels
        Of one level.
    stride_bits : int
        How many more times this level is pooled. Curves begin at a cell of the coarsest level,
        so that moving the map by such cells changes nothing.
    curve : str
        One of `CURVES`.

    """
    counts = _visit_counts(voxels)
    cells = voxels.coords[:, 1:].split(counts)
    starts = torch.tensor([0, *counts]).cumsum(0).tolist()
    return _order(
        torch.cat(
            [_codes(c, stride_bits, curve).argsort() + start for c, start in zip(cells, starts)]
        ),
        counts,
    )


def merged_order(
    voxels: Voxels, stride_bits: int, curve: str, ties: TieBreak | None = None
) -> Order:
    """
    Serialize all visits together as one run: a place's voxels follow each other.

    Parameters
    ----------
    voxels, stride_bits, curve
        See `visit_order`.
    ties : TieBreak, optional
        Order of a place's voxels. None = that of the visits, and runs as long as the visits,
        though each holds voxels of all; as published.

    """
    codes = _codes(voxels.coords[:, 1:], stride_bits, curve)
    codes, rows = codes.sort(stable=True)
    if ties is None:
        return _order(rows, _visit_counts(voxels))
    return _order(_without_ties(codes, rows, voxels.coords[:, 0], ties), [len(voxels)])


def level_patterns(serialization: str, n_blocks: int, shuffle: bool) -> list[AttentionPattern]:
    """
    Return which way each block of a level attends.

    Parameters
    ----------
    serialization : str
        'off': each visit alone; 'merged': all visits together; 'mixed': both in turn; 'late':
        alone, but for the last block.
    n_blocks : int
    shuffle : bool
        Draw which blocks take which (training); otherwise always the same.

    """
    patterns = _PATTERNS['off' if serialization == 'late' else serialization]
    picked = torch.randperm(len(patterns)).tolist() if shuffle else range(len(patterns))
    taken = [patterns[picked[k % len(patterns)]] for k in range(n_blocks)]
    if serialization == 'late':
        taken[-1] = replace(taken[-1], is_merged=True)
    return taken


def order_of(
    pattern: AttentionPattern, voxels: Voxels, stride_bits: int, ties: TieBreak | None
) -> Order:
    """Return the order that a block attends in; see `visit_order` and `merged_order`."""
    if pattern.is_merged:
        return merged_order(voxels, stride_bits, pattern.curve, ties)
    return visit_order(voxels, stride_bits, pattern.curve)


def _visit_counts(voxels: Voxels) -> list[int]:
    """Return the number of voxels of each visit that has any."""
    return [n for n in voxels.visit_splits(1) if n]


def _local(cells: Tensor, stride_bits: int) -> Tensor:
    """Return absolute cells (V, 3) relative to a cell of the coarsest level."""
    return cells - ((cells.amin(0) >> stride_bits) << stride_bits)


def _codes(cells: Tensor, stride_bits: int, curve: str) -> Tensor:
    """Return the places of absolute cells (V, 3) on a curve, (V,)."""
    local = _local(cells, stride_bits)
    return curve_code(local, int(local.max() + 1).bit_length(), curve)


def _without_ties(codes: Tensor, rows: Tensor, slots: Tensor, ties: TieBreak) -> Tensor:
    """Return the rows along sorted codes with those of one code in the order of `ties`."""
    at = torch.arange(len(codes), device=codes.device)
    begins = torch.ones_like(codes, dtype=torch.bool)
    begins[1:] = codes[1:] != codes[:-1]
    place = torch.where(begins, at, 0).cummax(0).values
    # Each voxel moves past those of its cell that come before it, pair by pair.
    step = 1
    while True:
        first = (codes[step:] == codes[:-step]).nonzero()[:, 0]
        if not len(first):
            break
        keeps = ~ties.is_before(rows[first + step], rows[first], slots)
        place.index_add_(0, torch.where(keeps, first + step, first), torch.ones_like(first))
        step += 1
    ordered = torch.empty_like(rows)
    ordered[place] = rows
    return ordered


def _order(rows: Tensor, counts: list[int]) -> Order:
    """Return the order with its inverse."""
    places = torch.empty_like(rows)
    places[rows] = torch.arange(len(rows), device=rows.device)
    return Order(rows, places, tuple(counts))
