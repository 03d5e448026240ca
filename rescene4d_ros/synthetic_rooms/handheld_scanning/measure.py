"""Depth images of a furnished room with the errors of a real sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.synthetic_rooms.handheld_scanning.mirrors import reflect
from rescene4d_ros.synthetic_rooms.handheld_scanning.sensors import Sensor, Setup
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import face_normals, Surface
from rescene4d_ros.synthetic_rooms.rendering.raster import depth_images
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import turned

# Neighbors on one surface differ less than this share of their depth.
SAME_SURFACE = 0.06


@dataclass(frozen=True)
class DepthScan:
    """
    Hold what all views of one visit measured.

    Attributes
    ----------
    poses : ndarray (P, 4, 4)
        room_T_camera, as it was.
    depth : ndarray (P, H, W), float64, m
        Measured, along the axis of the camera; 0 = no return.
    true : ndarray (P, H, W), float64, m
        Without errors; infinite where nothing is.
    face : ndarray (P, H, W), int64
        That the pixel looks at; -1 where nothing is.
    uv : ndarray (P, H, W, 2), float64
    ghost : ndarray (P, H, W), bool
        Seen in a mirror: nothing is there.
    x, y : ndarray, float64
        Of the columns and rows at a depth of 1.

    """

    poses: np.ndarray
    depth: np.ndarray
    true: np.ndarray
    face: np.ndarray
    uv: np.ndarray
    ghost: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def covered(self, points: np.ndarray) -> np.ndarray:
        """Return which of the (N, 3) places in the room (m) were looked at or through."""
        seen = np.zeros(len(points), bool)
        for pose, image in zip(self.poses, self.depth):
            local = turned(points - pose[:3, 3], pose[:3, :3].T)
            z = np.maximum(local[:, 2], 1e-6)
            u = (local[:, 0] / z - self.x[0]) / (self.x[1] - self.x[0])
            v = (local[:, 1] / z - self.y[0]) / (self.y[1] - self.y[0])
            inside = (local[:, 2] > 0.05) & (u > -0.5) & (v > -0.5)
            inside &= (u < len(self.x) - 0.5) & (v < len(self.y) - 0.5)
            row, column = (np.rint(np.where(inside, a, 0)).astype(int) for a in (v, u))
            seen |= inside & (image[row, column] > z - 0.05)
        return seen


def measure(
    surface: Surface,
    poses: np.ndarray,
    setup: Setup,
    rng: np.random.Generator,
    hidden: np.ndarray | None = None,
    hidden_radius: float = 0.0,
) -> DepthScan:
    """
    Take one depth image per pose.

    Parameters
    ----------
    surface : Surface
    poses : ndarray (P, 4, 4)
        room_T_camera.
    setup : Setup
    rng : Generator
    hidden : ndarray (2,), m, optional
        Middle of an upright cylinder of `hidden_radius` (m) in which nothing is measured.

    """
    x, y = setup.image_plane
    sensor = setup.sensor
    seen = depth_images(surface.vertices[surface.faces], poses, x, y)
    ghost = reflect(surface, seen, poses, x, y, rng)
    true = seen.depth
    depth = np.where((true > sensor.reach[0]) & (true < sensor.reach[1]), true, 0.0)
    depth = depth.astype(np.float32)
    if sensor.row_step > 1:
        depth[:, np.arange(depth.shape[1]) % sensor.row_step > 0] = 0.0
    cosine = _cosine(surface, seen.face, poses, x, y)
    depth[_lost(surface, seen.face, depth, cosine, sensor.holes, rng)] = 0.0
    if hidden is not None:
        depth[_inside(depth, poses, x, y, hidden, hidden_radius)] = 0.0
    depth = _fattened(depth, sensor.fattening)
    depth = _flying(depth, sensor.flying, rng)
    depth = _noisy(depth, cosine, setup, rng)
    return DepthScan(poses, depth.astype(np.float64), true, seen.face, seen.uv, ghost, x, y)


def _cosine(surface, face, poses, x, y) -> np.ndarray:
    """Return how squarely each pixel looks at its surface, float32."""
    normals = face_normals(surface)
    stretch = np.sqrt(x**2 + y[:, None] ** 2 + 1).astype(np.float32)
    out = np.empty(face.shape, np.float32)
    for p, pose in enumerate(poses):
        n = normals[face[p]]
        r = pose[:3, :3].astype(np.float32)
        local = [n[..., 0] * r[0, k] + n[..., 1] * r[1, k] + n[..., 2] * r[2, k] for k in range(3)]
        across, down = x.astype(np.float32), y.astype(np.float32)[:, None]
        out[p] = np.abs(local[0] * across + local[1] * down + local[2]) / stretch
    return out


def _lost(
    surface: Surface,
    face: np.ndarray,
    depth: np.ndarray,
    cosine: np.ndarray,
    factor: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return which returns are lost: glossy and dark material, grazing view, chance."""
    dark = np.array([max(0.0, 0.12 - float(np.mean(m.color))) * 2.5 for m in surface.materials])
    gloss = np.array([m.dropout for m in surface.materials])
    per_material = (0.01 + dark + gloss).astype(np.float32)
    chance = per_material[surface.material[face]]
    chance += 0.6 * np.clip(1 - cosine / 0.2, 0, 1)
    # Holes are larger than a pixel: neighbors share their luck.
    luck = 0.5 * rng.random(depth.shape, np.float32)
    luck += 0.5 * _spread_out(rng.random(_coarse(depth.shape, 3), np.float32), depth.shape, 3)
    # The sum of two even numbers is low less often than one of them.
    chance = np.minimum(np.sqrt(np.clip(factor * chance, 0, 2) / 2), 1)
    return (luck < chance) | (depth <= 0)


