"""Shapes of what homes are full of beside vessels, boxes and bags: gadgets, plants, machines."""

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


def gadget(design, rng, size) -> list[Part]:
    """Make a thing of no known kind: two to six bodies joined, often mirrored."""
    w, d, h = size
    body = look.worn(any_surface(design), rng)
    parts = [_body(design, (w * 0.7, d * 0.8, h * design.uniform(0.3, 0.8)), body)]
    is_mirrored = design.random() < 0.6
    for _ in range(int(design.integers(1, 6))):
        surface = body if design.random() < 0.5 else any_surface(design)
        extent = design.uniform(0.12, 0.6, 3) * size
        at = design.uniform(-0.5, 0.5, 3) * (w, d, h) + (0, 0, h * 0.5)
        at[:2] *= 1 - extent[:2] / (w, d)
        at[2] = np.clip(at[2] - extent[2] / 2, 0, h - extent[2])
        piece = _body(design, extent, surface)
        parts.append(piece.moved(at))
        if is_mirrored:
            parts.append(piece.moved(at * (-1, 1, 1)))
    return parts


def _body(design, size, surface) -> Part:
    """Return a rounded block, a cylinder or a lump that stands on the floor."""
    w, d, h = size
    kind = int(design.integers(4))
    if kind == 0:
        return cylinder(min(w, d) / 2, h, (0, 0, 0), surface, min(w, d) * 0.3, 12)
    if kind == 1:
        return blob(design, size, surface, 0.08, design.uniform(2, 5))
    return cushion(size, (0, 0, h / 2), surface, float(min(size)) * design.uniform(0.02, 0.4))


def cable(design, rng, size) -> list[Part]:
    """Make a cable, hose or string of lights that lies in loops, with a plug or box at it."""
    w, d, h = size
    t = np.linspace(0, 1, 40)
    loops = design.uniform(0.6, 3.5)
    angle = 2 * np.pi * loops * t + rng.uniform(0, 6)
    reach = 0.5 - 0.35 * design.random() * t
    x = w * reach * np.cos(angle) + 0.06 * w * np.sin(9 * t + rng.uniform(0, 6))
    y = d * reach * np.sin(angle) + 0.06 * d * np.sin(7 * t + rng.uniform(0, 6))
    r = design.uniform(0.004, 0.012)
    surface = look.plastic(design)
    parts = [tube(np.stack([x, y, r + 0.02 * h + h * 0.4 * t], axis=1), r, surface, sides=5)]
    block = (0.06 + 0.2 * design.random(), 0.06, min(h, 0.05))
    parts.append(cushion(block, (x[0], y[0], block[2] / 2), look.plastic(design), 0.008))
    return parts


def filled(design, rng, size) -> list[Part]:
    """Make an open basket, bowl, bin or crate, full of things."""
    w, d, h = size
    shell = look.worn(look.wood(design) if design.random() < 0.4 else any_surface(design), rng)
    bottom, belly, rim = w * design.uniform((0.25, 0.35, 0.38), 0.5)
    high = h * design.uniform(0.55, 0.85)
    wall = [(0, 0), (bottom, 0), (belly, high / 2), (rim, high), (rim * 0.94, high)]
    sides = 4 if design.random() < 0.4 else 14
    inner = [(belly * 0.94, high / 2), (bottom * 0.9, h * 0.1), (0, h * 0.1)]
    parts = [lathe([*wall, *inner], shell, scale=(1, d / w), sides=sides)]
    if design.random() < 0.5:
        rise = h * design.uniform(0.1, 0.4)
        grip = [(-rim, 0, high), (-rim * 0.6, 0, high + rise), (rim * 0.6, 0, high + rise)]
        parts.append(tube([*grip, (rim, 0, high)], 0.01, shell, sides=6))
    for _ in range(int(rng.integers(2, 7))):
        extent = rng.uniform(0.2, 0.55, 3) * (w, d, h)
        at = (*(rng.uniform(-0.22, 0.22, 2) * (w, d)), h * rng.uniform(0.15, 0.5))
        parts.append(blob(rng, extent, any_surface(rng), 0.15, rng.uniform(2, 4)).moved(at))
    return parts


