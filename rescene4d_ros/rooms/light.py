"""Light and camera color of one visit: lamps, shadows, exposure, white balance, noise."""
from __future__ import annotations

import numpy as np
from rescene4d_ros.rooms.outline import Room


def shade(scene, room: Room, points: np.ndarray, normals: np.ndarray, albedo: np.ndarray,
          gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """
    Color points as the camera of one visit would.

    Parameters
    ----------
    scene : RaycastingScene
        For shadows.
    room : Room
    points, normals : ndarray (N, 3), in room
    albedo : ndarray (N, 3)
        0..1.
    gain : ndarray (N,)
        Exposure per point.
    rng : Generator

    Returns
    -------
    ndarray (N, 3), uint8

    """
    light = np.full((len(points), 1), rng.uniform(0.35, 0.6))
    # Light that falls from above and from the walls: what faces down is darker.
    light = light * (0.82 + 0.18 * normals[:, 2:3])
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    for _ in range(rng.integers(1, 3)):
        lamp = np.array([*(low + (high - low) * rng.uniform(0.15, 0.85, 2)),
                         room.height - rng.uniform(0.05, 0.4)])
        to = lamp - points
        distance = np.linalg.norm(to, axis=1, keepdims=True)
        # Each point looks at another spot of a lamp of 40 cm: soft shadows.
        aim = lamp + rng.uniform(-0.2, 0.2, points.shape) - points
        start = points + 0.03 * normals
        rays = np.concatenate([start, aim], axis=1).astype(np.float32)
        lit = ~scene.test_occlusions(rays, tfar=0.97, nthreads=1).numpy()
        facing = np.clip((to * normals).sum(axis=1, keepdims=True) / distance, 0, 1)
        light = light + rng.uniform(0.4, 0.8) * facing * (0.25 + 0.75 * lit[:, None]) / (
            0.6 + 0.12 * distance ** 2)
    tint = np.exp(rng.normal(0, 0.05, 3))
    exposure = rng.uniform(0.75, 1.15)
    color = albedo * light * tint * exposure * gain[:, None]
    color = np.clip(color, 0, 1) ** (1 / rng.uniform(1.0, 1.25))
    color = color + rng.normal(0, 0.015, color.shape)
    return np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)
