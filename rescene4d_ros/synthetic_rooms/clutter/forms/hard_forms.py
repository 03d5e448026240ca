"""Shapes of hard things: turned, boxy, stacked, in rows; every design has its own."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.clutter.forms.soft_forms import any_surface, blob
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
    parts.append(blob(rng, (w * 0.9, d * 0.9, h * rng.uniform(0.5, 0.95)), filling, 0.12))
    return parts


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
            blob(design, (w * 0.6, d * 0.6, tall), any_surface(design), 0.1).moved(
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
