"""LZF, which compressed PCD files use; the libraries for it come without wheels."""

from __future__ import annotations

import numba
import numpy as np

LITERAL = 32  # control bytes below it announce a run of bytes, others a copy of earlier ones


def decompress(packed: bytes, size: int) -> bytes | None:
    """
    Unpack LZF data.

    Parameters
    ----------
    packed : bytes
    size : int
        Bytes they must give.

    Returns
    -------
    bytes or None
        None where the data are damaged or give another size.

    """
    plain = np.zeros(size, np.uint8)
    written = _decompress(np.frombuffer(packed, np.uint8), plain)
    return plain.tobytes() if written == size else None


@numba.njit(cache=True)
def _decompress(packed, plain):
    at, out = np.int64(0), np.int64(0)
    while at < len(packed):
        control = np.int64(packed[at])
        at += 1
        if control < LITERAL:
            length = control + 1
            if at + length > len(packed) or out + length > len(plain):
                return -1
            for k in range(length):
                plain[out + k] = packed[at + k]
            at += length
        else:
            length = (control >> 5) + 2
            if length == 9:
                if at >= len(packed):
                    return -1
                length += np.int64(packed[at])
                at += 1
            if at >= len(packed):
                return -1
            start = out - ((control & 31) << 8) - np.int64(packed[at]) - 1
            at += 1
            if start < 0 or out + length > len(plain):
                return -1
            for k in range(length):  # may overlap: what was just written is copied again
                plain[out + k] = plain[start + k]
        out += length
    return out
