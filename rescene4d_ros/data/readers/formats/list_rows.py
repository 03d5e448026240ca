"""Rows of a PLY element that hold lists: where each value starts, never outside the data."""

from __future__ import annotations

import numba
import numpy as np
from rescene4d_ros.data.readers.formats.ply_header import Element


def list_rows(
    data: np.ndarray, at: int, element: Element, sizes: np.ndarray, order: str, cut: Exception
) -> tuple[np.ndarray, np.ndarray, int]:
    """
    Find the rows of an element with lists.

    Parameters
    ----------
    data : ndarray (K,), uint8, or float64 for text
    at : int
        Where the rows start in it.
    element : Element
    sizes : ndarray (P,), int64
        Places in `data` that a value of each property takes.
    order : str
        '<', '>', or '' for text.
    cut : Exception
        Raised where the rows do not fit in the data.

    Returns
    -------
    starts : ndarray (rows, P), int64
        Where each property's value, or its list's first, starts.
    counts : ndarray (rows, P), int64
        How many values each has: 1 where it is no list.
    end : int
        Where the rows end.

    """
    lengths = [p.length_dtype for p in element.properties]
    length_sizes = np.array(
        [0 if t is None else t.itemsize if order else 1 for t in lengths], np.int64
    )
    least = int(np.where(length_sizes > 0, length_sizes, sizes).sum())
    if element.count * least > len(data) - at:
        raise cut
    signed = np.array([t is not None and t.kind == 'i' for t in lengths])
    starts = np.zeros((element.count, len(sizes)), np.int64)
    counts = np.ones_like(starts)
    if order:
        end = _binary(data, at, starts, counts, sizes, length_sizes, signed, order == '>')
    else:
        end = _text(data, at, starts, counts, length_sizes)
    if end < 0:
        raise cut
    return starts, counts, int(end)


@numba.njit(cache=True)
def _binary(data, at, starts, counts, sizes, length_sizes, signed, big):
    for row in range(starts.shape[0]):
        for p in range(starts.shape[1]):
            count = np.int64(1)
            width = length_sizes[p]
            if width:
                if at + width > len(data):
                    return -1
                count = np.int64(0)
                for k in range(width):
                    byte = np.int64(data[at + k])
                    count |= byte << (8 * (width - 1 - k) if big else 8 * k)
                if signed[p] and count >> (8 * width - 1):
                    return -1
                at += width
                counts[row, p] = count
            starts[row, p] = at
            at += count * sizes[p]
            if at > len(data):
                return -1
    return at


@numba.njit(cache=True)
def _text(values, at, starts, counts, length_sizes):
    for row in range(starts.shape[0]):
        for p in range(starts.shape[1]):
            count = 1.0
            if length_sizes[p]:
                if at >= len(values):
                    return -1
                count = values[at]
                if not (count >= 0 and count <= len(values) and count == np.floor(count)):
                    return -1
                at += 1
                counts[row, p] = np.int64(count)
            starts[row, p] = at
            at += np.int64(count)
            if at > len(values):
                return -1
    return at
