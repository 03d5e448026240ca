"""Doors and drawers of furniture: their parts, and how they open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.joint import Joint
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, Part

# A leaf opens a little less than square, so that two that hang side by side do not cross.
LEAF_RAD = 1.5
BOARD_M = 0.018
SHELF_GAP_M = 0.42
DRAWER_SHARE = 0.75


def carcass(body: Part, board: float = BOARD_M) -> tuple[Part, ...]:
    """Return boards (m thick) and shelves of the outer size of a box, open towards +y."""
    low, high = body.vertices.min(axis=0), body.vertices.max(axis=0)
    w, d, h = high - low
    x, y, z = (low + high) / 2
    inner = w - 2 * board
    parts = [
        box((board, d, h), (x + side * (w - board) / 2, y, z), body.material) for side in (-1, 1)
    ]
    parts += [
        box((inner, d, board), (x, y, z + side * (h - board) / 2), body.material)
        for side in (-1, 1)
    ]
    parts.append(box((inner, board, h - 2 * board), (x, low[1] + board / 2, z), body.material))
    count = round(h / SHELF_GAP_M)
    parts += [
        box((inner, d - 0.05 - board, 0.016), (x, y + (board - 0.05) / 2, level), body.material)
        for level in np.linspace(low[2], high[2], count + 1)[1:-1]
    ]
    return tuple(parts)


def hinged(
    leaf: Sequence[Part],
    edge: tuple[float, float],
    side: float,
    body: Part,
    hollow: tuple[Part, ...],
) -> Joint:
    """
    Return how a leaf opens.

    Parameters
    ----------
    leaf : sequence of Part
        With its handle.
    edge : tuple of 2 float, m
        Place of the hinge: x, y.
    side : float
        1 = the leaf extends towards +x from the hinge, -1 = towards -x; it opens to +y.
    body : Part
        The block behind it.
    hollow : tuple of Part
        What the block looks like inside.

    """
    return Joint(tuple(leaf), (*edge, 0.0), turn=float(side) * LEAF_RAD, body=body, hollow=hollow)


def pulled(front: Sequence[Part], deep: float) -> Joint:
    """
    Return how a drawer comes out, and its tray.

    Parameters
    ----------
    front : sequence of Part
        The panel first, then its handle.
    deep : float, m
        Of the tray behind the panel.

    """
    low, high = front[0].vertices.min(axis=0), front[0].vertices.max(axis=0)
    (w, _, h), x = high - low, (low[0] + high[0]) / 2
    y, tall, face = low[1] - deep / 2, 0.6 * h, front[0].material
    tray = [box((w - 0.06, deep, 0.012), (x, y, low[2] + 0.02), face)]
    tray += [
        box((0.012, deep, tall), (x + side * (w / 2 - 0.03), y, low[2] + 0.014 + tall / 2), face)
        for side in (-1, 1)
    ]
    return Joint(tuple(front), slide=(0.0, DRAWER_SHARE * deep, 0.0), inside=tuple(tray))


def doors(
    rng: np.random.Generator,
    width: float,
    y: float,
    low: float,
    high: float,
    count: int,
    face: look.Material,
    body: Part,
) -> tuple[list[Part], list[Joint]]:
    """Return `count` door leaves with handles on the plane y (m) before a block."""
    handle = look.metal(rng)
    each = width / count
    parts, joints = [], []
    hollow = carcass(body)
    long = rng.random() < 0.5
    for k in range(count):
        x = -width / 2 + each * (k + 0.5)
        leaf = [box((each - 0.012, 0.02, high - low - 0.012), (x, y, (low + high) / 2), face)]
        if rng.random() < 0.4:
            leaf.append(
                box(
                    (each - 0.14, 0.012, high - low - 0.16), (x, y + 0.012, (low + high) / 2), face
                )
            )
        side = 1 if k % 2 == 0 else -1
        size = (0.02, 0.03, min(0.5, (high - low) * 0.4) if long else 0.1)
        leaf.append(box(size, (x + side * (each / 2 - 0.05), y + 0.02, (low + high) / 2), handle))
        parts += leaf
        joints.append(hinged(leaf, (x - side * (each / 2 - 0.006), y + 0.01), side, body, hollow))
    return parts, joints


def drawers(
    rng: np.random.Generator,
    width: float,
    depth: float,
    height: float,
    count: int,
    body: look.Material,
    x: float = 0.0,
    base: float = 0.0,
) -> tuple[list[Part], list[Joint]]:
    """Return a chest of `count` drawers from `base` up to `height` (m), fronts at +y."""
    face = body if rng.random() < 0.6 else look.wood(rng)
    handle = look.metal(rng)
    parts = [box((width, depth - 0.02, height - base), (x, -0.01, (height + base) / 2), body)]
    joints = []
    each = (height - base) / count
    for k in range(count):
        z = base + each * (k + 0.5)
        front = [
            box((width - 0.02, 0.02, each - 0.015), (x, depth / 2 - 0.005, z), face),
            box((0.12, 0.025, 0.015), (x, depth / 2 + 0.015, z + each * 0.2), handle),
        ]
        parts += front
        joints.append(pulled(front, depth - 0.08))
    return parts, joints
