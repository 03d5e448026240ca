"""The colors of materials where rays hit them: patterns in the frame of their model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.synthetic_rooms.surfaces.material import Material, Pattern


def _hash01(cells: np.ndarray, salt: int) -> np.ndarray:
    """Return one number in [0, 1) per (N, 3) integer cell; the same on every machine."""
    with np.errstate(over='ignore'):
        k = cells.astype(np.int64).astype(np.uint64) * np.array(
            [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64
        )
        h = k[:, 0] ^ (k[:, 1] >> np.uint64(7)) ^ (k[:, 2] << np.uint64(5))
        h = (h + np.uint64(salt)) * np.uint64(0xD6E8FEB86659FD93)
        h ^= h >> np.uint64(32)
        h *= np.uint64(0xD6E8FEB86659FD93)
    return ((h >> np.uint64(40)).astype(np.float64)) / float(1 << 24)


def albedo(materials: Sequence[Material], index: np.ndarray, local: np.ndarray) -> np.ndarray:
    """
    Evaluate materials at points of their own objects.

    Parameters
    ----------
    materials : sequence of M Material
    index : ndarray (N,), int
        Material per point.
    local : ndarray (N, 3), float, m
        Points in the frame of their model, so that patterns move with it.

    Returns
    -------
    ndarray (N, 3), float32
        Albedo 0..1.

    """
    first = np.array([m.color for m in materials], np.float32)[index]
    second = np.array([m.second for m in materials], np.float32)[index]
    scale = np.array([m.scale for m in materials])[index]
    pattern = np.array([m.pattern for m in materials], np.int8)[index]
    u = local * scale[:, None] + index[:, None] * 0.37
    mix = np.zeros(len(local))
    for kind in np.unique(pattern):
        at = pattern == kind
        # The last bits of a sine depend on the processor.
        mix[at] = np.round(_MIX[Pattern(int(kind))](u[at]), 6)
    color = first + (second - first) * mix[:, None].astype(np.float32)
    prints = pattern == Pattern.PRINT
    if prints.any():
        color[prints] = _print_colors(u[prints], first[prints], second[prints])
    cells = pattern == Pattern.CELLS
    if cells.any():
        color[cells] = _cell_colors(u[cells], color[cells])
    return color


def _cell_colors(u: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Tint every cell along x and z on its own."""
    cell = np.floor(u * (1.0, 0.0, 0.12))
    tint = np.stack([_hash01(cell, salt) for salt in (11, 12, 13)], axis=1)
    return (0.35 * base + 0.65 * tint).astype(np.float32)


def _print_colors(u: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Lay small patches of any color, and lines of the second color, over the first."""
    large, small = np.floor(u * 0.45), np.floor(u * 1.7)
    tint = np.stack([_hash01(large, salt) for salt in (21, 22, 23)], axis=1)
    share = _hash01(large, 24)[:, None]
    color = np.where(share < 0.35, 0.3 * first + 0.7 * tint, first)
    lines = (_hash01(small, 25)[:, None] < 0.3) & (share > 0.2)
    return np.where(lines, second, color).astype(np.float32)


def _grain(u: np.ndarray) -> np.ndarray:
    wave = np.sin(0.35 * u[:, 0] + 0.8 * np.sin(0.6 * u[:, 2]))
    return 0.5 + 0.5 * np.sin(4 * u[:, 1] + 3 * u[:, 2] + 2 * wave)


def _tiles(u: np.ndarray) -> np.ndarray:
    fraction = u - np.floor(u)
    joint = (np.minimum(fraction, 1 - fraction)[:, :2] < 0.03).any(axis=1)
    checker = (np.floor(u[:, 0]) + np.floor(u[:, 1]) + np.floor(u[:, 2])) % 2
    return np.where(joint, 1.0, 0.6 * checker)


def _blotches(u: np.ndarray) -> np.ndarray:
    s = (
        np.sin(u[:, 0] + 1.7 * np.sin(0.7 * u[:, 2]))
        + np.sin(1.3 * u[:, 1] + u[:, 2])
        + np.sin(0.8 * (u[:, 0] - u[:, 1]) + 2.1 * u[:, 2])
    )
    return np.clip(0.5 + s / 5, 0, 1)


def _planks(u: np.ndarray) -> np.ndarray:
    row = np.floor(u[:, 0])
    board = np.floor(u[:, 1] * 0.12 + 0.37 * row)
    tone = _hash01(np.stack([row, board, np.zeros_like(row)], axis=1), 7)
    joint = u[:, 0] - row < 0.05
    return np.where(joint, 1.0, 0.75 * tone + 0.15 * np.sin(2 * u[:, 1]) ** 2)


_MIX = {
    Pattern.PLAIN: lambda u: 0.5 + 0.3 * np.sin(u.sum(axis=1) * 0.5),
    Pattern.GRAIN: _grain,
    Pattern.FABRIC: lambda u: _hash01(np.floor(u), 3),
    Pattern.TILES: _tiles,
    Pattern.STRIPES: lambda u: 1.0 - np.floor(u[:, 0] + u[:, 1]) % 2,
    Pattern.BLOTCHES: _blotches,
    Pattern.PLANKS: _planks,
    Pattern.CELLS: lambda u: np.zeros(len(u)),
    Pattern.PRINT: lambda u: np.zeros(len(u)),
}
