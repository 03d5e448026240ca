"""Beds."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.synthetic_rooms.furniture.joint import Joint
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model
from rescene4d_ros.synthetic_rooms.furniture.seating import legs
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, cushion, Part


def bed(rng: np.random.Generator) -> Model:
    """Make a single or double bed: frame, mattress, blanket, pillows, headboard."""
    double = rng.random() < 0.6
    width = rng.uniform(1.35, 1.85) if double else rng.uniform(0.85, 1.1)
    length, top = rng.uniform(1.95, 2.1), rng.uniform(0.42, 0.62)
    frame, linen, blanket = look.wood(rng), look.fabric(rng), look.fabric(rng)
    mattress = rng.uniform(0.16, 0.26)
    low = top - mattress
    parts = [cushion((width, length, mattress), (0, 0, top - mattress / 2), linen, 0.05)]
    if rng.random() < 0.5:
        parts.append(box((width + 0.08, length + 0.06, low), (0, 0, low / 2), frame))
    else:
        parts += legs(width, length, low, 0.06, frame, 0.0)
        parts.append(box((width + 0.06, length + 0.04, 0.14), (0, 0, low - 0.02), frame))
    head = rng.uniform(0.75, 1.2)
    style = rng.integers(3)
    y = -length / 2 - 0.04
    if style == 0:
        parts.append(box((width + 0.1, 0.05, head), (0, y, head / 2), frame))
    elif style == 1:
        parts.append(
            cushion(
                (width + 0.1, 0.1, head), (0, y - 0.02, head / 2), look.fabric(rng), 0.04, 0.02
            )
        )
    else:
        parts += _bars(width, y, head, frame)
    if rng.random() < 0.3:
        parts.append(
            box((width + 0.06, 0.04, top + 0.1), (0, length / 2 + 0.03, (top + 0.1) / 2), frame)
        )
    reach = rng.uniform(0.45, 0.75) * length
    thick = rng.uniform(0.04, 0.1)
    parts.append(
        cushion(
            (width + 0.06, reach, thick + 0.12),
            (0, length / 2 - reach / 2 + 0.01, top + thick / 2 - 0.05),
            blanket,
            0.05,
            0.015,
        )
    )
    joints = [_turned_down(parts[-1])]
    pillow = look.fabric(rng)
    count = 2 if double else 1
    for k in range(count):
        x = (k - (count - 1) / 2) * width / 2 + rng.uniform(-0.05, 0.05)
        piece = cushion((min(0.65, width / count - 0.1), 0.4, 0.13), (0, 0, 0), pillow, 0.06, 0.02)
        parts.append(piece.moved((x, -length / 2 + 0.28, top + 0.05), rng.normal(0, 0.1)))
        joints.append(_pushed(parts[-1], (-0.15 * np.sign(x), 0.4, 0.0), 1.1 if k else -1.1))
    return build(
        'double bed' if double else 'single bed',
        'bed',
        parts,
        'wall',
        front=0.3,
        liveliness=0.1,
        joints=joints,
    )


def _turned_down(blanket: Part) -> Joint:
    """Let a blanket lie bunched up at the foot of the bed."""
    low, high = blanket.vertices.min(axis=0), blanket.vertices.max(axis=0)
    return Joint((blanket,), (0.0, float(high[1]), float(low[2])), scale=(0.9, 0.45, 1.9))


def _pushed(pillow: Part, slide: tuple[float, float, float], turn: float) -> Joint:
    """Let a pillow lie elsewhere on the bed, turned (rad) and shifted (m)."""
    low, high = pillow.vertices.min(axis=0), pillow.vertices.max(axis=0)
    middle = (low + high) / 2
    return Joint(
        (pillow,),
        (float(middle[0]), float(middle[1]), float(low[2])),
        turn,
        triple(slide),
        (1.0, 1.0, 0.8),
    )


def _bars(width: float, y: float, head: float, frame: look.Material) -> list[Part]:
    parts = [box((width + 0.08, 0.04, 0.05), (0, y, head - 0.025), frame)]
    for x in np.linspace(-width / 2, width / 2, max(5, round(width / 0.15))):
        parts.append(box((0.025, 0.025, head), (x, y, head / 2), frame))
    return parts


def bunk_bed(rng: np.random.Generator) -> Model:
    """Make two beds over each other with a ladder."""
    width, length = rng.uniform(0.85, 1.0), rng.uniform(1.95, 2.05)
    height = rng.uniform(1.5, 1.7)
    frame = look.wood(rng)
    parts: list[Part] = []
    joints = []
    for sx in (-1, 1):
        for sy in (-1, 1):
            parts.append(
                box((0.06, 0.06, height), (sx * width / 2, sy * length / 2, height / 2), frame)
            )
    for z in (0.3, height - 0.45):
        parts.append(box((width, length, 0.08), (0, 0, z), frame))
        parts.append(
            cushion((width - 0.06, length - 0.06, 0.14), (0, 0, z + 0.1), look.fabric(rng), 0.04)
        )
        parts.append(
            cushion(
                (width - 0.04, length * 0.6, 0.1),
                (0, length * 0.18, z + 0.15),
                look.fabric(rng),
                0.04,
            )
        )
        parts.append(
            cushion((0.55, 0.35, 0.11), (0, -length / 2 + 0.25, z + 0.2), look.fabric(rng), 0.05)
        )
        joints += [_turned_down(parts[-2]), _pushed(parts[-1], (0.0, 0.4, 0.0), 0.8)]
    for sx in (-1, 1):
        parts.append(box((0.03, length, 0.1), (sx * width / 2, 0, height - 0.12), frame))
    for z in np.arange(0.25, height - 0.2, 0.25):
        parts.append(box((0.03, 0.35, 0.03), (width / 2 + 0.06, length / 2 - 0.3, z), frame))
    for y in (length / 2 - 0.47, length / 2 - 0.13):
        parts.append(box((0.03, 0.03, height), (width / 2 + 0.06, y, height / 2), frame))
    return build('bunk bed', 'bed', parts, 'wall', front=0.2, liveliness=0.05, joints=joints)
