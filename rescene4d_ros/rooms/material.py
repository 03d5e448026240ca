"""What surfaces look like: colors and patterns, evaluated where a ray hits."""
from __future__ import annotations

from collections.abc import Sequence
import colorsys
from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Pattern(IntEnum):
    """Say how the two colors of a material mix over its surface."""

    PLAIN = 0
    GRAIN = 1
    FABRIC = 2
    TILES = 3
    STRIPES = 4
    BLOTCHES = 5
    PLANKS = 6
    CELLS = 7


@dataclass(frozen=True)
class Material:
    """
    Hold the look of a surface.

    Attributes
    ----------
    color, second : tuple of 3 float
        Albedo 0..1; the pattern mixes the two.
    pattern : Pattern
    scale : float, 1/m
        Cells of the pattern per metre.
    dropout : float
        Share of depth returns that are lost (gloss, glass).

    """

    color: tuple[float, float, float]
    second: tuple[float, float, float]
    pattern: Pattern = Pattern.PLAIN
    scale: float = 10.0
    dropout: float = 0.0


def _hsv(h: float, s: float, v: float) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(float(h) % 1, float(np.clip(s, 0, 1)), float(np.clip(v, 0.02, 1)))


def any_color(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw any color a thing of a household may have, grays included."""
    if rng.random() < 0.4:
        return _hsv(rng.random(), rng.uniform(0, 0.08), rng.uniform(0.06, 0.95))
    return _hsv(rng.random(), rng.beta(2, 2.5), rng.uniform(0.2, 0.95))


def _shade(color: Sequence[float], factor: float) -> tuple[float, float, float]:
    return tuple(float(np.clip(c * factor, 0, 1)) for c in color)


def wood(rng: np.random.Generator) -> Material:
    """Draw a wood, varnished white or painted now and then."""
    kind = rng.random()
    if kind < 0.6:
        color = _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.25, 0.65), rng.uniform(0.25, 0.85))
    elif kind < 0.8:
        color = _hsv(rng.random(), 0.03, rng.uniform(0.75, 0.95))
    else:
        color = any_color(rng)
    return Material(color, _shade(color, rng.uniform(0.78, 0.96)), Pattern.GRAIN,
                    rng.uniform(8, 25))


def fabric(rng: np.random.Generator) -> Material:
    """Draw cloth: plain, woven, striped or patterned."""
    color = any_color(rng)
    pattern = rng.choice([Pattern.FABRIC, Pattern.FABRIC, Pattern.FABRIC, Pattern.STRIPES,
                          Pattern.BLOTCHES, Pattern.TILES])
    strong = pattern != Pattern.FABRIC
    second = any_color(rng) if strong and rng.random() < 0.5 else _shade(
        color, rng.uniform(0.6, 0.85))
    return Material(color, second, Pattern(int(pattern)),
                    rng.uniform(6, 20) if strong else rng.uniform(40, 90))


def plastic(rng: np.random.Generator) -> Material:
    """Draw a plain, slightly glossy material."""
    color = any_color(rng)
    return Material(color, _shade(color, 0.9), Pattern.PLAIN, dropout=rng.uniform(0, 0.08))


def metal(rng: np.random.Generator) -> Material:
    """Draw steel, chrome, black or painted metal."""
    color = _hsv(rng.random(), rng.uniform(0, 0.08), rng.uniform(0.08, 0.8))
    return Material(color, _shade(color, 0.85), Pattern.PLAIN, dropout=rng.uniform(0.05, 0.3))


def ceramic(rng: np.random.Generator) -> Material:
    """Draw sanitary ware: mostly white, colored now and then."""
    color = _hsv(rng.random(), rng.uniform(0, 0.06), rng.uniform(0.82, 0.98))
    if rng.random() < 0.2:
        color = _hsv(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.9))
    return Material(color, _shade(color, 0.93), Pattern.PLAIN, dropout=rng.uniform(0.02, 0.12))


def paint(rng: np.random.Generator) -> Material:
    """Draw a wall: light paint, strong paint or wallpaper."""
    kind = rng.random()
    if kind < 0.65:
        color = _hsv(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.7, 0.97))
    else:
        color = _hsv(rng.random(), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.9))
    pattern = Pattern.STRIPES if kind > 0.9 else Pattern.BLOTCHES
    return Material(color, _shade(color, 0.88 if kind > 0.9 else 0.96), pattern,
                    rng.uniform(2, 8))


def flooring(rng: np.random.Generator) -> Material:
    """Draw a floor: planks, tiles or carpet."""
    kind = rng.random()
    if kind < 0.5:
        color = _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.8))
        return Material(color, _shade(color, rng.uniform(0.65, 0.85)), Pattern.PLANKS,
                        rng.uniform(4, 9))
    if kind < 0.8:
        color = _hsv(rng.random(), rng.uniform(0, 0.2), rng.uniform(0.35, 0.9))
        return Material(color, _shade(color, rng.uniform(0.55, 0.9)), Pattern.TILES,
                        rng.uniform(1.5, 4), dropout=0.03)
    color = _hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.2, 0.7))
    return Material(color, _shade(color, 0.8), Pattern.FABRIC, rng.uniform(30, 70))


def glass(rng: np.random.Generator) -> Material:
    """Draw a pane: bright from outside, and most depth is lost."""
    color = _hsv(rng.uniform(0.5, 0.65), rng.uniform(0, 0.2), rng.uniform(0.5, 0.98))
    return Material(color, _shade(color, 0.8), Pattern.BLOTCHES, 1.5,
                    dropout=rng.uniform(0.5, 0.85))


def screen(rng: np.random.Generator) -> Material:
    """Draw a display that is off: dark, and much depth is lost."""
    value = rng.uniform(0.04, 0.15)
    return Material((value, value, value), (value, value, value * 1.3), Pattern.PLAIN,
                    dropout=rng.uniform(0.1, 0.5))


def painting(rng: np.random.Generator) -> Material:
    """Draw what hangs in a frame."""
    pattern = Pattern.BLOTCHES if rng.random() < 0.6 else Pattern.CELLS
    return Material(any_color(rng), any_color(rng), pattern, rng.uniform(4, 14))


def book_spines(rng: np.random.Generator) -> Material:
    """Draw a row of books: another color every few centimetres."""
    return Material(any_color(rng), any_color(rng), Pattern.CELLS, rng.uniform(20, 40))


def leaves(rng: np.random.Generator) -> Material:
    """Draw greenery."""
    color = _hsv(rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.8), rng.uniform(0.2, 0.6))
    return Material(color, _shade(color, 0.6), Pattern.FABRIC, 30)


def _hash01(cells: np.ndarray, salt: int) -> np.ndarray:
    """Return one number in [0, 1) per (N, 3) integer cell; the same on every machine."""
    with np.errstate(over='ignore'):
        k = cells.astype(np.int64).astype(np.uint64) * np.array(
            [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
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
    cells = pattern == Pattern.CELLS
    if cells.any():
        color[cells] = _cell_colors(u[cells], color[cells])
    return color


def _cell_colors(u: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Tint every cell along x and z on its own."""
    cell = np.floor(u * (1.0, 0.0, 0.12))
    tint = np.stack([_hash01(cell, salt) for salt in (11, 12, 13)], axis=1)
    return (0.35 * base + 0.65 * tint).astype(np.float32)


def _grain(u: np.ndarray) -> np.ndarray:
    wave = np.sin(0.35 * u[:, 0] + 0.8 * np.sin(0.6 * u[:, 2]))
    return 0.5 + 0.5 * np.sin(4 * u[:, 1] + 3 * u[:, 2] + 2 * wave)


def _tiles(u: np.ndarray) -> np.ndarray:
    fraction = u - np.floor(u)
    joint = (np.minimum(fraction, 1 - fraction)[:, :2] < 0.03).any(axis=1)
    checker = (np.floor(u[:, 0]) + np.floor(u[:, 1]) + np.floor(u[:, 2])) % 2
    return np.where(joint, 1.0, 0.6 * checker)


def _blotches(u: np.ndarray) -> np.ndarray:
    s = (np.sin(u[:, 0] + 1.7 * np.sin(0.7 * u[:, 2])) + np.sin(1.3 * u[:, 1] + u[:, 2])
         + np.sin(0.8 * (u[:, 0] - u[:, 1]) + 2.1 * u[:, 2]))
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
}
