"""Shapes of soft things: bags, cushions, cloth, clothes, toys; every design has its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, cushion, Part, sheet, tube

# What a form gets: two sources of chance, of the design and of the single thing, and extents (m).
Form = Callable[[np.random.Generator, np.random.Generator, Sequence[float]], list[Part]]


def any_surface(design: np.random.Generator) -> look.Material:
    """Draw what small things are made of."""
    kinds = (look.printed, look.plastic, look.ceramic, look.metal, look.fabric, look.wood)
    return kinds[int(design.choice(6, p=(0.34, 0.3, 0.1, 0.08, 0.08, 0.1)))](design)


def blob(rng, size, surface, rough: float, power: float = 3.0) -> Part:
    """Return a lumpy body on the floor of a box of `size` (m)."""
    u = np.linspace(-np.pi / 2, np.pi / 2, 11)[:, None]
    v = np.linspace(-np.pi, np.pi, 21)[None]
    unit = np.stack(
        np.broadcast_arrays(np.cos(u) * np.cos(v), np.cos(u) * np.sin(v), np.sin(u)), 2
    )
    squared = unit / (np.abs(unit) ** power).sum(axis=2, keepdims=True) ** (1 / power)
    waves = np.ones(unit.shape[:2])
    for _ in range(5):
        k, phase = rng.normal(0, 2.2, 3), rng.uniform(0, 6)
        waves += rough * np.sin(unit @ k + phase) / 2
    waves[:, -1] = waves[:, 0]
    points = squared * waves[..., None]
    # What is soft or heavy stands on more than one point.
    points[..., 2] = np.maximum(points[..., 2], -0.8)
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    points = (points - low) / (high - low) * size - np.array([size[0] / 2, size[1] / 2, 0])
    return sheet(points, surface)


def soft(design, rng, size) -> list[Part]:
    """Make a bag, sack, heap of clothes, cushion seat or sleeping pet: a lumpy body."""
    surface = look.worn(look.fabric(design) if design.random() < 0.7 else any_surface(design), rng)
    parts = [blob(rng, size, surface, design.uniform(0.05, 0.3), design.uniform(2, 4))]
    w, d, h = size
    if design.random() < 0.4:
        cloth = look.fabric(design)
        at = np.array([rng.uniform(-0.2, 0.2) * w, rng.uniform(-0.2, 0.2) * d, h * 0.45])
        parts.append(blob(rng, (w * 0.6, d * 0.6, h * 0.5), cloth, 0.2).moved(at))
    if design.random() < 0.4:
        grip = [
            (-w * 0.2, 0, h * 0.9),
            (-w * 0.15, 0, h * 1.3),
            (w * 0.15, 0, h * 1.3),
            (w * 0.2, 0, h * 0.9),
        ]
        parts.append(tube(grip, 0.012, surface, sides=6))
    return parts


def figure(design, rng, size) -> list[Part]:
    """Make a toy, sculpture or plush animal: a few round bodies that touch."""
    w, d, h = size
    surface = look.worn(any_surface(design), rng)
    parts = [blob(design, (w, d, h * 0.6), surface, 0.05, 2.2)]
    parts.append(
        blob(design, (w * 0.7, d * 0.7, h * 0.45), surface, 0.05, 2.2).moved((0, 0, h * 0.52))
    )
    for s in (-1, 1):
        limb = blob(design, (w * 0.3, d * 0.5, h * 0.3), any_surface(design), 0.05, 2.2)
        parts.append(limb.moved((s * w * 0.4, d * 0.3, h * design.uniform(0, 0.4))))
    return parts


def pillow(design, rng, size) -> list[Part]:
    """Make a cushion that lies or leans a little."""
    w, d, h = size
    cover = look.worn(look.fabric(design) if design.random() < 0.75 else look.printed(design), rng)
    piece = cushion((w, d, h), (0, 0, h / 2), cover, h * 0.45, h * 0.15)
    if rng.random() < 0.7:
        return [piece]
    tilt = rng.uniform(0.2, 0.8)
    leaning = piece.tilted(-tilt, (0, -d / 2, 0))
    return [leaning.moved((0, 0, -float(leaning.vertices[:, 2].min())))]


def cloth(design, rng, size) -> list[Part]:
    """Make a blanket, towel or garment that lies in folds."""
    w, d, h = size
    u, v = np.meshgrid(np.linspace(-1, 1, 20), np.linspace(-1, 1, 20), indexing='ij')
    z = np.zeros_like(u)
    for _ in range(6):
        k, phase = rng.normal(0, 3.5, 2), rng.uniform(0, 6)
        z += np.abs(np.sin(k[0] * u + k[1] * v + phase))
    z = (z - z.min()) / (z.max() - z.min()) * h * (1 - 0.7 * np.maximum(abs(u), abs(v)) ** 4)
    x = u * w / 2 * (1 + 0.12 * np.sin(2.5 * v + rng.uniform(0, 6)))
    y = v * d / 2 * (1 + 0.12 * np.sin(2.5 * u + rng.uniform(0, 6)))
    return [sheet(np.stack([x, y, z + 0.008], axis=2), look.worn(look.fabric(design), rng))]


def hanging(design, rng, size) -> list[Part]:
    """Make a coat, towel or bag that hangs flat at a wall."""
    w, d, h = size
    u, v = np.meshgrid(np.linspace(-1, 1, 22), np.linspace(0, 1, 14), indexing='ij')
    wide = design.uniform(0.35, 0.8) + (1 - design.uniform(0.35, 0.8)) * np.minimum(v * 3, 1)
    waves = np.sin(u * design.uniform(4, 9) + rng.uniform(0, 6) + 0.6 * np.sin(3 * v))
    depth = d * (0.35 + 0.4 * (1 - u**2) + 0.22 * waves * v)
    x = u * w / 2 * wide
    surface = look.worn(look.fabric(design), rng)
    front = np.stack([x, depth - d / 2, h * (1 - v)], axis=2)
    back = np.stack([x, np.full_like(x, -d / 2), h * (1 - v)], axis=2)
    return [sheet(front, surface), sheet(back, surface)]


def rack(design, rng, size) -> list[Part]:
    """Make a frame on which clothes hang: a rail with coats, or a drying rack."""
    w, d, h = size
    metal = look.metal(design)
    parts = [tube([(-w / 2, 0, h), (w / 2, 0, h)], 0.014, metal, sides=6)]
    for s in (-1, 1):
        parts.append(tube([(s * w / 2, 0, 0.02), (s * w / 2, 0, h)], 0.014, metal, sides=6))
        foot = [(s * w / 2, -d / 2, 0.02), (s * w / 2, d / 2, 0.02)]
        parts.append(tube(foot, 0.014, metal, sides=6))
    x = -w / 2 + 0.08
    while x < w / 2 - 0.08:
        coat = hanging(design, rng, (d * rng.uniform(0.7, 1), 0.09, h * rng.uniform(0.4, 0.75)))
        tall = max(float(p.vertices[:, 2].max()) for p in coat)
        parts += [p.moved((x, 0, h - tall), np.pi / 2 + rng.normal(0, 0.1)) for p in coat]
        x += rng.uniform(0.06, 0.2)
    return parts


def shoes(design, rng, size) -> list[Part]:
    """Make a pair of shoes, one beside the other as they were left."""
    w, d, h = size
    leather = look.worn(any_surface(design), rng)
    parts = []
    for s in (-1, 1):
        sole = cushion((w * 0.42, d, h * 0.45), (0, 0, h * 0.22), leather, h * 0.2)
        ankle = cushion((w * 0.36, d * 0.45, h), (0, -d * 0.25, h * 0.5), leather, h * 0.15)
        at = (s * w * 0.26, rng.normal(0, 0.05) * d, 0)
        yaw = rng.normal(0, 0.25)
        parts += [sole.moved(at, yaw), ankle.moved(at, yaw)]
    return parts


def rug(design, rng, size) -> list[Part]:
    """Make a rug or mat."""
    w, d, h = size
    surface = look.fabric(design) if design.random() < 0.6 else look.printed(design)
    return [box((w, d, h), (0, 0, h / 2), look.worn(surface, rng))]
