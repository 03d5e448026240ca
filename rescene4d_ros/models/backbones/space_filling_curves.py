"""Codes along space-filling curves: neighboring cells mostly get similar codes."""

from __future__ import annotations

import torch
from torch import Tensor

CURVES = ('z', 'z-trans', 'hilbert', 'hilbert-trans')
MOST_BITS = 21  # three axes fill the 63 bits of an int64


def curve_code(cells: Tensor, depth: int, curve: str) -> Tensor:
    """
    Compute the code of each cell along a curve.

    Parameters
    ----------
    cells : Tensor (V, 3), int64
        In [0, 2^depth).
    depth : int
        Bits per axis, 1..21.
    curve : str
        One of `CURVES`; "trans" is the curve with x and y exchanged.

    Returns
    -------
    Tensor (V,), int64
        In [0, 8^depth); equal cells have equal codes, different cells different ones.

    Raises
    ------
    ValueError
        More bits than a code holds.

    """
    if not 1 <= depth <= MOST_BITS:
        raise ValueError(
            f'serialization: expected cells of 1 to {MOST_BITS} bits per axis, got '
            f'{depth}; remove far outliers'
        )
    if curve.endswith('-trans'):
        cells = cells[:, [1, 0, 2]]
    return hilbert_code(cells, depth) if curve.startswith('hilbert') else z_code(cells)


def z_code(cells: Tensor) -> Tensor:
    """
    Compute the Morton code of each cell: bits of the axes interleaved, x first.

    Parameters
    ----------
    cells : Tensor (V, 3), int64
        In [0, 2^21).

    Returns
    -------
    Tensor (V,), int64

    """
    spread = cells
    for shift, kept in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        spread = (spread | (spread << shift)) & kept
    x, y, z = spread.unbind(1)
    return (x << 2) | (y << 1) | z


def hilbert_code(cells: Tensor, depth: int) -> Tensor:
    """
    Compute the Hilbert code of each cell: consecutive cells share a face.

    Parameters
    ----------
    cells : Tensor (V, 3), int64
        In [0, 2^depth).
    depth : int
        Bits per axis; the curve depends on it.

    Returns
    -------
    Tensor (V,), int64

    Notes
    -----
    Source: Skilling, "Programming the Hilbert curve", 2004.

    """
    axes = list(cells.unbind(1))
    for bit in reversed(range(depth)):
        below = (1 << bit) - 1
        for axis in range(3):
            is_set = (axes[axis] >> bit) & 1
            # All bits below where the bit is set, else where the two axes differ.
            flip = -is_set & below
            swap = (is_set - 1) & below & (axes[0] ^ axes[axis])
            axes[0] = axes[0] ^ flip ^ swap
            axes[axis] = axes[axis] ^ swap
    code, shift = z_code(torch.stack(axes, 1)), 1
    while shift < 3 * depth:  # from Gray code to binary
        code, shift = code ^ (code >> shift), 2 * shift
    return code
