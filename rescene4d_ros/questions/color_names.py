"""Basic names of a measured color, by ranges of lightness, chroma and hue in CIELAB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms


@dataclass(frozen=True)
class ColorName:
    """
    Hold the part of CIELAB that a name stands for.

    Attributes
    ----------
    name : str
    lightness : tuple of 2 float, 0..100
    chroma : tuple of 2 float
    hue : tuple of 2 float, deg
        From the first counter-clockwise to the second, which may lie beyond 360.
    words : tuple of str
        Other words for it.

    """

    name: str
    lightness: tuple[float, float]
    chroma: tuple[float, float]
    hue: tuple[float, float] = (0.0, 360.0)
    words: tuple[str, ...] = ()

    def holds(self, lightness: float, chroma: float, hue: float) -> bool:
        """Return whether the name stands for a color."""
        return (
            self.lightness[0] <= lightness <= self.lightness[1]
            and self.chroma[0] <= chroma <= self.chroma[1]
            and (hue - self.hue[0]) % 360 <= (self.hue[1] - self.hue[0]) % 360.001
        )


def names_of_color(rgb: np.ndarray, table: Sequence[ColorName]) -> tuple[str, ...]:
    """
    Name a color.

    Parameters
    ----------
    rgb : ndarray (3,)
        sRGB, 0..255.
    table : sequence of ColorName

    Returns
    -------
    tuple of str
        Every name that stands for it, in the order of the table.

    """
    lightness, a, b = lab_of(rgb)
    chroma, hue = float(np.hypot(a, b)), float(np.rad2deg(np.arctan2(b, a)) % 360)
    return tuple(entry.name for entry in table if entry.holds(lightness, chroma, hue))


def lab_of(rgb: np.ndarray) -> tuple[float, float, float]:
    """Return L* (0..100), a* and b* (about 1 exact) of an sRGB color (3,) of 0..255."""
    pixel = np.clip(np.rint(rgb), 0, 255).astype(np.uint8).reshape(1, 1, 3)
    values = np.asarray(ImageCms.applyTransform(Image.fromarray(pixel), _srgb_to_lab()))
    lightness, a, b = (int(value) for value in values.reshape(3))
    # Pillow stores L* in 0..255, and a* and b* as signed bytes.
    return lightness / 2.55, float((a + 128) % 256 - 128), float((b + 128) % 256 - 128)


@lru_cache
def _srgb_to_lab() -> ImageCms.ImageCmsTransform:
    """Return the conversion, which takes longer to make than to use."""
    return ImageCms.buildTransform(
        ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB'), 'RGB', 'LAB'
    )
