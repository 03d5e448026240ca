"""Other furniture: screens, lamps, bins, boxes, plants, bags and machines."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model
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


def _other(name: str, parts: list[Part], place: str, **kwargs) -> Model:
    return build(name, 'otherfurniture', parts, place, **kwargs)


def monitor(rng: np.random.Generator) -> Model:
    """Make a computer monitor on its foot."""
    width = rng.uniform(0.45, 0.75)
    height = width * rng.uniform(0.5, 0.62)
    shell, foot = look.plastic(rng), look.metal(rng)
    low = rng.uniform(0.08, 0.16)
    return _other(
        'monitor',
        [
            box((width, 0.03, height), (0, 0, low + height / 2), shell),
            box(
                (width - 0.03, 0.01, height - 0.04), (0, 0.015, low + height / 2), look.screen(rng)
            ),
            box((0.06, 0.03, low + height / 2), (0, -0.03, (low + height / 2) / 2), foot),
            box((0.24, 0.18, 0.015), (0, -0.02, 0.008), foot),
        ],
        'top',
    )


def television(rng: np.random.Generator) -> Model:
    """Make a television on two feet."""
    width = rng.uniform(0.8, 1.4)
    height = width * 0.57
    shell = look.screen(rng)
    parts = [box((width, 0.05, height), (0, 0, 0.06 + height / 2), shell)]
    for sx in (-1, 1):
        parts.append(box((0.03, 0.22, 0.06), (sx * width * 0.35, 0, 0.03), shell))
    return _other('television', parts, 'top', liveliness=0.3)


def laptop(rng: np.random.Generator) -> Model:
    """Make an open laptop."""
    width, depth = rng.uniform(0.3, 0.38), rng.uniform(0.21, 0.26)
    shell = look.metal(rng)
    lid = box((width, 0.012, depth), (0, 0, depth / 2), shell).tilted(-rng.uniform(0.1, 0.5))
    return _other(
        'laptop',
        [box((width, depth, 0.02), (0, 0, 0.01), shell), lid.moved((0, -depth / 2, 0.02))],
        'top',
        liveliness=2.0,
    )


def table_lamp(rng: np.random.Generator) -> Model:
    """Make a lamp with a shade."""
    height, shade = rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.17)
    foot = look.ceramic(rng) if rng.random() < 0.5 else look.metal(rng)
    parts = [
        lathe(
            [(0.08, 0), (0.07, 0.03), (0.02, 0.06), (0.05, height * 0.3), (0.015, height * 0.55)],
            foot,
        ),
        lathe([(shade, height * 0.55), (shade * rng.uniform(0.55, 1), height)], look.fabric(rng)),
    ]
    return _other('table lamp', parts, 'top', symmetric=True)


def floor_lamp(rng: np.random.Generator) -> Model:
    """Make a floor lamp: straight, tripod or arched."""
    height = rng.uniform(1.3, 1.8)
    pole = look.metal(rng) if rng.random() < 0.7 else look.wood(rng)
    shade = rng.uniform(0.16, 0.25)
    style = rng.integers(3)
    x = 0.0
    parts: list[Part] = []
    if style == 0:
        parts += [
            cylinder(0.15, 0.025, (0, 0, 0), pole, 0.14, 20),
            cylinder(0.014, height - 0.2, (0, 0, 0), pole, sides=8),
        ]
    elif style == 1:
        for a in np.arange(3) * 2 * np.pi / 3:
            parts.append(
                tube([(0.26 * np.cos(a), 0.26 * np.sin(a), 0), (0, 0, height - 0.2)], 0.014, pole)
            )
    else:
        x = rng.uniform(0.4, 0.7)
        t = np.linspace(0, np.pi * 0.75, 14)
        path = np.stack([x * (1 - np.cos(t)) / 1.7, 0 * t, (height - 0.05) * np.sin(t * 0.667)], 1)
        parts += [cylinder(0.15, 0.03, (0, 0, 0), pole, 0.14, 20), tube(path, 0.014, pole)]
    parts.append(
        lathe(
            [(shade, height - 0.3), (shade * rng.uniform(0.5, 1), height)],
            look.fabric(rng),
            (x, 0, 0),
        )
    )
    return _other('floor lamp', parts, 'floor', symmetric=style != 2)


def bin_(rng: np.random.Generator) -> Model:
    """Make a waste bin, open or with a lid."""
    height, radius = rng.uniform(0.26, 0.62), rng.uniform(0.12, 0.19)
    shell = look.plastic(rng) if rng.random() < 0.6 else look.metal(rng)
    low = radius * rng.uniform(0.7, 1.0)
    if rng.random() < 0.5:
        parts = [
            lathe(
                [
                    (0, 0.01),
                    (low, 0),
                    (radius, height),
                    (radius - 0.01, height),
                    (low - 0.01, 0.03),
                    (0, 0.03),
                ],
                shell,
            )
        ]
    else:
        parts = [
            cushion((2 * radius, 1.6 * radius, height), (0, 0, height / 2), shell, 0.03),
            cushion(
                (2 * radius + 0.01, 1.6 * radius + 0.01, 0.06),
                (0, 0, height),
                look.plastic(rng),
                0.02,
            ),
        ]
    return _other('bin', parts, 'floor', symmetric=len(parts) == 1, liveliness=1.3)


def carton(rng: np.random.Generator) -> Model:
    """Make a cardboard or storage box, flaps open now and then."""
    w, d, h = rng.uniform(0.25, 0.6), rng.uniform(0.22, 0.45), rng.uniform(0.18, 0.45)
    board = look.Material((0.62, 0.47, 0.31), (0.55, 0.41, 0.27), look.Pattern.GRAIN, 12)
    shell = board if rng.random() < 0.6 else look.plastic(rng)
    if rng.random() < 0.6:
        parts = [box((w, d, h), (0, 0, h / 2), shell)]
    else:
        parts = [box((w, d, 0.01), (0, 0, 0.005), shell)]
        for s in (-1, 1):
            parts.append(box((0.01, d, h), (s * w / 2, 0, h / 2), shell))
            parts.append(box((w, 0.01, h), (0, s * d / 2, h / 2), shell))
            flap = box((w, d * 0.4, 0.006), (0, s * d * 0.2, 0), shell).tilted(s * 0.5)
            parts.append(flap.moved((0, s * d / 2, h)))
    return _other('box', parts, 'floor', liveliness=2.0)


def plant(rng: np.random.Generator) -> Model:
    """Make a potted plant: a bush of leaves or a few long ones."""
    height = rng.uniform(0.5, 1.5)
    return _plant(rng, 'plant', height, rng.uniform(0.12, 0.22), 'floor')


def small_plant(rng: np.random.Generator) -> Model:
    """Make a plant for a table or a sill."""
    return _plant(rng, 'small plant', rng.uniform(0.25, 0.42), rng.uniform(0.06, 0.09), 'top')


def _plant(rng: np.random.Generator, name: str, height: float, pot: float, place: str) -> Model:
    green, clay = look.leaves(rng), look.ceramic(rng) if rng.random() < 0.6 else look.plastic(rng)
    rim = pot * rng.uniform(1.4, 1.9)
    parts = [lathe([(0, 0), (pot * 0.75, 0), (pot, rim), (pot * 0.9, rim), (0, rim * 0.9)], clay)]
    count = int(rng.integers(14, 30))
    long = rng.random() < 0.5
    t = np.linspace(0, 1, 6)
    for k in range(count):
        azimuth = k * 2.4 + rng.normal(0, 0.2)
        start = rim * 0.9 if long else rng.uniform(rim, height * 0.8)
        reach = rng.uniform(0.15, 0.32) * height
        rise = rng.uniform(0.3, 1.0) * (height - start) * (1 if long else 0.5)
        r = reach * t**1.3
        z = start + rise * np.sin(t * rng.uniform(1.3, 2.2))
        along = np.clip(t * 0.94 + 0.06, 0, 1)
        half = rng.uniform(0.025, 0.05) * height * np.sin(np.pi * along)
        c, s = np.cos(azimuth), np.sin(azimuth)
        rows = [
            np.stack([c * r - s * half * g, s * r + c * half * g, z], axis=1) for g in (-1, 0, 1)
        ]
        parts.append(sheet(np.stack(rows), green))
    if not long:
        parts.append(cylinder(0.015, height * 0.8, (0, 0, rim * 0.8), look.wood(rng), sides=6))
    return _other(name, parts, place, symmetric=True)


def bag(rng: np.random.Generator) -> Model:
    """Make a backpack or bag on the floor."""
    w, d, h = rng.uniform(0.28, 0.42), rng.uniform(0.16, 0.26), rng.uniform(0.32, 0.52)
    cover = look.fabric(rng)
    strap = tube(
        [
            (-0.08, -d / 2, h * 0.3),
            (-0.09, -d / 2 - 0.05, h * 0.6),
            (-0.06, -d / 2, h * 0.95),
            (0.06, -d / 2, h * 0.95),
            (0.09, -d / 2 - 0.05, h * 0.6),
            (0.08, -d / 2, h * 0.3),
        ],
        0.015,
        cover,
    )
    return _other(
        'bag',
        [
            cushion((w, d, h), (0, 0, h / 2), cover, 0.07, 0.03),
            cushion((w * 0.75, 0.08, h * 0.45), (0, d / 2, h * 0.3), cover, 0.03),
            strap,
        ],
        'floor',
        liveliness=2.0,
    )


def suitcase(rng: np.random.Generator) -> Model:
    """Make an upright suitcase with its handle out."""
    w, d, h = rng.uniform(0.36, 0.5), rng.uniform(0.2, 0.3), rng.uniform(0.5, 0.72)
    shell, metal = look.plastic(rng), look.metal(rng)
    up = h + rng.uniform(0.05, 0.35)
    return _other(
        'suitcase',
        [
            cushion((w, d, h - 0.04), (0, 0, h / 2 + 0.02), shell, 0.04),
            tube(
                [
                    (-w / 4, -d / 3, h - 0.02),
                    (-w / 4, -d / 3, up),
                    (w / 4, -d / 3, up),
                    (w / 4, -d / 3, h - 0.02),
                ],
                0.01,
                metal,
            ),
            *(
                cylinder(0.025, 0.05, (sx * w / 3, sy * d / 3, 0), metal, sides=8)
                for sx in (-1, 1)
                for sy in (-1, 1)
            ),
        ],
        'floor',
        liveliness=2.0,
    )


def basket(rng: np.random.Generator) -> Model:
    """Make a laundry basket."""
    height, radius = rng.uniform(0.4, 0.62), rng.uniform(0.18, 0.26)
    weave = look.fabric(rng)
    return _other(
        'basket',
        [
            lathe(
                [
                    (0, 0),
                    (radius * 0.8, 0),
                    (radius, height),
                    (radius - 0.015, height),
                    (radius * 0.78, 0.04),
                    (0, 0.04),
                ],
                weave,
                scale=(1, 0.85),
            )
        ],
        'floor',
        liveliness=1.5,
    )


def printer(rng: np.random.Generator) -> Model:
    """Make a printer with a paper tray."""
    w, d, h = rng.uniform(0.38, 0.5), rng.uniform(0.34, 0.44), rng.uniform(0.18, 0.34)
    shell = look.plastic(rng)
    return _other(
        'printer',
        [
            cushion((w, d, h), (0, 0, h / 2), shell, 0.02),
            box((w * 0.7, 0.12, 0.02), (0, d / 2 + 0.04, h * 0.35), shell),
            box((w * 0.8, d * 0.6, 0.03), (0, -0.02, h + 0.012), look.screen(rng)),
        ],
        'top',
        liveliness=0.5,
    )


def microwave(rng: np.random.Generator) -> Model:
    """Make a microwave oven."""
    w, d, h = rng.uniform(0.44, 0.54), rng.uniform(0.32, 0.4), rng.uniform(0.26, 0.32)
    shell = look.plastic(rng)
    return _other(
        'microwave',
        [
            box((w, d, h), (0, 0, h / 2), shell),
            box((w * 0.7, 0.012, h * 0.8), (-w * 0.12, d / 2 + 0.006, h / 2), look.screen(rng)),
            box((0.02, 0.03, h * 0.7), (w * 0.26, d / 2 + 0.02, h / 2), look.metal(rng)),
        ],
        'top',
        liveliness=0.4,
    )


def pot(rng: np.random.Generator) -> Model:
    """Make a cooking pot or vase."""
    radius, height = rng.uniform(0.08, 0.15), rng.uniform(0.12, 0.35)
    neck = radius * (rng.uniform(0.4, 0.7) if height > 0.22 else 1.0)
    return _other(
        'pot',
        [
            lathe(
                [
                    (0, 0),
                    (radius * 0.8, 0),
                    (radius, height * 0.4),
                    (neck, height * 0.9),
                    (neck * 1.1, height),
                    (neck, height),
                    (0, height * 0.75),
                ],
                look.ceramic(rng) if rng.random() < 0.5 else look.plastic(rng),
            )
        ],
        'top',
        symmetric=True,
        liveliness=1.5,
    )


def radiator(rng: np.random.Generator) -> Model:
    """Make a ribbed radiator under a window."""
    width, height = rng.uniform(0.6, 1.3), rng.uniform(0.45, 0.65)
    paint = look.ceramic(rng)
    parts = [box((width, 0.03, height), (0, 0, height / 2), paint)]
    for x in np.arange(-width / 2 + 0.03, width / 2, 0.07):
        parts.append(box((0.035, 0.1, height - 0.04), (x, 0.02, height / 2), paint))
    return _other('radiator', parts, 'hang', mount=0.12, liveliness=0.0)


def fan(rng: np.random.Generator) -> Model:
    """Make a standing fan."""
    height, radius = rng.uniform(0.9, 1.25), rng.uniform(0.17, 0.22)
    shell = look.plastic(rng)
    cage = lathe([(0, 0), (radius, 0.02), (radius, 0.07), (0.03, 0.1), (0, 0.1)], shell)
    return _other(
        'fan',
        [
            cylinder(0.2, 0.03, (0, 0, 0), shell, 0.18, 20),
            cylinder(0.018, height, (0, 0, 0), shell, sides=8),
            cage.tilted(-np.pi / 2).moved((0, 0.02, height)),
        ],
        'floor',
        liveliness=1.5,
    )