def wheeled(design, rng, size) -> list[Part]:
    """Make a bicycle, stroller, scooter or trolley: wheels in a frame of tubes."""
    w, d, h = size
    metal, rubber = look.metal(design), look.plastic(design)
    radius = h * design.uniform(0.12, 0.33)
    tracks = (0.0,) if design.random() < 0.4 else (-d * 0.4, d * 0.4)
    parts = []
    angle = np.linspace(0, 2 * np.pi, 15)
    for x in (-w / 2 + radius, w / 2 - radius):
        for y in tracks:
            ring = np.stack(
                [x + radius * np.cos(angle), np.full(15, y), radius * (1 + np.sin(angle))], axis=1
            )
            parts.append(tube(ring, 0.018, rubber, sides=6))
            for k in range(0, 14, 4):
                parts.append(tube([(x, y, radius), ring[k]], 0.004, metal, sides=4))
    seat = (design.uniform(-0.3, 0.1) * w, 0, h * design.uniform(0.75, 0.95))
    front = (w / 2 - radius, 0, radius)
    back = (-w / 2 + radius, 0, radius)
    bars = (w * design.uniform(0.2, 0.4), 0, h)
    for a, b in ((back, seat), (seat, bars), (bars, front), (back, (0, 0, radius)), (seat, front)):
        parts.append(tube([a, b], design.uniform(0.012, 0.022), metal, sides=6))
    parts.append(tube([(bars[0], -d / 2, h), (bars[0], d / 2, h)], 0.014, rubber, sides=6))
    cover = look.worn(look.fabric(design), rng)
    if len(tracks) > 1 and design.random() < 0.8:
        tub = (w * 0.55, d * 0.7, h * 0.3)
        parts.append(blob(design, tub, cover, 0.08, 4).moved((0, 0, h * 0.4)))
    else:
        parts.append(cushion((w * 0.18, 0.14, 0.07), seat, cover, 0.03))
    return parts


def upright(design, rng, size) -> list[Part]:
    """Make a vacuum cleaner, mop, guitar, racket or umbrella: a body with a long neck."""
    w, d, h = size
    body, stick = look.worn(any_surface(design), rng), look.metal(design)
    low = h * design.uniform(0.12, 0.45)
    parts = [_body(design, (w, d, low), body)]
    neck = [(0, 0, low * 0.7), (0, -d * 0.1, h * 0.8), (0, -d * design.uniform(0, 0.4), h)]
    parts.append(tube(neck, design.uniform(0.01, 0.03), stick, sides=6))
    if design.random() < 0.5:
        head = (w * design.uniform(0.2, 0.7), d * 0.4, h * design.uniform(0.05, 0.18))
        at = (0, neck[-1][1], h - head[2])
        parts.append(cushion(head, at, any_surface(design), 0.02))
    if design.random() < 0.4:
        hose = [(w * 0.3, 0, low), (w * 0.5, 0, h * 0.6), (w * 0.2, 0, h * 0.85), (0, 0, h * 0.8)]
        parts.append(tube(hose, 0.018, look.plastic(design), sides=6))
    return parts


def rungs(design, rng, size) -> list[Part]:
    """Make a ladder, trestle, drying rack or clothes horse that stands open."""
    w, d, h = size
    frame = look.metal(design) if design.random() < 0.6 else look.wood(design)
    r = design.uniform(0.008, 0.022)
    parts = []
    for s in (-1, 1):
        for y in (-d / 2, d / 2):
            parts.append(tube([(s * w / 2, y, 0), (s * w / 2, 0, h)], r, frame, sides=6))
    for k in range(1, int(design.integers(3, 8))):
        z = h * k / 8
        y = d / 2 * (1 - z / h)
        parts.append(box((w, 0.05, 2 * r), (0, y, z), frame))
        if rng.random() < 0.35:
            cloth = look.worn(look.fabric(rng), rng)
            wide, long = w * rng.uniform(0.3, 0.8), min(z, h * rng.uniform(0.1, 0.4))
            parts.append(cushion((wide, 0.03, long), (0, y + 0.02, z - long / 2), cloth, 0.012))
    return parts


