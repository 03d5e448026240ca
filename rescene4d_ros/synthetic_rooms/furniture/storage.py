"""Cabinets, bookshelves, refrigerators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.fittings import (
    carcass,
    doors,
    drawers,
    hinged,
    pulled,
)
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model, Top
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, cylinder, Part


def wardrobe(rng: np.random.Generator) -> Model:
    """Make a tall cabinet with two to four doors, drawers below now and then."""
    count = int(rng.integers(1, 5))
    width = count * rng.uniform(0.42, 0.6)
    depth, height = rng.uniform(0.42, 0.65), rng.uniform(1.6, 2.3)
    wood = look.wood(rng)
    face = wood if rng.random() < 0.6 else look.wood(rng)
    body = box((width, depth - 0.03, height), (0, -0.015, height / 2), wood)
    parts, joints = [body], []
    low = 0.06
    if rng.random() < 0.3:
        parts += [
            box((width - 0.02, 0.02, 0.28), (0, depth / 2 - 0.02, 0.22), face),
            box((0.3, 0.03, 0.02), (0, depth / 2, 0.22), look.metal(rng)),
        ]
        joints.append(pulled(parts[1:], depth - 0.1))
        low = 0.38
    leaves, hinges = doors(rng, width, depth / 2 - 0.02, low, height - 0.02, count, face, body)
    return build(
        'wardrobe',
        'cabinet',
        parts + leaves,
        'wall',
        front=0.6,
        liveliness=0.08,
        joints=joints + hinges,
    )


def sideboard(rng: np.random.Generator) -> Model:
    """Make a low cabinet with doors on a plinth or legs."""
    count = int(rng.integers(2, 5))
    width = count * rng.uniform(0.38, 0.55)
    depth, height = rng.uniform(0.36, 0.5), rng.uniform(0.45, 0.95)
    wood = look.wood(rng)
    clear = rng.uniform(0.02, 0.2)
    body = box((width, depth - 0.02, height - clear), (0, -0.01, (height + clear) / 2), wood)
    parts = [body]
    for sx in (-1, 1):
        for sy in (-1, 1):
            foot = (sx * (width / 2 - 0.06), sy * (depth / 2 - 0.06), clear / 2)
            parts.append(box((0.04, 0.04, clear), foot, wood))
    leaves, joints = doors(
        rng,
        width - 0.03,
        depth / 2 - 0.012,
        clear + 0.015,
        height - 0.02,
        count,
        wood if rng.random() < 0.5 else look.wood(rng),
        body,
    )
    return build(
        'sideboard',
        'cabinet',
        parts + leaves,
        'wall',
        front=0.5,
        liveliness=0.2,
        tops=[_rim(width, depth, height)],
        joints=joints,
    )


def _rim(width: float, depth: float, height: float) -> Top:
    return Top(
        (-width / 2 + 0.05, width / 2 - 0.05), (-depth / 2 + 0.04, depth / 2 - 0.04), height
    )


def chest(rng: np.random.Generator) -> Model:
    """Make a chest of drawers."""
    width, depth, height = rng.uniform(0.6, 1.2), rng.uniform(0.4, 0.52), rng.uniform(0.7, 1.15)
    parts, joints = drawers(rng, width, depth, height, int(rng.integers(3, 6)), look.wood(rng))
    return build(
        'chest of drawers',
        'cabinet',
        parts,
        'wall',
        front=0.5,
        tops=[_rim(width, depth, height)],
        liveliness=0.2,
        joints=joints,
    )


def filing_cabinet(rng: np.random.Generator) -> Model:
    """Make an office cabinet of drawers, low ones on wheels."""
    width, depth = rng.uniform(0.38, 0.48), rng.uniform(0.48, 0.62)
    height = rng.choice([0.58, 0.72, 1.05, 1.32])
    parts, joints = drawers(
        rng, width, depth, height, max(2, round(height / 0.32)), look.metal(rng)
    )
    return build(
        'filing cabinet',
        'cabinet',
        parts,
        'wall',
        front=0.4,
        tops=[_rim(width, depth, height)],
        liveliness=0.5,
        joints=joints,
    )


def nightstand(rng: np.random.Generator) -> Model:
    """Make a small cabinet that stands beside a bed."""
    width, depth = rng.uniform(0.38, 0.55), rng.uniform(0.34, 0.45)
    height = rng.uniform(0.45, 0.62)
    body = look.wood(rng)
    clear = rng.uniform(0.0, 0.2)
    parts, joints = drawers(rng, width, depth, height, int(rng.integers(1, 4)), body, base=clear)
    for sx in (-1, 1):
        parts.append(
            box((0.03, depth - 0.06, clear + 0.01), (sx * (width / 2 - 0.03), 0, clear / 2), body)
        )
    return build(
        'nightstand',
        'cabinet',
        parts,
        'wall',
        tops=[_rim(width, depth, height)],
        liveliness=0.5,
        joints=joints,
    )


def wall_cabinet(rng: np.random.Generator) -> Model:
    """Make a cabinet that hangs on the wall."""
    count = int(rng.integers(1, 5))
    width = count * rng.uniform(0.36, 0.5)
    depth, height = rng.uniform(0.25, 0.38), rng.uniform(0.5, 0.8)
    wood = look.wood(rng)
    body = box((width, depth - 0.02, height), (0, -0.01, height / 2), wood)
    leaves, joints = doors(
        rng, width - 0.01, depth / 2 - 0.012, 0.005, height - 0.005, count, wood, body
    )
    return build(
        'wall cabinet',
        'cabinet',
        [body, *leaves],
        'hang',
        mount=rng.uniform(1.35, 1.5),
        liveliness=0.0,
        joints=joints,
    )


def bookshelf(rng: np.random.Generator) -> Model:
    """Make a shelf with books, boxes and gaps; with or without a back panel."""
    width, depth, height = rng.uniform(0.5, 1.6), rng.uniform(0.24, 0.36), rng.uniform(0.9, 2.15)
    body = look.wood(rng)
    board = rng.uniform(0.018, 0.035)
    count = max(2, round(height / rng.uniform(0.3, 0.4)))
    columns = max(1, round(width / 0.8))
    parts = []
    for x in np.linspace(-width / 2 + board / 2, width / 2 - board / 2, columns + 1):
        parts.append(box((board, depth, height), (x, 0, height / 2), body))
    levels = np.linspace(board / 2 + 0.04, height - board / 2, count + 1)
    for z in levels:
        parts.append(box((width, depth, board), (0, 0, z), body))
    if rng.random() < 0.65:
        parts.append(box((width, 0.012, height), (0, -depth / 2 + 0.006, height / 2), body))
    fill = rng.uniform(0.35, 0.95)
    gap = levels[1] - levels[0]
    each = (width - board) / columns
    for z in levels[:-1]:
        for c in range(columns):
            left = -width / 2 + board + each * c
            parts += _shelf_load(
                rng, left, left + each - board, z + board / 2, gap - board, depth, fill
            )
    return build(
        'bookshelf',
        'bookshelf',
        parts,
        'wall',
        front=0.4,
        liveliness=0.12,
        tops=[_rim(width, depth, height)] if height < 1.3 else (),
    )


def _shelf_load(
    rng: np.random.Generator,
    left: float,
    right: float,
    z: float,
    room: float,
    depth: float,
    fill: float,
) -> list[Part]:
    """Return books and boxes between `left` and `right` (m) on a board at z."""
    parts, x = [], left + 0.01
    while x < right - 0.06:
        kind = rng.random()
        if kind < fill * 0.85:
            spines = look.book_spines(rng)
            for _ in range(rng.integers(2, 5)):
                w = rng.uniform(0.04, 0.12)
                if x + w > right - 0.01:
                    break
                tall = room * rng.uniform(0.5, 0.92)
                deep = min(depth - 0.03, rng.uniform(0.14, 0.24))
                parts.append(
                    box(
                        (w, deep, tall),
                        (x + w / 2, depth / 2 - deep / 2 - 0.015, z + tall / 2),
                        spines,
                    )
                )
                x += w
        elif kind < fill:
            w = min(rng.uniform(0.15, 0.32), right - x - 0.01)
            tall = room * rng.uniform(0.4, 0.85)
            parts.append(
                box((w, depth * 0.8, tall), (x + w / 2, 0, z + tall / 2), look.plastic(rng))
            )
            x += w
        x += rng.uniform(0.02, 0.3 * (1.15 - fill))
    return parts


def open_rack(rng: np.random.Generator) -> Model:
    """Make a rack of metal posts and boards with few things on them."""
    width, depth, height = rng.uniform(0.6, 1.2), rng.uniform(0.3, 0.45), rng.uniform(1.3, 2.0)
    frame, board = look.metal(rng), look.wood(rng)
    parts = []
    for sx in (-1, 1):
        for sy in (-1, 1):
            parts.append(
                box(
                    (0.03, 0.03, height),
                    (sx * (width / 2 - 0.015), sy * (depth / 2 - 0.015), height / 2),
                    frame,
                )
            )
    levels = np.linspace(0.15, height - 0.03, int(rng.integers(4, 6)))
    for z in levels:
        parts.append(box((width, depth, 0.025), (0, 0, z), board))
    for z in levels[:-1]:
        parts += _shelf_load(
            rng,
            -width / 2 + 0.04,
            width / 2 - 0.04,
            z + 0.013,
            levels[1] - levels[0] - 0.04,
            depth,
            rng.uniform(0.3, 0.7),
        )
    return build('open rack', 'bookshelf', parts, 'wall', front=0.4, liveliness=0.15)


def refrigerator(rng: np.random.Generator) -> Model:
    """Make a refrigerator: single, fridge-freezer, side by side, or under-counter."""
    style = rng.integers(4)
    width = rng.uniform(0.82, 0.92) if style == 2 else rng.uniform(0.54, 0.7)
    height = rng.uniform(0.82, 0.9) if style == 3 else rng.uniform(1.45, 1.95)
    depth = rng.uniform(0.58, 0.72)
    shell = look.ceramic(rng) if rng.random() < 0.5 else look.metal(rng)
    handle = look.metal(rng)
    body = box((width, depth - 0.06, height), (0, -0.03, height / 2), shell)
    parts, joints, hollow = [body], [], carcass(body, 0.04)
    y = depth / 2 - 0.028
    split = height * (rng.uniform(0.3, 0.45) if rng.random() < 0.5 else rng.uniform(0.6, 0.72))
    if style == 2:
        leaves = [(sx * width / 4, width / 2, 0.04, height) for sx in (-1, 1)]
    elif style == 1:
        leaves = [(0, width, 0.04, split), (0, width, split, height)]
    else:
        leaves = [(0, width, 0.04, height)]
    for x, w, low, high in leaves:
        side = -np.sign(x) if style == 2 else 1
        leaf = [
            box((w - 0.012, 0.05, high - low - 0.012), (x, y, (low + high) / 2), shell),
            box(
                (0.025, 0.04, min(0.5, (high - low) * 0.55)),
                (x + side * (w / 2 - 0.05), y + 0.045, (low + high) / 2),
                handle,
            ),
        ]
        parts += leaf
        joints.append(hinged(leaf, (x - side * (w / 2 - 0.006), y + 0.025), side, body, hollow))
    return build(
        'refrigerator',
        'refrigerator',
        parts,
        'wall',
        front=0.7,
        liveliness=0.1,
        tops=[_rim(width, depth - 0.08, height)] if height < 1.6 else (),
        joints=joints,
    )


def shoe_locker(rng: np.random.Generator) -> Model:
    """Make a locker row: narrow tall doors side by side."""
    count = int(rng.integers(2, 5))
    width, depth, height = count * 0.32, rng.uniform(0.42, 0.5), rng.uniform(1.6, 1.9)
    metal = look.metal(rng)
    body = box((width, depth - 0.02, height), (0, -0.01, height / 2), metal)
    leaves, joints = doors(rng, width, depth / 2 - 0.012, 0.08, height, count, metal, body)
    parts = [body, *leaves]
    for k in range(count):
        x = -width / 2 + 0.32 * (k + 0.5)
        knob = cylinder(0.012, 0.02, (x, depth / 2 - 0.01, height * 0.55), metal, sides=8)
        parts.append(knob)
        joints[k] = replace(joints[k], parts=(*joints[k].parts, knob))
    return build('locker', 'cabinet', parts, 'wall', front=0.6, liveliness=0.05, joints=joints)
