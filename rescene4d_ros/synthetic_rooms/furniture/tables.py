"""Tables, desks and kitchen counters."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.fittings import drawers, pulled
from rescene4d_ros.synthetic_rooms.furniture.joint import Joint
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model, Top
from rescene4d_ros.synthetic_rooms.furniture.seating import legs
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, cylinder, oval, prism


def _top(width: float, depth: float, height: float, y: float = 0.0) -> Top:
    """Return the usable part of a plate, a hand's breadth off its rim."""
    return Top(
        (-width / 2 + 0.06, width / 2 - 0.06), (y - depth / 2 + 0.06, y + depth / 2 - 0.06), height
    )


def dining_table(rng: np.random.Generator) -> Model:
    """Make a rectangular table on four legs, two trestles or panels."""
    width, depth = rng.uniform(1.1, 2.0), rng.uniform(0.7, 1.0)
    return _plate_table(rng, 'dining table', width, depth, rng.uniform(0.7, 0.78), 0.5)


def coffee_table(rng: np.random.Generator) -> Model:
    """Make a low table."""
    if rng.random() < 0.35:
        return _round_table(
            rng, 'round coffee table', rng.uniform(0.6, 0.95), rng.uniform(0.34, 0.48), 0.7
        )
    return _plate_table(
        rng,
        'coffee table',
        rng.uniform(0.75, 1.3),
        rng.uniform(0.45, 0.75),
        rng.uniform(0.34, 0.5),
        0.7,
    )


def side_table(rng: np.random.Generator) -> Model:
    """Make a small table that stands beside a bed or sofa."""
    if rng.random() < 0.5:
        return _round_table(
            rng, 'round side table', rng.uniform(0.38, 0.55), rng.uniform(0.45, 0.62), 1.0
        )
    return _plate_table(
        rng,
        'side table',
        rng.uniform(0.4, 0.55),
        rng.uniform(0.38, 0.5),
        rng.uniform(0.45, 0.62),
        1.0,
    )


def round_table(rng: np.random.Generator) -> Model:
    """Make a round dining table."""
    return _round_table(rng, 'round table', rng.uniform(0.85, 1.3), rng.uniform(0.7, 0.77), 0.5)


def meeting_table(rng: np.random.Generator) -> Model:
    """Make a long table, rectangular or boat-shaped."""
    width, depth, height = rng.uniform(1.9, 3.2), rng.uniform(0.9, 1.3), rng.uniform(0.71, 0.77)
    if rng.random() < 0.4:
        return _plate_table(rng, 'meeting table', width, depth, height, 0.1)
    plate, foot = look.wood(rng), look.metal(rng)
    parts = [prism(oval(width, depth, 32, 3.5), height - 0.035, height, plate)]
    for x in (-width * 0.28, width * 0.28):
        parts.append(cylinder(0.06, height - 0.03, (x, 0, 0), foot))
        parts.append(cylinder(0.3, 0.03, (x, 0, 0), foot, 0.26, 20))
    return build(
        'boat table',
        'table',
        parts,
        'floor',
        liveliness=0.1,
        tops=[_top(width * 0.8, depth * 0.8, height)],
    )


