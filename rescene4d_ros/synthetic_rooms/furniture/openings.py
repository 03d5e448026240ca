"""What is in or on walls: doors, windows, curtains, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.joint import Joint
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model, shifted
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, Part, sheet, tube

WIDE_RAD = 1.5
DRAWN_ASIDE = 0.3
COVERS = 0.65


def door(rng: np.random.Generator, width: float, height: float, wall: float) -> Model:
    """Make frame and leaf for a hole of `width` x `height` (m) in a wall `wall` thick (m)."""
    frame, leaf_look, metal = look.wood(rng), look.wood(rng), look.metal(rng)
    f = 0.05
    parts: list[Part] = []
    for sx in (-1, 1):
        parts.append(box((f, wall + 0.03, height), (sx * (width - f) / 2, 0, height / 2), frame))
        parts.append(
            box(
                (0.05, 0.015, height + 0.04),
                (sx * (width + 0.03) / 2, wall / 2 + 0.008, (height + 0.04) / 2),
                frame,
            )
        )
    parts.append(box((width, wall + 0.03, f), (0, 0, height - f / 2), frame))
    parts.append(box((width + 0.08, 0.015, 0.05), (0, wall / 2 + 0.008, height + 0.02), frame))
    w, h = width - 2 * f, height - f
    leaf = [box((w, 0.04, h), (w / 2, 0, h / 2), leaf_look)]
    if rng.random() < 0.6:
        rows = int(rng.integers(1, 4))
        for k in range(rows):
            z = h * (k + 0.5) / rows
            leaf.append(box((w * 0.7, 0.055, h / rows * 0.7), (w / 2, 0, z), leaf_look))
    elif rng.random() < 0.5:
        leaf.append(box((w * 0.5, 0.045, h * 0.4), (w / 2, 0, h * 0.68), look.glass(rng)))
    for sy in (-1, 1):
        leaf.append(
            tube(
                [
                    (w - 0.07, sy * 0.02, 1.02),
                    (w - 0.07, sy * 0.06, 1.02),
                    (w - 0.18, sy * 0.065, 1.02),
                ],
                0.011,
                metal,
            )
        )
    angle = 0.0 if rng.random() < 0.55 else rng.uniform(0.2, 1.7)
    hinge = (-w / 2, wall / 2 - 0.03, 0.0)
    leaf = [p.moved(hinge, angle) for p in leaf]
    # What is wide open can be shut, all else can be opened.
    turn = -angle if angle > WIDE_RAD / 2 else WIDE_RAD - angle
    return _in_wall('door', 'door', parts + leaf, [Joint(tuple(leaf), hinge, turn)])


def window(rng: np.random.Generator, width: float, height: float, wall: float) -> Model:
    """Make frame, sashes, panes and sill for a hole in a wall `wall` thick (m)."""
    frame, pane = look.wood(rng), look.glass(rng)
    f, y = rng.uniform(0.05, 0.08), -wall * 0.15
    parts = [box((width - 2 * f, 0.01, height - 2 * f), (0, y, height / 2), pane)]
    for sx in (-1, 1):
        parts.append(box((f, 0.08, height), (sx * (width - f) / 2, y, height / 2), frame))
    for z in (f / 2, height - f / 2):
        parts.append(box((width, 0.08, f), (0, y, z), frame))
    for k in range(1, max(1, round(width / rng.uniform(0.55, 0.8)))):
        x = -width / 2 + width * k / max(1, round(width / 0.67))
        parts.append(box((f, 0.07, height), (x, y, height / 2), frame))
    if rng.random() < 0.35:
        parts.append(box((width, 0.06, f * 0.8), (0, y, height * rng.uniform(0.4, 0.75)), frame))
    parts.append(box((width + 0.06, wall / 2 + 0.1, 0.025), (0, wall / 4 + 0.03, -0.012), frame))
    for sx in (-1, 1):
        parts.append(
            box(
                (0.05, 0.015, height),
                (sx * (width / 2 + 0.02), wall / 2 + 0.007, height / 2),
                frame,
            )
        )
    parts.append(box((width + 0.09, 0.015, 0.05), (0, wall / 2 + 0.007, height + 0.02), frame))
    return _in_wall('window', 'window', parts)


def _in_wall(name: str, class_name: str, parts: list[Part], joints: Sequence[Joint] = ()) -> Model:
    """Return a model whose origin stays in the middle of its hole, so that it fits."""
    made = build(name, class_name, parts, 'opening', liveliness=0.0, joints=joints)
    every = np.concatenate([p.vertices for p in parts])
    shift = (every.min(axis=0) + every.max(axis=0)) / 2
    shift[2] = every[:, 2].min()
    centered, hinged = shifted(made.parts, made.joints, shift)
    return replace(made, parts=centered, joints=hinged, mount=0.0)


def _folds(
    rng: np.random.Generator, width: float, height: float, deep: float, fabric: look.Material
) -> Part:
    """Return a hanging cloth whose folds open towards the floor."""
    u = np.linspace(0, 1, max(24, int(width * 60)))
    v = np.linspace(0, 1, 14)[:, None]
    count = width * rng.uniform(5, 9)
    phase = rng.uniform(0, 6)
    wave = np.sin(2 * np.pi * count * u + phase + 0.8 * np.sin(3 * u + phase))
    y = deep * wave[None] * (0.55 + 0.45 * v) + 0.01 * np.sin(7 * v + 5 * u)
    sway = 0.03 * np.sin(4 * u + phase)[None] * v
    x = np.broadcast_to((u - 0.5) * width, y.shape) + sway
    z = np.broadcast_to(height * (1 - v), y.shape)
    return sheet(np.stack([x, y, z], axis=2), fabric)


def curtain(
    rng: np.random.Generator, width: float | None = None, height: float | None = None
) -> Model:
    """Make a curtain or a pair of them on a rod."""
    width = rng.uniform(1.0, 2.2) if width is None else width
    height = rng.uniform(1.6, 2.3) if height is None else height
    fabric = look.fabric(rng)
    rod = tube(
        [(-width / 2 - 0.1, 0, height + 0.02), (width / 2 + 0.1, 0, height + 0.02)],
        0.014,
        look.metal(rng),
    )
    deep = rng.uniform(0.03, 0.06)
    if rng.random() < 0.65:
        part = width * rng.uniform(0.18, 0.42)
        cloth = [
            _folds(rng, part, height, deep, fabric).moved((s * (width - part) / 2, 0, 0))
            for s in (-1, 1)
        ]
        joints = [
            _drawn(c, s, width, part, width / 2) for c, s in zip(cloth, (-1, 1), strict=True)
        ]
    else:
        part = width * rng.uniform(0.5, 0.95)
        cloth = [_folds(rng, part, height, deep, fabric).moved(((width - part) / 2, 0, 0))]
        joints = [_drawn(cloth[0], 1, width, part, width)]
    return build(
        'curtain',
        'curtain',
        [rod, *cloth],
        'hang',
        mount=max(0.03, 2.25 - height),
        liveliness=0.0,
        joints=joints,
    )


def _drawn(cloth: Part, side: float, rod: float, part: float, reach: float) -> Joint:
    """
    Let a cloth be drawn along its rod: aside if it covers most of its reach, else over all of it.

    Parameters
    ----------
    cloth : Part
        Its pinned end is at `side` * `rod` / 2.
    side : float
        End of the rod at which it is pinned: -1 or 1.
    rod, part, reach : float, m
        Length of the rod, width of the cloth now, and when drawn over all it can cover.

    """
    wide = DRAWN_ASIDE * reach if part > COVERS * reach else 0.97 * reach
    # The folds of a cloth that is drawn aside are deeper than those of one that covers.
    fold = 1.15 if wide < part else 0.75
    return Joint((cloth,), (side * rod / 2, 0.0, 0.0), scale=(wide / part, fold, 1.0))


def shower_curtain(rng: np.random.Generator, width: float | None = None) -> Model:
    """Make a shower curtain on its rod; it hangs freely, over the rim of a tub."""
    width = rng.uniform(1.2, 1.7) if width is None else width
    height, part = rng.uniform(1.65, 1.85), width * rng.uniform(0.3, 0.95)
    rod = tube(
        [(-width / 2, 0, height + 0.02), (width / 2, 0, height + 0.02)], 0.012, look.metal(rng)
    )
    cloth = _folds(rng, part, height, rng.uniform(0.025, 0.045), look.fabric(rng))
    side = rng.choice([-1, 1])
    cloth = cloth.moved((side * (width - part) / 2, 0, 0))
    return build(
        'shower curtain',
        'shower curtain',
        [rod, cloth],
        'tub',
        mount=0.2,
        liveliness=0.0,
        joints=[_drawn(cloth, float(side), width, part, width)],
    )


def picture(rng: np.random.Generator) -> Model:
    """Make a framed picture, poster or wall mirror."""
    width, height = rng.uniform(0.3, 1.2), rng.uniform(0.3, 0.95)
    canvas = look.painting(rng)
    deep = rng.uniform(0.02, 0.045)
    parts = [box((width, deep * 0.6, height), (0, 0, height / 2), canvas)]
    if rng.random() < 0.75:
        frame, f = look.wood(rng), rng.uniform(0.02, 0.06)
        for sx in (-1, 1):
            parts.append(box((f, deep, height), (sx * (width - f) / 2, 0.005, height / 2), frame))
        for z in (f / 2, height - f / 2):
            parts.append(box((width, deep, f), (0, 0.005, z), frame))
    return build(
        'picture', 'picture', parts, 'hang', liveliness=0.35, mount=rng.uniform(1.05, 1.6)
    )


def whiteboard(rng: np.random.Generator) -> Model:
    """Make a whiteboard or pin board; it counts as other furniture."""
    width, height = rng.uniform(1.0, 2.0), rng.uniform(0.8, 1.2)
    parts = [
        box((width, 0.02, height), (0, 0, height / 2), look.ceramic(rng)),
        box((width, 0.07, 0.015), (0, 0.03, 0.0), look.metal(rng)),
    ]
    return build(
        'whiteboard',
        'otherfurniture',
        parts,
        'hang',
        mount=rng.uniform(0.85, 1.05),
        liveliness=0.1,
    )
