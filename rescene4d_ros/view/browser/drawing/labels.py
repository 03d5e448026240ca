"""Which labels a window shows: those that do not cover more important ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

LETTER, LINE, MARGIN = 6.3, 17.0, 8.0  # pixels: width and height of letters, and around a text
NEAREST = 0.05  # m; before the camera


@dataclass(frozen=True)
class Camera:
    """
    Hold where a window looks from.

    Attributes
    ----------
    position, look_at : ndarray (3,), m, in map
        The z axis of the map points upwards.
    fov : float, rad
        From the lower to the upper edge.
    width, height : float, pixels

    """

    position: np.ndarray
    look_at: np.ndarray
    fov: float
    width: float
    height: float

    @classmethod
    def of(cls, camera: Any) -> Self:
        """Return that of a window of viser; a usual size for one that has not told its own."""
        width = getattr(camera, 'image_width', 0) or 1440
        height = getattr(camera, 'image_height', 0) or 900
        position, look_at = np.asarray(camera.position), np.asarray(camera.look_at)
        return cls(position, look_at, float(camera.fov), width, height)

    def project(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return column and row (N, 2) in pixels of places (N, 3) in m, and their depth (N,)."""
        forward = _unit(self.look_at - self.position)
        right = _unit(np.cross(forward, (0, 0, 1)))
        axes = np.stack([right, np.cross(forward, right), forward])
        across, down, depth = axes @ (np.asarray(places, float) - self.position).T
        scale = self.height / 2 / np.tan(self.fov / 2) / np.maximum(depth, NEAREST)
        pixels = np.stack(
            [across * scale + self.width / 2, down * scale + self.height / 2], axis=1
        )
        return pixels, depth


def readable(texts: Sequence[str], places: np.ndarray, camera: Camera) -> list[int]:
    """
    Choose labels that do not cover each other.

    Parameters
    ----------
    texts : sequence of str
        The most important first.
    places : ndarray (N, 3), m, in map
        In the middle below each text.
    camera : Camera

    Returns
    -------
    list of int
        Positions in `texts` of those to show, rising.

    """
    if not texts:
        return []
    pixels, depth = camera.project(places)
    chosen: list[int] = []
    kept = np.zeros((0, 4))
    for k, text in enumerate(texts):
        if depth[k] <= NEAREST:
            continue
        half = (LETTER * len(text) + MARGIN) / 2
        x, y = pixels[k]
        if not (-half < x < camera.width + half and 0 < y < camera.height + LINE):
            continue
        is_apart = (
            (kept[:, 2] <= x - half)
            | (kept[:, 0] >= x + half)
            | (kept[:, 3] <= y - LINE)
            | (kept[:, 1] >= y)
        )
        if is_apart.all():
            chosen.append(k)
            kept = np.vstack([kept, (x - half, y - LINE, x + half, y)])
    return chosen


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else np.array([1.0, 0.0, 0.0])
