"""In which order, and together with whom, voxels attend: along curves, per visit or merged."""
from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.models.backbones.serialization import curve_codes, CURVES
from rescene4d_ros.sparse import Voxels
import torch
from torch import Tensor

# Order of the decoder's blocks under 'mixed' at evaluation: sharing and not sharing in turn.
_MIXED = (4, 1, 6, 3, 0, 5, 2, 7)


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


def visit_orders(voxels: Voxels, stride_bits: int) -> list[Order]:
    """
    Serialize each visit on its own.

    Parameters
    ----------
    voxels : Voxels
        Of one level.
    stride_bits : int
        How many more times this level is pooled. Curves begin at a cell of the coarsest level,
        so that moving the map by such cells changes nothing.

    Returns
    -------
    list of Order
        One for each of `CURVES`; each visit is one run.

    """
    counts = [n for n in voxels.visit_splits(1) if n]
    cells = voxels.coords[:, 1:].split(counts)
    starts = torch.tensor([0, *counts]).cumsum(0).tolist()
    rows = torch.cat([_along_curves(c, stride_bits) + start for c, start in zip(cells, starts)],
                     dim=1)
    return [_order(r, counts) for r in rows]


def merged_orders(voxels: Voxels, stride_bits: int, cut_by_visit: bool = False) -> list[Order]:
    """
    Serialize all visits together: a place's voxels follow each other, whatever their visit.

    Parameters
    ----------
    voxels : Voxels
        Of one level.
    stride_bits : int
        See `visit_orders`.
    cut_by_visit : bool
        Make runs as long as the visits, as published, though each holds voxels of all.

    Returns
    -------
    list of Order
        One for each of `CURVES`; all voxels are one run.

    """
    counts = [n for n in voxels.visit_splits(1) if n] if cut_by_visit else [len(voxels)]
    return [_order(r, counts) for r in _along_curves(voxels.coords[:, 1:], stride_bits)]


def level_orders(voxels: Voxels, stride_bits: int, serialization: str, shuffle: bool,
                 cut_by_visit: bool = False) -> list[Order]:
    """
    Return the orders that the blocks of one level take in turn.

    Parameters
    ----------
    voxels : Voxels
    stride_bits : int
        See `visit_orders`.
    serialization : str
        'off': each visit alone; 'merged': all visits together; 'mixed': both.
    shuffle : bool
        Draw which comes first (training); otherwise always the same.
    cut_by_visit : bool
        See `merged_orders`.

    """
    orders = [] if serialization == 'merged' else visit_orders(voxels, stride_bits)
    if serialization != 'off':
        orders += merged_orders(voxels, stride_bits, cut_by_visit)
    if shuffle:
        picked = torch.randperm(len(orders)).tolist()
    else:
        picked = _MIXED if serialization == 'mixed' else range(len(CURVES))
    return [orders[k] for k in picked]


def _along_curves(cells: Tensor, stride_bits: int) -> Tensor:
    """Return the rows of absolute cells (V, 3) along each curve, (4, V)."""
    low = (cells.amin(0) >> stride_bits) << stride_bits
    local = cells - low
    depth = int(local.max() + 1).bit_length()
    # Stable: voxels of one cell stay in the order of their visits.
    return curve_codes(local, depth).sort(dim=1, stable=True).indices


def _order(rows: Tensor, counts: list[int]) -> Order:
    """Return the order with its inverse."""
    places = torch.empty_like(rows)
    places[rows] = torch.arange(len(rows), device=rows.device)
    return Order(rows, places, tuple(counts))
