"""Serialization orders of voxels: along curves, per visit or merged over visits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rescene4d_ros.models.backbones.space_filling_curves import curve_code, CURVES
from rescene4d_ros.sparse.convolutions import avg_pool
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import Tensor


@dataclass(frozen=True)
class AttentionPattern:
    """
    Attention pattern of one block.

    Attributes
    ----------
    is_merged : bool
        Through all visits, or within each.
    curve : str
        One of `CURVES`.

    """

    is_merged: bool
    curve: str


# Patterns that the blocks of a level use in turn.
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
    One serialization of the voxels of a level.

    Attributes
    ----------
    rows : Tensor (V,), int64
        Voxel at each position of the order.
    places : Tensor (V,), int64
        Position of each voxel: the inverse of `rows`.
    counts : tuple of int
        Lengths of the runs within which voxels attend; they sum to V.

    """

    rows: Tensor
    places: Tensor
    counts: tuple[int, ...]


@dataclass(frozen=True)
class TieBreak:
    """
    Order of the voxels of one cell, independent of the numbers of their visits.

    Attributes
    ----------
    xyz : Tensor (V, 3), float32, m
        Mean position of the points in each voxel; compared first.
    rank : Tensor (T,), int64
        Of each visit slot, for equal positions; see `visit_ranks`.

    """

    xyz: Tensor
    rank: Tensor

    def down(self, voxels: Voxels) -> TieBreak:
        """Return the tie break of `voxels.down()`."""
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
    Rank visits by their content; only equal visits share a rank.

    Parameters
    ----------
    voxels : Voxels
        Of the finest level.
    feats : Tensor (V, C), float32
        Input of the network.
    n_visits : int
        T.

    Returns
    -------
    Tensor (T,), int64

    """
    cells = (voxels.coords[:, 1:] - voxels.coords[:, 1:].amin(0)).double()
    rows = torch.cat([cells, cells.square(), feats.double()], dim=1)
    counts = voxels.visit_splits(n_visits)
    contents = [(n, *part.sum(0).tolist()) for n, part in zip(counts, rows.split(counts))]
    place = {content: k for k, content in enumerate(sorted(set(contents)))}
    return torch.tensor([place[content] for content in contents], device=feats.device)


def visit_order(voxels: Voxels, stride_bits: int, curve: str) -> Order:
    """
    Serialize each visit separately; each is one run.

    Parameters
    ----------
    voxels : Voxels
        Of one level.
    stride_bits : int
        Number of further poolings of this level. Curves begin at a cell of the coarsest level, so
        the result is invariant to shifts by such cells.
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
    Serialize all visits together as one run: voxels of one place are adjacent.

    Parameters
    ----------
    voxels, stride_bits, curve
        See `visit_order`.
    ties : TieBreak, optional
        Order of the voxels of one place. None = order of the visits, with runs as long as the
        visits although each holds voxels of all, as published.

    """
    codes = _codes(voxels.coords[:, 1:], stride_bits, curve)
    codes, rows = codes.sort(stable=True)
    if ties is None:
        return _order(rows, _visit_counts(voxels))
    return _order(_without_ties(codes, rows, voxels.coords[:, 0], ties), [len(voxels)])


def level_patterns(serialization: str, n_blocks: int, shuffle: bool) -> list[AttentionPattern]:
    """
    Return the attention pattern of each block of a level.

    Parameters
    ----------
    serialization : str
        'off': each visit alone; 'merged': all visits together; 'mixed': alternating; 'late':
        merged in the last block only.
    n_blocks : int
    shuffle : bool
        Assign patterns to blocks at random (training); otherwise in fixed order.

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
    """Return the serialization of a block; see `visit_order` and `merged_order`."""
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
    """Return the codes of absolute cells (V, 3) on a curve, (V,)."""
    local = _local(cells, stride_bits)
    return curve_code(local, int(local.max() + 1).bit_length(), curve)


def _without_ties(codes: Tensor, rows: Tensor, slots: Tensor, ties: TieBreak) -> Tensor:
    """Return the rows along sorted codes, with rows of equal code in the order of `ties`."""
    at = torch.arange(len(codes), device=codes.device)
    begins = torch.ones_like(codes, dtype=torch.bool)
    begins[1:] = codes[1:] != codes[:-1]
    place = torch.where(begins, at, 0).cummax(0).values
    # Each voxel moves behind those of its cell that precede it, pair by pair.
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