def _coarse(shape: tuple[int, int, int], pixels: int) -> tuple[int, int, int]:
    return (shape[0], shape[1] // pixels + 2, shape[2] // pixels + 2)


def _spread_out(values: np.ndarray, shape: tuple[int, int, int], pixels: int) -> np.ndarray:
    """Return coarse images as large ones of even tiles."""
    rows = np.arange(shape[1]) // pixels
    columns = np.arange(shape[2]) // pixels
    return values[:, rows[:, None], columns]


def _smooth(values: np.ndarray, shape: tuple[int, int, int], pixels: int) -> np.ndarray:
    """Return coarse images interpolated to large ones."""
    row, column = (np.arange(n) / np.float32(pixels) for n in shape[1:])
    i, j = row.astype(int), column.astype(int)
    v = (row - i).astype(np.float32)[:, None]
    u = (column - j).astype(np.float32)
    upper = values[:, i[:, None], j] * (1 - u) + values[:, i[:, None], j + 1] * u
    lower = values[:, i[:, None] + 1, j] * (1 - u) + values[:, i[:, None] + 1, j + 1] * u
    return upper * (1 - v) + lower * v


def _inside(depth, poses, x, y, middle, radius) -> np.ndarray:
    """Return which pixels measured within an upright cylinder or through it."""
    out = np.zeros(depth.shape, bool)
    for p, pose in enumerate(poses):
        step = [pose[k, 0] * x[None, :] + pose[k, 1] * y[:, None] + pose[k, 2] for k in range(2)]
        to = middle - pose[:2, 3]
        length = np.maximum(step[0] ** 2 + step[1] ** 2, 1e-9)
        along = np.clip((to[0] * step[0] + to[1] * step[1]) / length, 0, depth[p])
        out[p] = (to[0] - along * step[0]) ** 2 + (to[1] - along * step[1]) ** 2 < radius**2
    return out


def _fattened(depth: np.ndarray, share: float) -> np.ndarray:
    """Pull each pixel towards the mean of its neighbors over small steps: rounded edges."""
    if not share:
        return depth
    total, count = depth.copy(), (depth > 0).astype(np.float32)
    for axis in (1, 2):
        for way in (-1, 1):
            other = np.roll(depth, way, axis)
            near = (other > 0) & (np.abs(other - depth) < SAME_SURFACE * depth)
            total += np.where(near, other, 0)
            count += near
    mean = total / np.maximum(count, 1)
    return np.where(depth > 0, depth + np.float32(share) * (mean - depth), 0)


def _flying(depth: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Put some pixels at edges between the two surfaces, and let others give nothing."""
    pull = rng.random(depth.shape, np.float32)
    kind = rng.random(depth.shape, np.float32)
    out = depth.copy()
    for axis in (1, 2):
        other = np.roll(depth, 1, axis)
        step = other - depth
        edge = (depth > 0) & (other > 0) & (np.abs(step) > SAME_SURFACE * depth)
        mixed = edge & (kind < share) & (np.abs(step) < 1.0)
        out = np.where(mixed, depth + pull * step, out)
        out = np.where(edge & (kind > 0.75), 0, out)
    return out


def _noisy(
    depth: np.ndarray, cosine: np.ndarray, setup: Setup, rng: np.random.Generator
) -> np.ndarray:
    """Add noise of single pixels and waves that neighbors share, then quantize."""
    sensor: Sensor = setup.sensor
    grown = depth**sensor.power
    noise = setup.grain * rng.standard_normal(depth.shape, np.float32)
    waves = rng.standard_normal(_coarse(depth.shape, setup.wave_pixels), np.float32)
    noise += setup.waves * _smooth(waves, depth.shape, setup.wave_pixels)
    noise *= np.round(grown, 6) / np.maximum(cosine, 0.4)
    measured = depth + noise
    if sensor.step:
        tick = np.maximum(sensor.step * depth * depth, 1e-4)
        measured = np.rint(measured / tick) * tick
    return np.where(depth > 0, np.maximum(measured, 0.05), 0)