def rolled(design, rng, size) -> list[Part]:
    """Make what lies or stands rolled: mat, carpet, poster, umbrella, bolster."""
    w, d, h = size
    cover = look.worn(any_surface(design), rng)
    r = min(d, h) / 2
    profile = [(0, 0), (r * 0.9, 0.01), (r, w * 0.1), (r * design.uniform(0.8, 1), w * 0.9)]
    lying = lathe([*profile, (r * 0.85, w), (0, w)], cover, sides=12)
    turned = lying.vertices[:, [2, 1, 0]] * (1, -1, 1) + (-w / 2, 0, r)
    parts = [Part(turned, lying.faces, cover)]
    if design.random() < 0.4:
        parts.append(tube([(w / 2, 0, r), (w * 0.62, 0, r)], 0.012, look.wood(design), sides=6))
    return parts


def leafy(design, rng, size) -> list[Part]:
    """Make a plant in its pot: blades, broad leaves, a bush, a cactus or a bouquet."""
    w, d, h = size
    pot_high = h * design.uniform(0.15, 0.4)
    r = min(w, d) * design.uniform(0.22, 0.42)
    pot = look.worn(any_surface(design), rng)
    wall = [(0, 0), (r * 0.75, 0), (r, pot_high), (r * 0.85, pot_high), (0, pot_high * 0.85)]
    parts = [lathe(wall, pot, sides=14)]
    green = look.leaves(design)
    kind = int(design.integers(4))
    if kind == 0:
        for _ in range(int(design.integers(1, 4))):
            lump = (
                w * design.uniform(0.4, 0.9),
                d * design.uniform(0.4, 0.9),
                (h - pot_high) * 0.8,
            )
            at = (*(design.uniform(-0.12, 0.12, 2) * (w, d)), pot_high * 0.9)
            parts.append(blob(rng, lump, green, design.uniform(0.1, 0.35), 2.2).moved(at))
        return parts
    if kind == 1:
        for _ in range(int(design.integers(1, 5))):
            tall = (h - pot_high) * design.uniform(0.4, 1.0)
            at = (*(design.uniform(-0.5, 0.5, 2) * r), pot_high * 0.9)
            parts.append(cylinder(r * 0.3, tall, at, green, r * design.uniform(0.1, 0.3), 8))
        return parts
    wide = design.uniform(0.02, 0.06) if kind == 2 else design.uniform(0.05, 0.12)
    for _ in range(int(design.integers(6, 16))):
        parts.append(_leaf(rng, (w, d, h), pot_high, wide, green))
    return parts


def _leaf(rng, size, pot_high, wide, green) -> Part:
    """Return one bent leaf that rises from the pot and hangs over."""
    w, d, h = size
    t = np.linspace(0, 1, 6)
    angle, lean = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.5)
    rise = (h - pot_high) * rng.uniform(0.6, 1.0)
    out = t**1.6 * lean
    z = pot_high * 0.9 + rise * (t - rng.uniform(0.1, 0.5) * t**3)
    middle = np.stack([out * w * np.cos(angle), out * d * np.sin(angle), z], axis=1)
    side = (
        np.array([-np.sin(angle), np.cos(angle), 0])
        * (wide * np.sin(np.pi * (0.1 + 0.85 * t)))[:, None]
    )
    return sheet(np.stack([middle - side, middle + side], axis=1), green)


def round_thing(design, rng, size) -> list[Part]:
    """Make a ball, globe, helmet, hat or clock: something round."""
    w, d, h = size
    surface = look.worn(any_surface(design), rng)
    kind = int(design.integers(3))
    if kind == 0:
        return [blob(design, (w, d, h), surface, 0.01, 2.0)]
    if kind == 1:  # with a brim or a stand
        brim = lathe([(0, 0), (w / 2, 0.0), (w / 2, 0.015), (0, 0.02)], surface, sides=18)
        return [brim, blob(design, (w * 0.62, d * 0.62, h), surface, 0.03, 2.3)]
    foot = cylinder(w * 0.25, h * 0.15, (0, 0, 0), any_surface(design), w * 0.08, 12)
    ball = blob(design, (w * 0.85, d * 0.85, h * 0.85), surface, 0.01, 2.0)
    return [foot, ball.moved((0, 0, h * 0.15))]
