"""What surfaces are made of: drawn colors, patterns and gloss."""

from __future__ import annotations

from collections.abc import Sequence
import colorsys
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from rescene4d_ros.structures.objects import triple


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
    PRINT = 8


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
    is_mirror : bool
        Scanners that know of mirrors see the room in it.

    """

    color: tuple[float, float, float]
    second: tuple[float, float, float]
    pattern: Pattern = Pattern.PLAIN
    scale: float = 10.0
    dropout: float = 0.0
    is_mirror: bool = False


def _hsv(h: float, s: float, v: float) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(float(h) % 1, float(np.clip(s, 0, 1)), float(np.clip(v, 0.02, 1)))


def any_color(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw any color a thing of a household may have, grays included."""
    if rng.random() < 0.4:
        return _hsv(rng.random(), rng.uniform(0, 0.08), rng.uniform(0.06, 0.95))
    return _hsv(rng.random(), rng.beta(2, 2.5), rng.uniform(0.2, 0.95))


def _shade(color: Sequence[float], factor: float) -> tuple[float, float, float]:
    return triple(np.clip(c * factor, 0, 1) for c in color)


def wood(rng: np.random.Generator) -> Material:
    """Draw a wood, varnished white or painted now and then."""
    kind = rng.random()
    if kind < 0.6:
        color = _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.25, 0.65), rng.uniform(0.25, 0.85))
    elif kind < 0.8:
        color = _hsv(rng.random(), 0.03, rng.uniform(0.75, 0.95))
    else:
        color = any_color(rng)
    return Material(
        color, _shade(color, rng.uniform(0.78, 0.96)), Pattern.GRAIN, rng.uniform(8, 25)
    )


def fabric(rng: np.random.Generator) -> Material:
    """Draw cloth: plain, woven, striped or patterned."""
    color = any_color(rng)
    pattern = rng.choice(
        [
            Pattern.FABRIC,
            Pattern.FABRIC,
            Pattern.FABRIC,
            Pattern.STRIPES,
            Pattern.BLOTCHES,
            Pattern.TILES,
        ]
    )
    strong = pattern != Pattern.FABRIC
    second = (
        any_color(rng) if strong and rng.random() < 0.5 else _shade(color, rng.uniform(0.6, 0.85))
    )
    return Material(
        color, second, Pattern(int(pattern)), rng.uniform(6, 20) if strong else rng.uniform(40, 90)
    )


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
    return Material(color, _shade(color, 0.88 if kind > 0.9 else 0.96), pattern, rng.uniform(2, 8))


def flooring(rng: np.random.Generator) -> Material:
    """Draw a floor: planks, tiles or carpet."""
    kind = rng.random()
    if kind < 0.5:
        color = _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.8))
        return Material(
            color, _shade(color, rng.uniform(0.65, 0.85)), Pattern.PLANKS, rng.uniform(4, 9)
        )
    if kind < 0.8:
        color = _hsv(rng.random(), rng.uniform(0, 0.2), rng.uniform(0.35, 0.9))
        return Material(
            color,
            _shade(color, rng.uniform(0.55, 0.9)),
            Pattern.TILES,
            rng.uniform(1.5, 4),
            dropout=0.03,
        )
    color = _hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.2, 0.7))
    return Material(color, _shade(color, 0.8), Pattern.FABRIC, rng.uniform(30, 70))


def glass(rng: np.random.Generator) -> Material:
    """Draw a pane: bright from outside, and most depth is lost."""
    color = _hsv(rng.uniform(0.5, 0.65), rng.uniform(0, 0.2), rng.uniform(0.5, 0.98))
    return Material(
        color, _shade(color, 0.8), Pattern.BLOTCHES, 1.5, dropout=rng.uniform(0.5, 0.85)
    )


def screen(rng: np.random.Generator) -> Material:
    """Draw a display that is off: dark, and much depth is lost."""
    value = rng.uniform(0.04, 0.15)
    return Material(
        (value, value, value),
        (value, value, value * 1.3),
        Pattern.PLAIN,
        dropout=rng.uniform(0.1, 0.5),
    )


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


def printed(rng: np.random.Generator) -> Material:
    """Draw a packaging, cover or label: patches of other colors, large and small."""
    return Material(any_color(rng), any_color(rng), Pattern.PRINT, rng.uniform(6, 30))


def worn(material: Material, rng: np.random.Generator) -> Material:
    """Return a material in another shade, as the same product comes in."""
    tint = rng.normal(1.0, 0.12, 3)
    first, second = (
        triple(np.clip(np.asarray(c) * tint, 0.01, 1)) for c in (material.color, material.second)
    )
    return Material(first, second, material.pattern, material.scale, material.dropout)
