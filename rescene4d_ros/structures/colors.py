"""Colors: one per persistent id, one per class."""

from __future__ import annotations

from collections.abc import Sequence
import colorsys

import numpy as np
from rescene4d_ros.structures import Scan, SEMANTIC_CLASSES

NO_OBJECT = (176, 176, 172)
GOLDEN = 0.6180339887498949


def color_of(object_id: int) -> tuple[int, int, int]:
    """
    Return the color of a persistent object.

    Golden-ratio steps of hue separate neighboring ids. The color depends on the id alone, so it is
    the same after a restart, in pictures and in markers.

    Parameters
    ----------
    object_id : int
        0 or less: gray, no object.

    Returns
    -------
    tuple of 3 int
        Red, green, blue, 0..255.

    """
    if object_id <= 0:
        return NO_OBJECT
    hue = (0.11 + object_id * GOLDEN) % 1.0
    saturation = (0.85, 0.6, 0.95)[object_id % 3]
    value = (0.9, 0.98, 0.68, 0.82)[object_id % 4]
    red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def unit_rgb(color: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Return a color of 0..255 as matplotlib takes it, 0..1."""
    red, green, blue = (float(c) / 255 for c in color)
    return red, green, blue


def colors_of(object_ids: np.ndarray) -> np.ndarray:
    """Return the (N, 3) uint8 colors of (N,) ids."""
    ids, where = np.unique(object_ids, return_inverse=True)
    return np.array([color_of(int(k)) for k in ids], np.uint8).reshape(-1, 3)[where]


def class_colors(class_ids: np.ndarray) -> np.ndarray:
    """Return the (N, 3) uint8 colors of (N,) indices in SEMANTIC_CLASSES; -1 is gray."""
    palette = [color_of(k + 1) for k in range(len(SEMANTIC_CLASSES) - 2)]
    palette += [(205, 203, 196), (150, 138, 122), NO_OBJECT]
    return np.array(palette, np.uint8)[class_ids]


def over_room(scan: Scan, colors: np.ndarray, is_object: np.ndarray) -> np.ndarray:
    """
    Return the colors of objects over a pale room with scanned brightness.

    Parameters
    ----------
    scan : Scan
    colors : ndarray (N, 3), uint8
    is_object : ndarray (N,), bool
        Points drawn in `colors`; the rest is the room.

    Returns
    -------
    ndarray (N, 3), uint8

    """
    rgb = np.full((len(scan), 3), 170.0) if scan.rgb is None else scan.rgb.astype(np.float64)
    gray = rgb.mean(axis=1, keepdims=True)
    room = 0.5 * gray + 0.12 * rgb + 90
    light = np.clip(0.72 + 0.45 * gray / 255, 0, 1.1)
    mixed = np.where(is_object[:, None], colors * light, room)
    return np.clip(mixed, 0, 255).astype(np.uint8)
