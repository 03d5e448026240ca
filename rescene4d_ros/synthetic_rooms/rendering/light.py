"""Light and camera color of one visit: lamps, shadows, exposure, white balance, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.rendering.occlusion import Occlusion

LAMP_RADIUS_M = 0.2
# Shadow rays start so far from their surface, and end so far before the lamp.
OFF_SURFACE_M = 0.03
REACH = 0.97
GRAIN = 0.015


@dataclass(frozen=True)
class Lamp:
    """
    Hold one lamp.

    Attributes
    ----------
    place : ndarray (3,), m, in room
    spots : ndarray (P, 3), float32, m
        Which part of the lamp each pixel looks at: soft shadows.
    strength : float

    """

    place: np.ndarray
    spots: np.ndarray
    strength: float


@dataclass(frozen=True)
class Lights:
    """
    Hold the light and the camera of one visit.

    Attributes
    ----------
    ambient : float
    lamps : tuple of Lamp
    balance : ndarray (3,)
        White balance and exposure.
    power : float
        Tone curve.
    grain : ndarray (P, 3), float32
        Noise of each pixel.

    """

    ambient: float
    lamps: tuple[Lamp, ...]
    balance: np.ndarray
    power: float
    grain: np.ndarray


def draw_lights(room: Room, pixels: int, rng: np.random.Generator) -> Lights:
    """Draw the light of one visit for all `pixels`, so that none depends on which have points."""
    ambient = rng.uniform(0.35, 0.6)
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    lamps = []
    for _ in range(rng.integers(1, 3)):
        place = np.array(
            [
                *(low + (high - low) * rng.uniform(0.15, 0.85, 2)),
                room.height - rng.uniform(0.05, 0.4),
            ]
        )
        spots = (2 * rng.random((pixels, 3), np.float32) - 1) * LAMP_RADIUS_M
        lamps.append(Lamp(place, spots, rng.uniform(0.4, 0.8)))
    balance = np.round(np.exp(rng.normal(0, 0.05, 3)), 12) * rng.uniform(0.75, 1.15)
    return Lights(
        ambient,
        tuple(lamps),
        balance,
        1 / rng.uniform(1.0, 1.25),
        rng.standard_normal((pixels, 3), np.float32),
    )


def shade(
    occlusion: Occlusion,
    lights: Lights,
    points: np.ndarray,
    normals: np.ndarray,
    albedo: np.ndarray,
    gain: np.ndarray,
    pixel: np.ndarray,
) -> np.ndarray:
    """
    Color points as the camera of one visit would.

    Parameters
    ----------
    occlusion : Occlusion
        Of all triangles, for shadows.
    lights : Lights
    points, normals : ndarray (N, 3), float64, in room
    albedo : ndarray (N, 3)
        0..1.
    gain : ndarray (N,)
        Exposure per point.
    pixel : ndarray (N,), int64
        That a point stands for, among those of `lights`.

    Returns
    -------
    ndarray (N, 3), uint8

    """
    # Light that falls from above and from the walls: what faces down is darker.
    light = lights.ambient * (0.82 + 0.18 * normals[:, 2:3])
    start = points + OFF_SURFACE_M * normals
    for lamp in lights.lamps:
        to = lamp.place - points
        squared = (to**2).sum(axis=1, keepdims=True)
        lit = ~occlusion(start, to + lamp.spots[pixel], REACH)
        facing = np.clip((to * normals).sum(axis=1, keepdims=True) / np.sqrt(squared), 0, 1)
        light = light + lamp.strength * facing * (0.25 + 0.75 * lit[:, None]) / (
            0.6 + 0.12 * squared
        )
    color = np.clip(albedo * light * lights.balance * gain[:, None], 0, 1) ** lights.power
    # The last bits of a power depend on the processor.
    color = np.round(color, 9) + GRAIN * lights.grain[pixel]
    return np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)