def _plate_table(
    rng: np.random.Generator,
    name: str,
    width: float,
    depth: float,
    height: float,
    liveliness: float,
) -> Model:
    thick = rng.uniform(0.018, 0.05)
    plate = look.wood(rng)
    frame = plate if rng.random() < 0.5 else look.metal(rng)
    parts = [box((width, depth, thick), (0, 0, height - thick / 2), plate)]
    low = height - thick
    style = rng.integers(4)
    if style <= 1:
        leg = rng.uniform(0.035, 0.08)
        parts += legs(
            width, depth, low, leg, frame, rng.uniform(0.0, 0.08), 0.0, bool(rng.random() < 0.3)
        )
        if style == 1:
            for sy in (-1, 1):
                parts.append(
                    box(
                        (width - 0.16, 0.02, 0.08), (0, sy * (depth / 2 - 0.08), low - 0.04), frame
                    )
                )
            for sx in (-1, 1):
                parts.append(
                    box(
                        (0.02, depth - 0.16, 0.08), (sx * (width / 2 - 0.08), 0, low - 0.04), frame
                    )
                )
    elif style == 2:
        for sx in (-1, 1):
            parts.append(
                box((0.035, depth * 0.85, low), (sx * (width / 2 - 0.1), 0, low / 2), plate)
            )
    else:
        for sx in (-1, 1):
            x = sx * width * 0.36
            parts.append(box((0.06, 0.06, low), (x, 0, low / 2), frame))
            parts.append(box((0.06, depth * 0.8, 0.05), (x, 0, 0.025), frame))
            parts.append(box((0.06, depth * 0.7, 0.05), (x, 0, low - 0.025), frame))
        parts.append(box((width * 0.72, 0.03, 0.06), (0, 0, low * 0.3), frame))
    if height < 0.6 and rng.random() < 0.4:
        parts.append(box((width * 0.85, depth * 0.8, 0.02), (0, 0, height * 0.35), plate))
    return build(
        name, 'table', parts, 'floor', tops=[_top(width, depth, height)], liveliness=liveliness
    )


def _round_table(
    rng: np.random.Generator, name: str, diameter: float, height: float, liveliness: float
) -> Model:
    plate = look.wood(rng)
    foot = plate if rng.random() < 0.5 else look.metal(rng)
    thick = rng.uniform(0.02, 0.04)
    parts = [cylinder(diameter / 2, thick, (0, 0, height - thick), plate, sides=28)]
    if rng.random() < 0.6:
        parts.append(cylinder(rng.uniform(0.03, 0.06), height - thick, (0, 0, 0), foot))
        parts.append(cylinder(diameter * 0.3, 0.03, (0, 0, 0), foot, diameter * 0.25, 20))
    else:
        parts += legs(
            diameter * 0.72,
            diameter * 0.72,
            height - thick,
            0.04,
            foot,
            0.0,
            rng.uniform(0, 0.06),
            True,
        )
    return build(
        name,
        'table',
        parts,
        'floor',
        symmetric=True,
        liveliness=liveliness,
        tops=[_top(diameter * 0.7, diameter * 0.7, height)],
    )


def desk(rng: np.random.Generator) -> Model:
    """Make a desk: panels, frame or T-legs, with drawers on one side now and then."""
    width, depth = rng.uniform(1.0, 1.8), rng.uniform(0.55, 0.85)
    height, thick = rng.uniform(0.7, 0.78), rng.uniform(0.02, 0.04)
    plate = look.wood(rng)
    frame = look.metal(rng) if rng.random() < 0.6 else plate
    low = height - thick
    parts = [box((width, depth, thick), (0, 0, height - thick / 2), plate)]
    joints: list[Joint] = []
    style = rng.integers(3)
    for sx in (-1, 1):
        x = sx * (width / 2 - 0.05)
        if style == 0:
            parts.append(box((0.025, depth * 0.95, low), (x, 0, low / 2), plate))
        elif style == 1:
            parts.append(box((0.07, 0.07, low), (x - sx * 0.1, 0, low / 2), frame))
            parts.append(box((0.07, depth * 0.9, 0.035), (x - sx * 0.1, 0, 0.02), frame))
        else:
            for sy in (-1, 1):
                parts.append(box((0.04, 0.04, low), (x, sy * (depth / 2 - 0.04), low / 2), frame))
    if style == 0 or rng.random() < 0.4:
        parts.append(
            box(
                (width - 0.12, 0.018, low * rng.uniform(0.4, 0.8)),
                (0, -depth / 2 + 0.1, low * 0.68),
                plate,
            )
        )
    if rng.random() < 0.6:
        chest, joints = drawers(
            rng,
            0.4,
            depth * 0.85,
            low - 0.02,
            int(rng.integers(2, 5)),
            plate,
            x=rng.choice([-1, 1]) * (width / 2 - 0.28),
            base=0.04,
        )
        parts += chest
    if rng.random() < 0.2:
        wing = rng.uniform(0.5, 0.8)
        sx = rng.choice([-1, 1])
        x = sx * (width / 2 - 0.25)
        parts.append(box((0.5, wing, thick), (x, depth / 2 + wing / 2, height - thick / 2), plate))
        parts.append(box((0.48, 0.03, low), (x, depth / 2 + wing - 0.05, low / 2), plate))
    return build(
        'desk',
        'desk',
        parts,
        'wall',
        front=0.7,
        liveliness=0.25,
        tops=[_top(width, depth, height)],
        joints=joints,
    )


