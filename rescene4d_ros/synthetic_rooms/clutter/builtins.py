"""Furniture that is built to stand in rows, or to be full: kitchen units, shelves, hook rails."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model, Top
from rescene4d_ros.synthetic_rooms.furniture.seating import legs
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, cushion, cylinder, Part


def _fronts(rng, width, y, low, high, rows, face, handle) -> list[Part]:
    """Return door or drawer fronts on the plane y (m)."""
    parts, tall = [], (high - low) / rows
    for k in range(rows):
        z = low + tall * (k + 0.5)
        parts.append(box((width - 0.008, 0.02, tall - 0.008), (0, y, z), face))
        if handle is not None:
            parts.append(box((width * 0.5, 0.025, 0.014), (0, y + 0.02, z + tall * 0.35), handle))
    return parts


def base_unit(rng: np.random.Generator, width: float | None = None) -> Model:
    """Make one kitchen unit without its worktop, `width` (m) wide: doors, drawers or oven."""
    width = rng.uniform(0.35, 0.75) if width is None else width
    depth, height = rng.uniform(0.55, 0.62), rng.uniform(0.8, 0.88)
    body, face = look.wood(rng), look.wood(rng)
    parts = [
        box((width, depth - 0.03, height - 0.1), (0, -0.015, 0.1 + (height - 0.1) / 2), body),
        box((width, depth - 0.08, 0.1), (0, -0.04, 0.05), look.plastic(rng)),
    ]
    handle = look.metal(rng) if rng.random() < 0.7 else None
    style = rng.random()
    if style < 0.25:
        face, handle = look.screen(rng), look.metal(rng)
    rows = 1 if style < 0.6 else int(rng.integers(2, 5))
    parts += _fronts(rng, width, depth / 2 - 0.01, 0.11, height - 0.01, rows, face, handle)
    top = Top((-width / 2, width / 2), (-depth / 2, depth / 2), height)
    return build('base unit', 'cabinet', parts, 'wall', front=0.5, tops=[top], liveliness=0.0)


def tall_unit(rng: np.random.Generator, width: float | None = None) -> Model:
    """Make a high cupboard of a built-in row, `width` (m) wide."""
    width = rng.uniform(0.28, 0.58) if width is None else width
    depth, height = rng.uniform(0.35, 0.65), rng.uniform(1.9, 2.45)
    body = look.wood(rng)
    face = body if rng.random() < 0.6 else look.wood(rng)
    handle = look.metal(rng) if rng.random() < 0.6 else None
    parts = [box((width, depth - 0.02, height), (0, -0.01, height / 2), body)]
    rows = int(rng.integers(1, 4))
    parts += _fronts(rng, width, depth / 2 - 0.01, 0.06, height - 0.02, rows, face, handle)
    return build('tall unit', 'cabinet', parts, 'wall', front=0.4, liveliness=0.0)


def closet(rng: np.random.Generator) -> Model:
    """Make a wide built-in wardrobe with sliding or folding fronts."""
    width, depth, height = rng.uniform(1.0, 2.9), rng.uniform(0.45, 0.68), rng.uniform(2.0, 2.38)
    body = look.wood(rng)
    face = look.ceramic(rng) if rng.random() < 0.4 else look.wood(rng)
    parts = [box((width, depth - 0.06, height), (0, -0.03, height / 2), body)]
    count = max(2, round(width / rng.uniform(0.5, 1.0)))
    for k in range(count):
        x = -width / 2 + width / count * (k + 0.5)
        y = depth / 2 - (0.015 if k % 2 else 0.045)
        parts.append(box((width / count, 0.025, height - 0.06), (x, y, height / 2), face))
    return build('closet', 'cabinet', parts, 'wall', front=0.3, liveliness=0.0)


def wall_unit(rng: np.random.Generator, width: float | None = None) -> Model:
    """Make a hanging cupboard of a row, `width` (m) wide."""
    width = rng.uniform(0.32, 0.7) if width is None else width
    depth, height = rng.uniform(0.3, 0.38), rng.uniform(0.45, 0.85)
    body = look.wood(rng)
    handle = look.metal(rng) if rng.random() < 0.5 else None
    parts = [box((width, depth - 0.02, height), (0, -0.01, height / 2), body)]
    parts += _fronts(rng, width, depth / 2 - 0.01, 0.0, height, 1, body, handle)
    mount = float(rng.uniform(1.35, 1.5))
    return build('wall unit', 'cabinet', parts, 'hang', mount=mount, liveliness=0.0)


def worktop(rng: np.random.Generator, width: float, depth: float) -> Model:
    """Make a worktop, with an upstand and a hob now and then."""
    thick = rng.uniform(0.025, 0.045)
    plate = look.wood(rng) if rng.random() < 0.5 else look.ceramic(rng)
    parts = [box((width, depth + 0.02, thick), (0, 0.01, thick / 2), plate)]
    if rng.random() < 0.5:
        parts.append(box((width, 0.015, 0.08), (0, -depth / 2 + 0.008, 0.04 + thick), plate))
    if rng.random() < 0.6:
        x = rng.uniform(-0.4, 0.4) * max(0.0, width - 0.7)
        parts.append(
            box((min(0.56, width * 0.6), 0.48, 0.01), (x, 0, thick + 0.004), look.screen(rng))
        )
    return build('worktop', 'counter', parts, 'top', liveliness=0.0)


def open_shelf(rng: np.random.Generator, width: float | None = None) -> Model:
    """Make an empty bookcase, `width` (m) wide, whose boards carry things."""
    width = rng.uniform(0.5, 1.7) if width is None else width
    depth, height = rng.uniform(0.24, 0.4), rng.uniform(0.8, 2.2)
    body = look.wood(rng)
    board = rng.uniform(0.018, 0.035)
    count = max(2, round(height / rng.uniform(0.3, 0.42)))
    columns = max(1, round(width / rng.uniform(0.5, 1.0)))
    sides = np.linspace(-width / 2 + board / 2, width / 2 - board / 2, columns + 1)
    levels = np.linspace(board / 2 + 0.04, height - board / 2, count + 1)
    parts = [box((board, depth, height), (x, 0, height / 2), body) for x in sides]
    parts += [box((width, depth, board), (0, 0, z), body) for z in levels]
    if rng.random() < 0.7:
        parts.append(box((width, 0.012, height), (0, -depth / 2 + 0.006, height / 2), body))
    clear = float(levels[1] - levels[0] - board)
    tops = [
        Top((a + board, b - board), (-depth / 2 + 0.01, depth / 2), z + board / 2, clear)
        for z in levels[:-1]
        for a, b in zip(sides[:-1], sides[1:])
    ]
    tops.append(Top((-width / 2, width / 2), (-depth / 2, depth / 2), height))
    return build('open shelf', 'bookshelf', parts, 'wall', front=0.3, tops=tops, liveliness=0.1)


def wall_shelf(rng: np.random.Generator) -> Model:
    """Make a board on the wall that carries things."""
    width, depth = rng.uniform(0.5, 1.6), rng.uniform(0.18, 0.3)
    thick = rng.uniform(0.018, 0.05)
    wood = look.wood(rng)
    parts = [box((width, depth, thick), (0, 0, thick / 2), wood)]
    for s in (-1, 1):
        parts.append(box((0.02, depth * 0.7, 0.1), (s * width * 0.38, -depth * 0.15, -0.05), wood))
    top = Top((-width / 2, width / 2), (-depth / 2, depth / 2), thick)
    mount = float(rng.uniform(1.1, 1.75))
    return build(
        'wall shelf', 'bookshelf', parts, 'hang', mount=mount, tops=[top], liveliness=0.05
    )


def bench(rng: np.random.Generator) -> Model:
    """Make a bench, shoe rack or low board."""
    width, depth, height = rng.uniform(0.6, 1.5), rng.uniform(0.28, 0.42), rng.uniform(0.3, 0.5)
    wood, cover = look.wood(rng), look.fabric(rng)
    parts = [
        box((width, depth, 0.04), (0, 0, height - 0.02), cover if rng.random() < 0.4 else wood)
    ]
    for s in (-1, 1):
        parts.append(
            box((0.04, depth, height - 0.04), (s * (width / 2 - 0.02), 0, height / 2 - 0.02), wood)
        )
    low = 0.1
    parts.append(box((width - 0.08, depth, 0.02), (0, 0, low), wood))
    tops = [
        Top(
            (-width / 2 + 0.05, width / 2 - 0.05),
            (-depth / 2, depth / 2),
            low + 0.01,
            height - 0.17,
        ),
        Top((-width / 2, width / 2), (-depth / 2, depth / 2), height),
    ]
    return build('bench', 'otherfurniture', parts, 'wall', tops=tops, liveliness=0.3)


def bar_stool(rng: np.random.Generator) -> Model:
    """Make a high stool for a bar or counter."""
    w, height = rng.uniform(0.32, 0.44), rng.uniform(0.6, 0.8)
    frame, cover = look.metal(rng), look.fabric(rng)
    if rng.random() < 0.4:
        parts = [
            cylinder(0.03, height, (0, 0, 0), frame),
            cylinder(w * 0.5, 0.03, (0, 0, 0), frame),
        ]
    else:
        parts = legs(w, w, height, 0.03, frame, 0.02, rng.uniform(0, 0.05), True)
    parts.append(cushion((w, w, 0.07), (0, 0, height), cover, 0.03))
    if rng.random() < 0.5:
        rise = rng.uniform(0.15, 0.35)
        parts.append(cushion((w, 0.04, rise), (0, -w / 2, height + rise * 0.6), cover, 0.015))
    return build('bar stool', 'chair', parts, 'around')


BUILTINS = {
    'base unit': base_unit,
    'tall unit': tall_unit,
    'closet': closet,
    'wall unit': wall_unit,
    'open shelf': open_shelf,
    'wall shelf': wall_shelf,
    'bench': bench,
    'bar stool': bar_stool,
}
