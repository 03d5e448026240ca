"""A small point renderer: orthographic views with a depth buffer and eye-dome shading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BACKGROUND = (252, 252, 250)
CORNER = 62  # deg; from the frontal view of a wall to that over a corner of the room


@dataclass(frozen=True)
class View:
    """
    Hold an orthographic camera.

    Attributes
    ----------
    rotation : ndarray (3, 3)
        Rows: image right, image down and viewing direction, in map.
    center : ndarray (3,), m, in map
        In the middle of the image.
    pixels_per_m : float
    width, height : int

    """

    rotation: np.ndarray
    center: np.ndarray
    pixels_per_m: float
    width: int
    height: int

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return (N, 3): column, row (pixels) and depth (m) of map points."""
        local = (np.asarray(points, np.float64) - self.center) @ self.rotation.T
        local[:, 0] = local[:, 0] * self.pixels_per_m + self.width / 2
        local[:, 1] = local[:, 1] * self.pixels_per_m + self.height / 2
        return local


def view_of(
    clouds: Sequence[np.ndarray],
    width: int,
    height: int,
    azimuth: float = 0.0,
    elevation: float = 52.0,
) -> View:
    """
    Return a view that holds all clouds.

    Parameters
    ----------
    clouds : sequence of ndarray (N, 3), m
    width, height : int
        Of the image.
    azimuth, elevation : float, deg
        Direction of the viewer from the cloud; elevation 90 is a top view.

    """
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    away = -np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    rotation = np.stack([right, np.cross(away, right), away])
    every = np.concatenate([c[::5] for c in clouds]).astype(np.float64)
    turned = every @ rotation.T
    low, high = np.percentile(turned, 0.2, axis=0), np.percentile(turned, 99.8, axis=0)
    scale = 0.94 * min(width / (high[0] - low[0] + 0.2), height / (high[1] - low[1] + 0.2))
    return View(rotation, rotation.T @ ((low + high) / 2), float(scale), width, height)


def wall_azimuth(xyz: np.ndarray) -> float:
    """Return an azimuth (deg) over a corner of a room with upright walls."""
    flat = xyz[:, :2] - np.median(xyz[:, :2], axis=0)
    angles = np.deg2rad(np.arange(0, 90, 3))
    turned = flat @ np.stack([np.cos(angles), np.sin(angles)])
    other = flat @ np.stack([-np.sin(angles), np.cos(angles)])
    area = np.ptp(np.percentile(turned, (0.5, 99.5), axis=0), axis=0) * np.ptp(
        np.percentile(other, (0.5, 99.5), axis=0), axis=0
    )
    return float(np.rad2deg(angles[np.argmin(area)]) + CORNER)


def splat(
    view: View, xyz: np.ndarray, rgb: np.ndarray, spacing: float = 0.025, shading: float = 1.0
) -> np.ndarray:
    """
    Draw a cloud.

    Parameters
    ----------
    view : View
    xyz : ndarray (N, 3), m
    rgb : ndarray (N, 3), uint8
    spacing : float, m
        Between points: how large they are drawn.
    shading : float
        Strength of the dark rims at depth edges; 0 = none.

    Returns
    -------
    ndarray (H, W, 3), uint8

    """
    at = view.project(xyz)
    size = int(np.clip(np.ceil(1.5 * spacing * view.pixels_per_m), 1, 9))
    offsets = np.arange(size) - (size - 1) / 2
    dy, dx = (a.ravel() for a in np.meshgrid(offsets, offsets, indexing='ij'))
    column = np.rint(at[:, :1] + dx).astype(np.int64)
    row = np.rint(at[:, 1:2] + dy).astype(np.int64)
    inside = (column >= 0) & (column < view.width) & (row >= 0) & (row < view.height)
    pixel = (row * view.width + column)[inside]
    point = np.broadcast_to(np.arange(len(xyz))[:, None], inside.shape)[inside]
    depth = np.full(view.width * view.height, np.inf)
    np.minimum.at(depth, pixel, at[point, 2])
    # Averaging points within one spacing of the surface is smoother than the nearest point.
    front = at[point, 2] <= depth[pixel] + 0.6 * spacing
    total = np.zeros((view.width * view.height, 3))
    count = np.bincount(pixel[front], minlength=len(total))
    for k in range(3):
        total[:, k] = np.bincount(pixel[front], rgb[point[front], k], len(total))
    pixels = np.full((len(total), 3), BACKGROUND, np.float64)
    drawn = count > 0
    pixels[drawn] = total[drawn] / count[drawn, None]
    image = pixels.reshape(view.height, view.width, 3)
    if shading:
        lit = _eye_dome(depth.reshape(view.height, view.width), shading)
        image = np.where(drawn.reshape(lit.shape)[..., None], image * lit[..., None], image)
    return np.clip(image, 0, 255).astype(np.uint8)


def _eye_dome(depth: np.ndarray, strength: float) -> np.ndarray:
    """Darken pixels that lie behind their neighbors (Boucheny 2009)."""
    far = np.where(np.isfinite(depth), depth, np.nan)
    drop = np.zeros_like(depth)
    for step in (1, 3):
        for dy, dx in ((0, step), (step, 0), (0, -step), (-step, 0)):
            other = np.roll(far, (dy, dx), axis=(0, 1))
            drop += np.clip(np.nan_to_num(far - other, nan=0.0) - 0.015, 0, 0.25)
    return np.exp(-strength * 0.9 * drop)