def counter(rng: np.random.Generator) -> Model:
    """Make a kitchen counter run: base cabinets, worktop, and a hole for a sink."""
    width, depth, height = rng.uniform(1.6, 3.0), rng.uniform(0.58, 0.68), rng.uniform(0.86, 0.93)
    body, plate = look.wood(rng), look.wood(rng) if rng.random() < 0.5 else look.ceramic(rng)
    handle, low = look.metal(rng), height - 0.04
    hole_x = rng.uniform(-width / 2 + 0.5, width / 2 - 0.5)
    half_w, half_d = 0.27, 0.2
    parts, joints = [], []
    for left, right in ((-width / 2, hole_x - half_w), (hole_x + half_w, width / 2)):
        size = right - left
        parts.append(
            box(
                (size, depth - 0.05, low - 0.1),
                ((left + right) / 2, -0.025, (low + 0.1) / 2),
                body,
            )
        )
        parts.append(box((size, depth, 0.04), ((left + right) / 2, 0, height - 0.02), plate))
    rim = depth / 2 - half_d
    for sy in (-1, 1):
        y = sy * (half_d + rim / 2)
        parts.append(box((2 * half_w, rim, 0.04), (hole_x, y, height - 0.02), plate))
    parts.append(
        box((2 * half_w, depth - 0.05, low - 0.35), (hole_x, -0.025, 0.1 + (low - 0.35) / 2), body)
    )
    parts.append(
        box((2 * half_w, 0.02, low - 0.1), (hole_x, depth / 2 - 0.06, (low + 0.1) / 2), body)
    )
    parts.append(box((width, depth - 0.12, 0.1), (0, -0.06, 0.05), body))
    count = max(2, round(width / 0.55))
    each = width / count
    for k in range(count):
        x = -width / 2 + each * (k + 0.5)
        split = rng.choice([1, 1, 3])
        tall = (low - 0.12) / split
        for j in range(split):
            z = 0.11 + tall * (j + 0.5)
            front = [
                box((each - 0.012, 0.02, tall - 0.012), (x, depth / 2 - 0.04, z), body),
                box((0.14, 0.025, 0.012), (x, depth / 2 - 0.02, z + tall * 0.4), handle),
            ]
            parts += front
            if split > 1:
                joints.append(pulled(front, depth - 0.15))
    slot = Top((hole_x, hole_x), (0.0, 0.0), height)
    left_top = Top(
        (-width / 2 + 0.1, hole_x - half_w - 0.05), (-depth / 2 + 0.05, depth / 2 - 0.05), height
    )
    right_top = Top(
        (hole_x + half_w + 0.05, width / 2 - 0.1), (-depth / 2 + 0.05, depth / 2 - 0.05), height
    )
    tops = [slot, *(t for t in (left_top, right_top) if t.x[1] - t.x[0] > 0.3)]
    return build(
        'kitchen counter',
        'counter',
        parts,
        'wall',
        front=0.8,
        tops=tops,
        liveliness=0.0,
        joints=joints,
    )


def bar_counter(rng: np.random.Generator) -> Model:
    """Make a reception or bar counter: a closed front and a plate that sticks out."""
    width, depth, height = rng.uniform(1.2, 2.4), rng.uniform(0.5, 0.75), rng.uniform(0.9, 1.12)
    body, plate = look.wood(rng), look.wood(rng)
    parts = [
        box((width - 0.06, depth - 0.2, height - 0.04), (0, 0, (height - 0.04) / 2), body),
        box((width, depth, 0.04), (0, 0, height - 0.02), plate),
    ]
    return build(
        'bar counter',
        'counter',
        parts,
        'floor',
        tops=[_top(width, depth, height)],
        liveliness=0.05,
    )
