"""Color as cameras in rooms give it: strong light, exposure, white balance, blur, vignetting."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.rendering.light import Lamp, LAMP_RADIUS_M, Lights
from scipy.spatial import cKDTree

NEIGHBORS = 6
# Of a hand-held camera in a dim room.
MOST_SMEAR = 0.02


@dataclass(frozen=True)
class Camera:
    """
    Hold how one visit's colors come out.

    Attributes
    ----------
    exposure : ndarray (P,), float64
        Of each view.
    vignette : float
        Loss of light in the corners of the image.
    blur : float
        Share of a color that comes from neighboring points.
    contrast : float
        Exponent of the tone curve about the middle gray.
    saturation : float
    level : float
        Mean brightness that automatic exposure aims at, 0..1.
    grain : float
        Deviation of the noise of single points, 0..1.
    smear : ndarray (P, 2), float64, rad
        How far each view turns to the right and down while its color is taken.

    """

    exposure: np.ndarray
    vignette: float
    blur: float
    contrast: float
    saturation: float
    level: float
    grain: float
    smear: np.ndarray


def draw_room_light(room: Room, pixels: int, rng: np.random.Generator) -> Lights:
    """Draw light of one visit: daylight or lamps, dim or bright, warm or cold."""
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    lamps = []
    for _ in range(rng.integers(1, 4)):
        at = low + (high - low) * rng.uniform(0.05, 0.95, 2)
        place = np.array([*at, room.height - rng.uniform(0.05, 1.1)])
        spots = (2 * rng.random((pixels, 3), np.float32) - 1) * LAMP_RADIUS_M
        lamps.append(Lamp(place, spots, rng.uniform(0.3, 1.0)))
    # Warm lamps take blue away, shade adds some.
    warmth = rng.normal(0.1, 0.15)
    tint = np.round(np.exp(warmth * np.array([0.8, 0.0, -1.3]) + rng.normal(0, 0.03, 3)), 12)
    return Lights(
        rng.uniform(0.2, 0.6),
        tuple(lamps),
        tint,
        1 / rng.uniform(1.0, 1.5),
        rng.standard_normal((pixels, 3), np.float32),
    )


def draw_camera(views: int, rng: np.random.Generator) -> Camera:
    """Draw the camera of one visit."""
    return Camera(
        np.round(np.exp(rng.normal(0, rng.uniform(0.02, 0.23), views)), 12),
        rng.uniform(0.0, 0.35),
        rng.uniform(0.1, 0.95),
        rng.uniform(0.8, 1.9),
        rng.uniform(0.2, 1.1),
        rng.uniform(0.18, 0.62),
        rng.uniform(0.0, 0.03),
        np.round(rng.normal(0, rng.uniform(0.0, MOST_SMEAR), (views, 2)), 12),
    )


def exposed(lights: Lights, camera: Camera, rgb: np.ndarray) -> Lights:
    """Return lights whose balance brings the mean of (N, 3) uint8 trial colors to the level."""
    mean = max(float(rgb.mean()) / 255, 0.01)
    factor = np.clip((camera.level / mean) ** (1 / lights.power), 0.2, 5.0)
    return replace(lights, balance=lights.balance * np.round(factor, 9))


def gain_of(
    camera: Camera, view: np.ndarray, row: np.ndarray, column: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Return the factor (N,) of exposure and vignetting of pixels in images (rows, columns)."""
    across = 2 * column / (shape[1] - 1) - 1
    down = 2 * row / (shape[0] - 1) - 1
    return camera.exposure[view] * (1 - camera.vignette * (across**2 + down**2) / 2)


def smeared(rgb: np.ndarray, xyz: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """
    Return (N, 3) uint8 colors blurred by motion.

    Parameters
    ----------
    rgb : ndarray (N, 3), uint8
    xyz : ndarray (N, 3), m
    motion : ndarray (N, 3), m
        How far the picture of each point moves while the shutter is open.

    """
    tree = cKDTree(xyz)
    total = rgb.astype(np.float64)
    for share in (-0.5, 0.5):
        total += rgb[tree.query(xyz + share * motion)[1]]
    return np.rint(total / 3).astype(np.uint8)


def finished(
    rgb: np.ndarray, xyz: np.ndarray, camera: Camera, rng: np.random.Generator
) -> np.ndarray:
    """
    Blur colors over neighboring points, as fusion does, and apply the camera's tones.

    Parameters
    ----------
    rgb : ndarray (N, 3), uint8
    xyz : ndarray (N, 3), m
    camera : Camera
    rng : Generator

    Returns
    -------
    ndarray (N, 3), uint8

    """
    near = cKDTree(xyz).query(xyz, min(NEIGHBORS, len(xyz)))[1].reshape(len(xyz), -1)
    mean = rgb[near].astype(np.float64).mean(axis=1)
    color = (rgb + camera.blur * (mean - rgb)) / 255
    color += camera.grain * rng.standard_normal(color.shape)
    gray = color.mean(axis=1, keepdims=True)
    color = np.clip(gray + camera.saturation * (color - gray), 0, 1)
    color = np.clip(0.5 + camera.contrast * (color - 0.5), 0, 1)
    return np.rint(np.round(color, 9) * 255).astype(np.uint8)
