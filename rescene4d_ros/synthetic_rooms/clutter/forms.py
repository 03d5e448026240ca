"""Shapes of small things: turned, boxy, soft, stacked, in rows; every design has its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import (
    box,
    cushion,
    cylinder,
    lathe,
    Part,
    sheet,
    tube,
)

# What a form gets: two sources of chance, of the design and of the single thing, and extents (m).
Form = Callable[[np.random.Generator, np.random.Generator, Sequence[float]], list[Part]]


def any_surface(design: np.random.Generator) -> look.Material:
    """Draw what small things are made of."""
    kinds = (look.printed, look.plastic, look.ceramic, look.metal, look.fabric, look.wood)
    return kinds[int(design.choice(6, p=(0.34, 0.3, 0.1, 0.08, 0.08, 0.1)))](design)


def turned(design, rng, size) -> list[Part]:
    """Make a bottle, jar, vase, cup, bowl or pot: a profile turned about its axis."""
    width, _, height = size
    r = width / 2
    knots = int(design.integers(3, 6))
    radii = np.clip(design.uniform(0.55, 1.0, knots), 0.1, 1.0)
    radii[int(design.integers(knots))] = 1.0
    if height > 1.5 * width:
        radii[-1] = design.uniform(0.22, 0.6)
    levels = np.sort(design.uniform(0.06, 0.95, knots))
    profile = [(0, 0), (r * radii[0] * 0.92, 0)]
    profile += [(r * a, height * z) for a, z in zip(radii, levels)]
    profile.append((r * radii[-1] * 0.97, height))
    if height < 0.9 * width:  # open: one looks into it
        profile += [(r * radii[-1] * 0.9, height), (r * 0.5, height * 0.2), (0, height * 0.15)]
    else:
        profile.append((0, height))
    surface = look.worn(any_surface(design), rng)
    parts = [lathe(profile, surface, sides=14)]
    if design.random() < 0.35:
        x = r * float(radii.mean())
        grip = [(x * 0.9, 0, height * 0.75), (x * 1.5, 0, height * 0.7)]
        grip += [(x * 1.5, 0, height * 0.35), (x * 0.9, 0, height * 0.3)]
        parts.append(tube(grip, max(0.006, 0.05 * width), surface, sides=6))
    if design.random() < 0.35:
        lid = look.plastic(design)
        cap = height * design.uniform(0.05, 0.15)
        parts.append(cylinder(r * radii[-1] * 0.95, cap, (0, 0, height), lid, sides=12))
    if design.random() < 0.4:
        band = look.printed(design)
        parts.append(lathe([(r * 1.005, height * 0.3), (r * 1.005, height * 0.6)], band, sides=14))
    return parts


def boxy(design, rng, size) -> list[Part]:
    """Make a machine, case or package: a rounded block with what is on its faces."""
    w, d, h = size
    body = look.worn(any_surface(design), rng)
    radius = float(design.uniform(0.004, 0.12) * min(size))
    taper = design.random() < 0.2
    parts = [cushion((w, d, h), (0, 0, h / 2), body, radius)]
    if taper:
        parts.append(cushion((w * 0.8, d * 0.8, h * 0.3), (0, 0, h), body, radius))
    if design.random() < 0.55:
        pane = look.screen(design) if design.random() < 0.5 else any_surface(design)
        a, b = design.uniform(0.4, 0.9, 2)
        parts.append(
            box((w * a, 0.012, h * b), (0, d / 2 + 0.002, h * design.uniform(0.45, 0.55)), pane)
        )
    for _ in range(int(design.integers(0, 4))):
        knob = any_surface(design)
        at = design.uniform(-0.4, 0.4) * w, d / 2 + 0.01, design.uniform(0.15, 0.9) * h
        parts.append(box(design.uniform(0.06, 0.2, 3) * (w, 0.3, h), at, knob))
    if design.random() < 0.35:
        at = (design.uniform(-0.2, 0.2) * w, design.uniform(-0.2, 0.2) * d, h)
        top = design.uniform((0.3, 0.3, 0.05), (0.8, 0.8, 0.4)) * size
        parts.append(cushion(top, at, any_surface(design), 0.2 * float(min(top))))
    if design.random() < 0.2:
        rise = h * design.uniform(1.1, 1.4)
        grip = [
            (-w * 0.3, 0, h * 0.98),
            (-w * 0.25, 0, rise),
            (w * 0.25, 0, rise),
            (w * 0.3, 0, h * 0.98),
        ]
        parts.append(tube(grip, max(0.006, 0.02 * w), any_surface(design), sides=6))
    return parts


def carton(design, rng, size) -> list[Part]:
    """Make a box of cardboard, wood or plastic: closed, or open with what is in it."""
    w, d, h = size
    board = look.Material((0.62, 0.47, 0.31), (0.55, 0.41, 0.27), look.Pattern.GRAIN, 12)
    shell = look.worn(board if design.random() < 0.45 else any_surface(design), rng)
    if rng.random() < 0.55:
        parts = [box((w, d, h), (0, 0, h / 2), shell)]
        if design.random() < 0.5:
            parts.append(box((w * 1.02, d * 1.02, h * 0.22), (0, 0, h * 0.9), shell))
        return parts
    parts = [box((w, d, 0.012), (0, 0, 0.006), shell)]
    for s in (-1, 1):
        parts.append(box((0.012, d, h), (s * (w / 2 - 0.006), 0, h / 2), shell))
        parts.append(box((w, 0.012, h), (0, s * (d / 2 - 0.006), h / 2), shell))
    filling = any_surface(rng)
    parts.append(_blob(rng, (w * 0.9, d * 0.9, h * rng.uniform(0.5, 0.95)), filling, 0.12))
    return parts


def _blob(rng, size, surface, rough: float, power: float = 3.0) -> Part:
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
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    points = (points - low) / (high - low) * size - np.array([size[0] / 2, size[1] / 2, 0])
    return sheet(points, surface)


def soft(design, rng, size) -> list[Part]:
    """Make a bag, sack, heap of clothes, cushion seat or sleeping pet: a lumpy body."""
    surface = look.worn(look.fabric(design) if design.random() < 0.7 else any_surface(design), rng)
    parts = [_blob(rng, size, surface, design.uniform(0.05, 0.3), design.uniform(2, 4))]
    w, d, h = size
    if design.random() < 0.4:
        cloth = look.fabric(design)
        at = np.array([rng.uniform(-0.2, 0.2) * w, rng.uniform(-0.2, 0.2) * d, h * 0.45])
        parts.append(_blob(rng, (w * 0.6, d * 0.6, h * 0.5), cloth, 0.2).moved(at))
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
    parts = [_blob(design, (w, d, h * 0.6), surface, 0.05, 2.2)]
    parts.append(
        _blob(design, (w * 0.7, d * 0.7, h * 0.45), surface, 0.05, 2.2).moved((0, 0, h * 0.52))
    )
    for s in (-1, 1):
        limb = _blob(design, (w * 0.3, d * 0.5, h * 0.3), any_surface(design), 0.05, 2.2)
        parts.append(limb.moved((s * w * 0.4, d * 0.3, h * design.uniform(0, 0.4))))
    return parts


def pillow(design, rng, size) -> list[Part]:
    """Make a cushion that lies or leans a little."""
    w, d, h = size
    cover = look.worn(look.fabric(design) if design.random() < 0.75 else look.printed(design), rng)
    piece = cushion((w, d, h), (0, 0, h / 2), cover, h * 0.45, h * 0.15)
    if rng.random() < 0.5:
        return [piece]
    tilt = rng.uniform(0.6, 1.25)
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


def stack(design, rng, size) -> list[Part]:
    """Make a pile: books, papers, plates, folded towels, cases."""
    w, d, h = size
    soft_ones = design.random() < 0.3
    parts, z = [], 0.0
    while z < h:
        tall = min(h * rng.uniform(0.08, 0.4) + 0.008, h - z + 0.01)
        shape = (w * rng.uniform(0.65, 1), d * rng.uniform(0.7, 1), tall)
        surface = look.fabric(rng) if soft_ones else any_surface(rng)
        piece = cushion(shape, (0, 0, 0), surface, tall * (0.4 if soft_ones else 0.08))
        at = (rng.normal(0, 0.03) * w, rng.normal(0, 0.03) * d, z + tall / 2)
        parts.append(piece.moved(at, rng.normal(0, 0.12)))
        z += tall
    return parts


def row(design, rng, size) -> list[Part]:
    """Make a row of books, binders, bottles or jars."""
    w, d, h = size
    parts, x = [], -w / 2
    round_ones = design.random() < 0.3
    each = w / max(2, round(w / design.uniform(0.03, 0.09)))
    while x < w / 2 - 0.4 * each:
        thick = each * rng.uniform(0.6, 1.2)
        tall, deep = h * rng.uniform(0.6, 1), d * rng.uniform(0.7, 1)
        surface = any_surface(rng)
        if round_ones:
            parts.append(
                cylinder(thick * 0.5, tall, (x + thick / 2, 0, 0), surface, thick * 0.3, 10)
            )
        else:
            book = box((thick * 0.95, deep, tall), (0, 0, tall / 2), surface)
            parts.append(book.moved((x + thick / 2, (d - deep) / 2 - d * 0.1, 0)))
        x += thick
    return parts


def pole(design, rng, size) -> list[Part]:
    """Make a lamp, stand, broom or fan: something on a thin upright."""
    w, d, h = size
    metal = look.metal(design) if design.random() < 0.7 else look.wood(design)
    r = design.uniform(0.008, 0.02)
    parts = [cylinder(r, h * 0.95, (0, 0, 0), metal, sides=8)]
    if design.random() < 0.7:
        parts.append(cylinder(w * 0.4, 0.025, (0, 0, 0), metal, w * 0.35, 14))
    else:
        for a in np.arange(3) * 2 * np.pi / 3 + design.uniform(0, 2):
            foot = (w * 0.45 * np.cos(a), w * 0.45 * np.sin(a), 0)
            parts.append(tube([foot, (0, 0, h * 0.35)], r, metal, sides=6))
    head = int(design.integers(4))
    tall = h * design.uniform(0.12, 0.3)
    if head == 0:
        shade = [(w * 0.5, h - tall), (w * design.uniform(0.2, 0.5), h)]
        parts.append(lathe(shade, look.fabric(design), sides=16))
    elif head == 1:
        parts.append(
            cushion((w * 0.9, d * 0.5, tall), (0, 0, h - tall / 2), any_surface(design), 0.02)
        )
    elif head == 2:
        bent = [(0, 0, h * 0.9), (0, d * 0.3, h), (0, d * 0.5, h * 0.92)]
        parts.append(tube(bent, r, metal, sides=6))
        parts.append(
            lathe([(0.02, h * 0.93), (0.08, h * 0.85)], any_surface(design), (0, d * 0.5, 0))
        )
    else:
        parts.append(
            _blob(design, (w * 0.6, d * 0.6, tall), any_surface(design), 0.1).moved(
                (0, 0, h - tall)
            )
        )
    return parts


def panel(design, rng, size) -> list[Part]:
    """Make a flat thing: board, picture, screen, mirror; with a frame now and then."""
    w, d, h = size
    face = (look.painting, look.printed, look.screen, look.ceramic, look.wood)[
        int(design.integers(5))
    ]
    parts = [box((w, d, h), (0, 0, h / 2), face(design))]
    if design.random() < 0.5:
        frame, f = look.wood(design), design.uniform(0.015, 0.05)
        for s in (-1, 1):
            parts.append(box((f, d * 1.6, h), (s * (w - f) / 2, 0, h / 2), frame))
        for z in (f / 2, h - f / 2):
            parts.append(box((w, d * 1.6, f), (0, 0, z), frame))
    return parts


def leaning(design, rng, size) -> list[Part]:
    """Make a flat thing that leans back."""
    tilted = [p.tilted(rng.uniform(0.12, 0.3)) for p in panel(design, rng, size)]
    low = min(float(p.vertices[:, 2].min()) for p in tilted)
    return [p.moved((0, 0, -low)) for p in tilted]


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


def flat(design, rng, size) -> list[Part]:
    """Make a keyboard, tray, tablet, notebook or cutting board."""
    w, d, h = size
    parts = [cushion((w, d, h), (0, 0, h / 2), any_surface(design), h * 0.3)]
    if design.random() < 0.5:
        parts.append(box((w * 0.92, d * 0.8, 0.006), (0, 0, h), look.printed(design)))
    return parts


def screen(design, rng, size) -> list[Part]:
    """Make a monitor or television on its foot."""
    w, d, h = size
    low = h * design.uniform(0.08, 0.28)
    shell, foot = look.plastic(design), look.metal(design)
    parts = [
        box((w, 0.035, h - low), (0, 0, (h + low) / 2), shell),
        box((w * 0.96, 0.01, (h - low) * 0.92), (0, 0.019, (h + low) / 2), look.screen(design)),
        box((0.06, 0.03, low + 0.1), (0, -0.03, (low + 0.1) / 2), foot),
    ]
    if design.random() < 0.6:
        parts.append(box((w * design.uniform(0.3, 0.6), d, 0.015), (0, -0.01, 0.008), foot))
    else:
        for s in (-1, 1):
            parts.append(box((0.03, d, low + 0.02), (s * w * 0.36, 0, (low + 0.02) / 2), foot))
    return parts


def rug(design, rng, size) -> list[Part]:
    """Make a rug or mat."""
    w, d, h = size
    surface = look.fabric(design) if design.random() < 0.6 else look.printed(design)
    return [box((w, d, h), (0, 0, h / 2), look.worn(surface, rng))]


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


def mirror(design, rng, size) -> list[Part]:
    """Make a wall mirror with a frame."""
    w, d, h = size
    frame, f = look.wood(design), design.uniform(0.02, 0.05)
    silver = look.Material((0.6, 0.62, 0.62), (0.5, 0.52, 0.52), is_mirror=True)
    corners = np.array(
        [[[-w / 2, d / 2, 0], [w / 2, d / 2, 0]], [[-w / 2, d / 2, h], [w / 2, d / 2, h]]]
    )
    parts = [sheet(corners, silver), box((w, d * 0.8, h), (0, 0, h / 2), frame)]
    for s in (-1, 1):
        parts.append(box((f, d * 1.5, h), (s * (w - f) / 2, 0, h / 2), frame))
    for z in (f / 2, h - f / 2):
        parts.append(box((w, d * 1.5, f), (0, 0, z), frame))
    return parts
