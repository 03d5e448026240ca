"""Chairs and sofas."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture.joint import Joint
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box, cushion, cylinder, Part, sheet, tube

SWIVEL_RAD = 2.4


def legs(
    width: float,
    depth: float,
    height: float,
    thick: float,
    material: look.Material,
    inset: float = 0.02,
    splay: float = 0.0,
    is_round: bool = False,
) -> list[Part]:
    """Return four legs below a plate of `width` x `depth` (m)."""
    parts = []
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width / 2 - inset - thick / 2), sy * (depth / 2 - inset - thick / 2)
            if is_round or splay:
                foot = (x + sx * splay, y + sy * splay, 0.0)
                parts.append(tube([foot, (x, y, height)], thick / 2, material))
            else:
                parts.append(box((thick, thick, height), (x, y, height / 2), material))
    return parts


def dining_chair(rng: np.random.Generator) -> Model:
    """Make a chair of four legs, seat, and a back of panel, slats or rungs."""
    w, d = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.5)
    seat, height = rng.uniform(0.42, 0.48), rng.uniform(0.78, 1.02)
    frame = look.wood(rng) if rng.random() < 0.7 else look.metal(rng)
    cover = look.fabric(rng) if rng.random() < 0.5 else frame
    thick = rng.uniform(0.025, 0.045)
    parts = legs(
        w, d, seat - 0.02, thick, frame, 0.005, rng.choice([0.0, 0.03]), bool(rng.random() < 0.4)
    )
    parts.append(cushion((w, d, rng.uniform(0.03, 0.07)), (0, 0, seat), cover, 0.015))
    back = -d / 2 + thick / 2
    rise = height - seat
    style = rng.integers(4)
    upright = []
    for sx in (-1, 1):
        upright.append(
            box((thick, thick, rise), (sx * (w / 2 - thick / 2), back, seat + rise / 2), frame)
        )
    if style == 0:
        upright.append(
            cushion((w - thick, 0.03, rise * 0.75), (0, back, seat + rise * 0.6), cover, 0.012)
        )
    elif style == 1:
        for x in np.linspace(-w / 2 + 0.08, w / 2 - 0.08, rng.integers(3, 6)):
            upright.append(box((0.025, 0.015, rise * 0.85), (x, back, seat + rise * 0.45), frame))
        upright.append(box((w, thick, 0.07), (0, back, height - 0.035), frame))
    elif style == 2:
        for z in np.linspace(seat + rise * 0.4, height - 0.04, rng.integers(2, 4)):
            upright.append(box((w - thick, 0.018, 0.06), (0, back, z), frame))
    else:
        upright.append(box((w - thick, 0.018, rise * 0.35), (0, back, height - rise * 0.2), frame))
    tilt = rng.uniform(0.0, 0.2)
    parts += [p.tilted(-tilt, (0, back, seat)) for p in upright]
    return build('dining chair', 'chair', parts, 'around')


def shell_chair(rng: np.random.Generator) -> Model:
    """Make a chair of one bent shell on splayed legs or a sled frame."""
    w, d = rng.uniform(0.42, 0.5), rng.uniform(0.42, 0.5)
    seat, height = rng.uniform(0.42, 0.47), rng.uniform(0.76, 0.88)
    shell, frame = look.plastic(rng), look.wood(rng) if rng.random() < 0.5 else look.metal(rng)
    profile = [
        (d / 2, seat - 0.03),
        (d / 2 - 0.05, seat),
        (0, seat - 0.01),
        (-d / 2 + 0.1, seat),
        (-d / 2 + 0.04, seat + 0.06),
        (-d / 2, seat + 0.2),
        (-d / 2 - 0.05, height),
    ]
    rows = []
    for y, z in profile:
        x = np.linspace(-1, 1, 7)
        curl = rng.uniform(0.02, 0.03) * x**4
        rows.append(np.stack([x * w / 2, y + curl, np.full(7, z) + curl], axis=1))
    under = np.stack(rows)
    parts = [sheet(under, shell), sheet(under - (0, 0, 0.012), shell)]
    if rng.random() < 0.6:
        parts += legs(w * 0.8, d * 0.8, seat - 0.02, 0.03, frame, 0.0, 0.05, True)
    else:
        for sx in (-1, 1):
            side = sx * w * 0.42
            parts.append(
                tube(
                    [
                        (side, d / 2 - 0.05, seat - 0.03),
                        (side, d / 2 - 0.02, 0.012),
                        (side, -d / 2 + 0.02, 0.012),
                        (side, -d / 2 + 0.06, seat - 0.02),
                    ],
                    0.012,
                    frame,
                )
            )
    return build('shell chair', 'chair', parts, 'around')


def office_chair(rng: np.random.Generator) -> Model:
    """Make a swivel chair: five-star base, column, seat, back, arms now and then."""
    w, d = rng.uniform(0.46, 0.54), rng.uniform(0.45, 0.52)
    seat, height = rng.uniform(0.44, 0.54), rng.uniform(0.85, 1.2)
    cover, base = look.fabric(rng), look.metal(rng)
    parts = [cylinder(0.03, seat - 0.1, (0, 0, 0.07), base)]
    turn = rng.uniform(0, 2 * np.pi)
    for angle in turn + np.arange(5) * 2 * np.pi / 5:
        tip = np.array([np.cos(angle), np.sin(angle), 0]) * rng.uniform(0.28, 0.31)
        parts.append(tube([(0, 0, 0.1), tip + (0, 0, 0.065)], 0.02, base))
        parts.append(cylinder(0.028, 0.05, tip, base, sides=10))
    base_parts = len(parts)
    parts.append(cushion((w, d, 0.08), (0, 0, seat), cover, 0.035, 0.01))
    rise = height - seat - 0.08
    back = cushion(
        (w * rng.uniform(0.85, 1), 0.07, rise),
        (0, -d / 2 + 0.02, seat + 0.1 + rise / 2),
        cover,
        0.03,
    )
    parts.append(back.tilted(-rng.uniform(0.05, 0.22), (0, -d / 2, seat)))
    parts.append(box((0.06, 0.03, 0.25), (0, -d / 2 - 0.02, seat + 0.08), base))
    if rng.random() < 0.6:
        for sx in (-1, 1):
            x = sx * (w / 2 + 0.03)
            parts.append(box((0.03, 0.05, 0.2), (x, 0, seat + 0.1), base))
            parts.append(cushion((0.06, 0.26, 0.03), (x, 0.02, seat + 0.21), base, 0.01))
    swivel = Joint(tuple(parts[base_parts:]), turn=SWIVEL_RAD if turn < np.pi else -SWIVEL_RAD)
    return build('office chair', 'chair', parts, 'around', liveliness=1.3, joints=[swivel])


def armchair(rng: np.random.Generator) -> Model:
    """Make an upholstered armchair."""
    return _upholstered(rng, 'armchair', 'chair', 1, rng.uniform(0.5, 0.62))


def sofa(rng: np.random.Generator) -> Model:
    """Make a sofa of two to four seats."""
    return _upholstered(rng, 'sofa', 'sofa', int(rng.integers(2, 5)), rng.uniform(0.55, 0.72))


def _upholstered(
    rng: np.random.Generator, name: str, class_name: str, seats: int, seat_width: float
) -> Model:
    depth, seat = rng.uniform(0.75, 0.98), rng.uniform(0.38, 0.46)
    height = rng.uniform(0.7, 0.95)
    arm, arm_height = rng.uniform(0.08, 0.24), rng.uniform(0.52, 0.66)
    cover, foot = look.fabric(rng), look.wood(rng)
    inner = seats * seat_width
    back_thick = rng.uniform(0.14, 0.24)
    clear = rng.uniform(0.03, 0.14)
    parts = legs(inner + arm, depth * 0.9, clear, 0.05, foot)
    parts.append(
        cushion(
            (inner, depth - 0.04, seat - 0.14 - clear),
            (0, 0, (seat - 0.14 + clear) / 2),
            cover,
            0.02,
        )
    )
    parts.append(
        cushion(
            (inner + 2 * arm, back_thick, height - clear),
            (0, -depth / 2 + back_thick / 2, (height + clear) / 2),
            cover,
            0.05,
        )
    )
    if rng.random() < 0.9:
        for sx in (-1, 1):
            parts.append(
                cushion(
                    (arm, depth, arm_height - clear),
                    (sx * (inner + arm) / 2, 0, (arm_height + clear) / 2),
                    cover,
                    min(0.05, arm / 3),
                )
            )
    pillow = look.fabric(rng)
    joints = []
    for k in range(seats):
        x = (k - (seats - 1) / 2) * seat_width
        parts.append(
            cushion(
                (seat_width - 0.01, depth - back_thick, 0.15),
                (x, back_thick / 2, seat - 0.07),
                cover,
                0.04,
                0.02,
            )
        )
        parts.append(
            cushion(
                (seat_width - 0.02, 0.14, height - seat),
                (x, -depth / 2 + back_thick + 0.06, (height + seat) / 2),
                cover,
                0.05,
                0.03,
            ).tilted(-0.15, (0, -depth / 2, seat))
        )
        joints += [_pulled_seat(parts[-2]), _slumped_back(parts[-1])]
        if rng.random() < 0.3:
            parts.append(
                cushion(
                    (0.42, 0.12, 0.4),
                    (x, -depth / 2 + back_thick + 0.22, seat + 0.2),
                    pillow,
                    0.05,
                    0.04,
                ).tilted(-0.3)
            )
            joints.append(_tossed(parts[-1], -np.sign(x) * seat_width / 2))
    return build(
        name,
        class_name,
        parts,
        'wall' if seats > 1 else 'floor',
        front=0.5,
        liveliness=0.35 if seats > 1 else 0.8,
        joints=joints,
    )


def _foot(part: Part) -> tuple[float, float, float]:
    """Return the middle of the lower side of a part, m."""
    low, high = part.vertices.min(axis=0), part.vertices.max(axis=0)
    return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(low[2])


def _pulled_seat(part: Part) -> Joint:
    """Let a seat cushion slide out over the front and sink in."""
    return Joint((part,), _foot(part), slide=(0.0, 0.24, 0.0), scale=(1.0, 1.0, 0.7))


def _slumped_back(part: Part) -> Joint:
    """Let a back cushion slip forwards, askew and squashed."""
    return Joint((part,), _foot(part), 0.35, (0.0, 0.2, 0.0), (0.95, 1.3, 0.75))


def _tossed(part: Part, sideways: float) -> Joint:
    """Let a loose pillow lie elsewhere on the seat, `sideways` (m) from where it was."""
    return Joint((part,), _foot(part), 0.9, (float(sideways), 0.22, -0.02), (1.0, 1.5, 0.6))


def corner_sofa(rng: np.random.Generator) -> Model:
    """Make an L-shaped sofa: a long side along the wall and a chaise."""
    width, depth = rng.uniform(2.1, 2.9), rng.uniform(0.82, 0.98)
    chaise, seat, height = rng.uniform(1.4, 1.8), rng.uniform(0.38, 0.45), rng.uniform(0.7, 0.88)
    cover = look.fabric(rng)
    side = rng.choice([-1, 1])
    thick = 0.2
    cx = side * (width / 2 - depth / 2)
    parts = [
        cushion((width, depth, seat - 0.14), (0, depth / 2, (seat - 0.14) / 2), cover, 0.03),
        cushion((depth, chaise, seat - 0.14), (cx, chaise / 2, (seat - 0.14) / 2), cover, 0.03),
        cushion((width, thick, height), (0, thick / 2, height / 2), cover, 0.06),
        cushion(
            (thick, depth, 0.6), (-side * (width / 2 - thick / 2), depth / 2, 0.3), cover, 0.05
        ),
        cushion(
            (thick, chaise * 0.7, height),
            (side * (width / 2 - thick / 2), chaise * 0.35, height / 2),
            cover,
            0.06,
        ),
        cushion(
            (depth - thick, chaise - thick, 0.15),
            (cx - side * thick / 2, (chaise + thick) / 2, seat - 0.07),
            cover,
            0.04,
            0.01,
        ),
    ]
    inner = width - depth - thick
    joints = [_pulled_seat(parts[-1])]
    for k in range(2):
        x = -side * (width / 2 - thick - inner * (k + 0.5) / 2)
        parts.append(
            cushion(
                (inner / 2 - 0.01, depth - thick, 0.15),
                (x, (depth + thick) / 2, seat - 0.07),
                cover,
                0.04,
                0.02,
            )
        )
        parts.append(
            cushion(
                (inner / 2 - 0.03, 0.14, height - seat),
                (x, thick + 0.07, (height + seat) / 2),
                cover,
                0.05,
                0.03,
            )
        )
        joints += [_pulled_seat(parts[-2]), _slumped_back(parts[-1])]
    return build('corner sofa', 'sofa', parts, 'wall', front=0.3, liveliness=0.15, joints=joints)


def stool(rng: np.random.Generator) -> Model:
    """Make a stool or pouf; without a back it is not a chair."""
    height, width = rng.uniform(0.38, 0.68), rng.uniform(0.3, 0.42)
    if rng.random() < 0.5:
        parts = [
            cylinder(width / 2, 0.04, (0, 0, height - 0.04), look.wood(rng)),
            *legs(width * 0.8, width * 0.8, height - 0.03, 0.03, look.wood(rng), 0.0, 0.04),
        ]
    else:
        height *= 0.8
        parts = [cushion((width, width, height), (0, 0, height / 2), look.fabric(rng), 0.06, 0.02)]
    return build('stool', 'otherfurniture', parts, 'floor', symmetric=True)
