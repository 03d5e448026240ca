"""Toilets, sinks, bathtubs."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import (
    box,
    cushion,
    cylinder,
    lathe,
    oval,
    Part,
    sheet,
    tube,
)


def _basin(
    width: float,
    depth: float,
    low: float,
    high: float,
    rim: float,
    bottom: float,
    material: look.Material,
    power: float = 4.0,
    foot: float = 1.0,
) -> Part:
    """
    Return a vessel with an outer wall, a rim and a hollow inside.

    Parameters
    ----------
    width, depth : float, m
        Outer extents at the rim.
    low, high, bottom : float, m
        Heights of foot, rim and the lowest point inside.
    rim : float, m
        Wall thickness at the rim.
    power : float
        Shape of the outline: 2 = ellipse, large = rectangle.
    foot : float
        Size of the foot as a share of the rim.

    """
    rings = [
        (foot * width, foot * depth, low),
        (width * (1 + foot) / 2, depth * (1 + foot) / 2, low + (high - low) * 0.35),
        (width, depth, high - 0.02),
        (width, depth, high),
        (width - 2 * rim, depth - 2 * rim, high),
        (width - 2.4 * rim, depth - 2.4 * rim, bottom + (high - bottom) * 0.45),
        ((width - 2 * rim) * 0.72, (depth - 2 * rim) * 0.72, bottom + 0.015),
        (0.02, 0.02, bottom),
    ]
    grid = []
    for w, d, z in rings:
        ring = oval(w, d, 32, power)
        ring = np.concatenate([ring, ring[:1]])
        grid.append(np.column_stack([ring, np.full(len(ring), z)]))
    return sheet(np.stack(grid), material)


def tap(y: float, z: float, material: look.Material, reach: float = 0.14) -> list[Part]:
    """Return a tap that stands at (0, y, z) (m) and reaches towards +y."""
    return [
        tube(
            [(0, y, z), (0, y, z + 0.16), (0, y + 0.03, z + 0.2), (0, y + reach, z + 0.18)],
            0.014,
            material,
        ),
        cylinder(0.025, 0.03, (0, y, z), material, sides=10),
    ]


def toilet(rng: np.random.Generator) -> Model:
    """Make a toilet: bowl, seat, lid open or closed, with tank or wall-hung."""
    width, length = rng.uniform(0.35, 0.4), rng.uniform(0.46, 0.54)
    seat = rng.uniform(0.38, 0.44)
    ware = look.ceramic(rng)
    lid_look = ware if rng.random() < 0.7 else look.plastic(rng)
    hung = rng.random() < 0.3
    middle = length / 2 + (0.02 if hung else 0.18)
    low = 0.1 if hung else 0.0
    parts = [
        _basin(
            width, length, low, seat, 0.05, seat - 0.18, ware, 2.4, rng.uniform(0.5, 0.72)
        ).moved((0, middle, 0))
    ]
    ring = oval(width + 0.01, length + 0.01, 32, 2.4)
    if rng.random() < 0.65:
        lid = lathe(
            [(0, 0), (0.5, 0), (0.5, 0.025), (0.46, 0.04), (0, 0.045)],
            lid_look,
            (0, middle, seat),
            (width + 0.01, length + 0.01),
            28,
        )
        parts.append(lid)
    else:
        rings = np.stack(
            [
                np.column_stack([ring * s, np.full(32, seat + z)])
                for s, z in ((1, 0), (1, 0.025), (0.62, 0.025), (0.62, 0))
            ]
        )
        parts.append(
            sheet(np.concatenate([rings, rings[:, :1]], axis=1), lid_look).moved((0, middle, 0))
        )
        lid = lathe(
            [(0, 0), (0.5, 0), (0.5, 0.02), (0, 0.025)], lid_look, (0, 0, 0), (width, length), 28
        )
        parts.append(lid.tilted(-1.4).moved((0, middle - length / 2 - 0.02, seat + length / 2)))
    if hung:
        parts.append(box((0.24, 0.02, 0.16), (0, 0.01, 1.0), look.metal(rng)))
    else:
        tank = rng.uniform(0.72, 0.85)
        parts.append(
            cushion(
                (rng.uniform(0.34, 0.42), 0.17, tank - seat + 0.02),
                (0, 0.085, (tank + seat) / 2),
                ware,
                0.02,
            )
        )
        parts.append(box((0.36, 0.19, 0.03), (0, 0.09, tank), ware))
        parts.append(box((width * 0.6, 0.2, seat), (0, 0.12, seat / 2), ware))
    return build('toilet', 'toilet', parts, 'wall', front=0.5, liveliness=0.0)


def washbasin(rng: np.random.Generator) -> Model:
    """Make a bathroom sink on a pedestal, hung, or as a bowl on a board."""
    width, depth = rng.uniform(0.42, 0.75), rng.uniform(0.36, 0.5)
    height = rng.uniform(0.8, 0.88)
    ware, chrome = look.ceramic(rng), look.metal(rng)
    power = rng.choice([2.2, 3.0, 6.0])
    style = rng.integers(3)
    y = depth / 2
    tall = rng.uniform(0.13, 0.2)
    parts = [
        _basin(
            width,
            depth,
            height - tall,
            height,
            0.04,
            height - tall + 0.03,
            ware,
            power,
            0.6 if style == 0 else 0.85,
        ).moved((0, y, 0)),
        *tap(0.05, height - 0.01, chrome),
    ]
    if style == 0:
        parts.append(
            lathe([(0.1, 0), (0.07, 0.1), (0.07, height - tall)], ware, (0, y - 0.05, 0), (1, 0.9))
        )
    elif style == 1:
        parts.append(
            tube(
                [
                    (0, y, height - tall),
                    (0, y, height - tall - 0.2),
                    (0, 0.02, height - tall - 0.22),
                ],
                0.02,
                chrome,
            )
        )
    else:
        parts.append(
            box((width + 0.2, depth + 0.04, 0.04), (0, y, height - tall - 0.02), look.wood(rng))
        )
    return build('washbasin', 'sink', parts, 'wall', front=0.5, liveliness=0.0)


def kitchen_sink(rng: np.random.Generator) -> Model:
    """Make a steel or ceramic sink that drops into a counter's hole, rim on the plate."""
    ware = look.metal(rng) if rng.random() < 0.7 else look.ceramic(rng)
    width, depth, deep = rng.uniform(0.56, 0.6), rng.uniform(0.42, 0.46), rng.uniform(0.15, 0.2)
    parts = [
        _basin(width, depth, -deep - 0.01, 0.012, 0.04, -deep, ware, 7.0, 0.88),
        *tap(-depth / 2 + 0.02, 0.01, look.metal(rng), 0.2),
    ]
    return build('kitchen sink', 'sink', parts, 'slot', liveliness=0.0)


def bathtub(rng: np.random.Generator) -> Model:
    """Make a built-in or freestanding bathtub."""
    length, width, height = rng.uniform(1.4, 1.8), rng.uniform(0.68, 0.82), rng.uniform(0.5, 0.6)
    ware = look.ceramic(rng)
    if rng.random() < 0.7:
        parts = [_basin(length, width, 0.0, height, 0.06, 0.12, ware, 9.0)]
    else:
        parts = [_basin(length, width, 0.02, height + 0.04, 0.035, 0.14, ware, 2.6, 0.75)]
    spout = [
        p.moved((rng.choice([-1, 1]) * length * 0.4, -width / 2 + 0.03, height - 0.01))
        for p in tap(0, 0, look.metal(rng))
    ]
    return build('bathtub', 'bathtub', parts + spout, 'wall', front=0.5, liveliness=0.0)
