"""In which order, and together with whom, voxels attend: along curves, per visit or merged."""
from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.models.backbones.serialization import curve_code, CURVES
from rescene4d_ros.sparse import Voxels
import torch
from torch import Tensor

# Orders that the blocks of a level take in turn: through all visits or not, along which curve.
_TURNS = {
    'off': tuple((False, curve) for curve in CURVES),
    'merged': tuple((True, curve) for curve in CURVES),
    'mixed': tuple((k % 2 == first, curve) for first in (0, 1) for k, curve in enumerate(CURVES)),
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
    return _order(torch.cat([_along_curve(c, stride_bits, curve) + start
                             for c, start in zip(cells, starts)]), counts)


def merged_order(voxels: Voxels, stride_bits: int, curve: str, cut_by_visit: bool = False
                 ) -> Order:
    """
    Serialize all visits together: a place's voxels follow each other, whatever their visit.

    Parameters
    ----------
    voxels, stride_bits, curve
        See `visit_order`.
    cut_by_visit : bool
        Make runs as long as the visits, as published, though each holds voxels of all; instead
        of a single run.

    """
    counts = _visit_counts(voxels) if cut_by_visit else [len(voxels)]
    return _order(_along_curve(voxels.coords[:, 1:], stride_bits, curve), counts)


def level_orders(voxels: Voxels, stride_bits: int, n_blocks: int, serialization: str,
                 shuffle: bool, cut_by_visit: bool = False) -> list[Order]:
    """
    Return the orders that the blocks of one level take in turn.

    Parameters
    ----------
    voxels : Voxels
    stride_bits : int
        See `visit_order`.
    n_blocks : int
        Orders that no block takes are not made.
    serialization : str
        'off': each visit alone; 'merged': all visits together; 'mixed': both in turn.
    shuffle : bool
        Draw which blocks take which (training); otherwise always the same.
    cut_by_visit : bool
        See `merged_order`.

    """
    turns = _TURNS[serialization]
    picked = torch.randperm(len(turns)).tolist() if shuffle else range(len(turns))
    return [merged_order(voxels, stride_bits, curve, cut_by_visit) if is_merged
            else visit_order(voxels, stride_bits, curve)
            for is_merged, curve in (turns[k] for k in picked[:n_blocks])]


def _visit_counts(voxels: Voxels) -> list[int]:
    """Return the number of voxels of each visit that has any."""
    return [n for n in voxels.visit_splits(1) if n]


def _along_curve(cells: Tensor, stride_bits: int, curve: str) -> Tensor:
    """Return the rows of absolute cells (V, 3) along a curve, (V,)."""
    local = cells - ((cells.amin(0) >> stride_bits) << stride_bits)
    depth = int(local.max() + 1).bit_length()
    # Stable: voxels of one cell stay in the order of their visits.
    return curve_code(local, depth, curve).sort(stable=True).indices


def _order(rows: Tensor, counts: list[int]) -> Order:
    """Return the order with its inverse."""
    places = torch.empty_like(rows)
    places[rows] = torch.arange(len(rows), device=rows.device)
    return Order(rows, places, tuple(counts))
