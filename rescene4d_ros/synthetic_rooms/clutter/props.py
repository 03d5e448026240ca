"""Small things by kind: how large they are, where they stand, and which design they have."""

from __future__ import annotations

from dataclasses import dataclass
import zlib

import numpy as np
from rescene4d_ros.synthetic_rooms.catalog.item import split_of
from rescene4d_ros.synthetic_rooms.clutter.forms import hard_forms, household_forms, soft_forms
from rescene4d_ros.synthetic_rooms.clutter.forms.soft_forms import Form
from rescene4d_ros.synthetic_rooms.furniture.model import build, Model

# Designs of each kind; every one is of one split.
DESIGNS = 48


@dataclass(frozen=True)
class Prop:
    """
    Hold a kind of small thing.

    Attributes
    ----------
    form : callable
    low, high : tuple of 3 float, m
        Smallest and largest extents.
    place : str
        As in `Model`: 'top', 'floor' or 'hang'.
    liveliness : float
    mount : tuple of 2 float, m
        Range of heights of what hangs.
    class_name : str

    """

    form: Form
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    place: str = 'top'
    liveliness: float = 1.5
    mount: tuple[float, float] = (0.0, 0.0)
    class_name: str = 'otherfurniture'


PROPS: dict[str, Prop] = {
    'bottle': Prop(hard_forms.turned, (0.06, 0.06, 0.16), (0.11, 0.11, 0.36)),
    'jar': Prop(hard_forms.turned, (0.08, 0.08, 0.1), (0.16, 0.16, 0.22)),
    'vase': Prop(hard_forms.turned, (0.1, 0.1, 0.18), (0.22, 0.22, 0.45)),
    'bowl': Prop(hard_forms.turned, (0.16, 0.16, 0.06), (0.34, 0.34, 0.15)),
    'pan': Prop(hard_forms.turned, (0.18, 0.18, 0.1), (0.32, 0.32, 0.22)),
    'bucket': Prop(hard_forms.turned, (0.24, 0.24, 0.22), (0.36, 0.36, 0.4), 'floor'),
    'waste bin': Prop(hard_forms.turned, (0.2, 0.2, 0.25), (0.38, 0.38, 0.65), 'floor', 1.3),
    'appliance': Prop(hard_forms.boxy, (0.18, 0.16, 0.18), (0.42, 0.36, 0.4), 'top', 0.6),
    'speaker': Prop(hard_forms.boxy, (0.12, 0.12, 0.18), (0.28, 0.3, 0.5), 'top', 0.5),
    'computer': Prop(hard_forms.boxy, (0.17, 0.36, 0.36), (0.24, 0.5, 0.5), 'floor', 0.4),
    'printing machine': Prop(hard_forms.boxy, (0.36, 0.32, 0.16), (0.52, 0.44, 0.36), 'top', 0.4),
    'washing machine': Prop(hard_forms.boxy, (0.56, 0.52, 0.82), (0.62, 0.62, 0.88), 'wall', 0.03),
    'package': Prop(hard_forms.boxy, (0.1, 0.06, 0.12), (0.28, 0.18, 0.34)),
    'heater': Prop(hard_forms.boxy, (0.3, 0.12, 0.4), (0.7, 0.24, 0.62), 'floor', 0.7),
    'small box': Prop(hard_forms.carton, (0.2, 0.16, 0.12), (0.46, 0.36, 0.34)),
    'large box': Prop(hard_forms.carton, (0.36, 0.3, 0.26), (0.8, 0.6, 0.62), 'floor', 2.0),
    'crate': Prop(hard_forms.carton, (0.34, 0.26, 0.16), (0.56, 0.4, 0.34), 'floor', 1.8),
    'backpack': Prop(soft_forms.soft, (0.28, 0.18, 0.36), (0.42, 0.3, 0.56), 'floor', 2.0),
    'handbag': Prop(soft_forms.soft, (0.22, 0.1, 0.18), (0.42, 0.2, 0.36), 'top', 2.0),
    'sack': Prop(soft_forms.soft, (0.3, 0.28, 0.3), (0.55, 0.5, 0.6), 'floor', 2.0),
    'clothes heap': Prop(soft_forms.soft, (0.3, 0.25, 0.1), (0.65, 0.5, 0.3), 'top', 2.0),
    'pouf': Prop(soft_forms.soft, (0.4, 0.4, 0.3), (0.7, 0.7, 0.5), 'floor', 1.2),
    'toy': Prop(soft_forms.figure, (0.14, 0.12, 0.16), (0.38, 0.32, 0.45), 'top', 2.0),
    'pillow': Prop(soft_forms.pillow, (0.4, 0.36, 0.1), (0.8, 0.55, 0.17), 'top', 1.5),
    'blanket': Prop(soft_forms.cloth, (0.8, 0.7, 0.1), (1.7, 1.5, 0.3), 'top', 1.5),
    'garment': Prop(soft_forms.cloth, (0.5, 0.4, 0.04), (0.95, 0.7, 0.12), 'top', 2.0),
    'towel': Prop(soft_forms.cloth, (0.3, 0.25, 0.04), (0.6, 0.45, 0.12), 'top', 2.0),
    'pile': Prop(hard_forms.stack, (0.18, 0.14, 0.05), (0.36, 0.3, 0.34)),
    'papers': Prop(hard_forms.stack, (0.21, 0.26, 0.02), (0.34, 0.38, 0.14)),
    'book row': Prop(hard_forms.row, (0.18, 0.14, 0.2), (0.75, 0.26, 0.32), 'top', 0.6),
    'single books': Prop(hard_forms.row, (0.08, 0.14, 0.18), (0.2, 0.24, 0.3), 'top', 1.2),
    'desk lamp': Prop(hard_forms.pole, (0.14, 0.2, 0.32), (0.3, 0.36, 0.62), 'top', 0.8),
    'standing lamp': Prop(hard_forms.pole, (0.28, 0.28, 1.2), (0.5, 0.5, 1.85), 'floor', 0.7),
    'stand': Prop(hard_forms.pole, (0.3, 0.3, 0.8), (0.5, 0.5, 1.5), 'floor', 1.2),
    'framed picture': Prop(
        hard_forms.panel, (0.2, 0.015, 0.2), (1.3, 0.04, 1.0), 'hang', 0.2, (0.95, 1.7), 'picture'
    ),
    'notice board': Prop(
        hard_forms.panel, (0.6, 0.015, 0.45), (1.9, 0.04, 1.25), 'hang', 0.05, (0.8, 1.2)
    ),
    'mirror': Prop(
        hard_forms.mirror, (0.4, 0.02, 0.5), (1.1, 0.03, 1.7), 'hang', 0.05, (0.3, 1.0)
    ),
    'wall device': Prop(
        hard_forms.boxy, (0.1, 0.04, 0.1), (0.5, 0.16, 0.5), 'hang', 0.0, (0.9, 2.0)
    ),
    'hung garment': Prop(
        soft_forms.hanging, (0.36, 0.14, 0.6), (0.6, 0.3, 1.15), 'hang', 2.0, (0.6, 0.95)
    ),
    'hung towel': Prop(
        soft_forms.hanging, (0.3, 0.06, 0.4), (0.6, 0.12, 0.8), 'hang', 1.5, (0.6, 1.1)
    ),
    'leaning board': Prop(hard_forms.leaning, (0.4, 0.02, 0.5), (1.2, 0.04, 1.9), 'wall', 1.2),
    'rug': Prop(soft_forms.rug, (0.9, 0.6, 0.008), (2.4, 1.7, 0.011), 'floor', 0.4),
    'clothes rack': Prop(soft_forms.rack, (0.8, 0.4, 1.1), (1.5, 0.55, 1.75), 'floor', 0.6),
    'shoes': Prop(soft_forms.shoes, (0.22, 0.26, 0.1), (0.3, 0.34, 0.24), 'floor', 2.0),
    'keyboard': Prop(hard_forms.flat, (0.36, 0.13, 0.02), (0.48, 0.18, 0.04), 'top', 1.5),
    'tray': Prop(hard_forms.flat, (0.22, 0.16, 0.02), (0.48, 0.36, 0.06), 'top', 1.5),
    'display': Prop(hard_forms.screen, (0.45, 0.16, 0.34), (0.8, 0.24, 0.52), 'top', 0.4),
    'gadget': Prop(household_forms.gadget, (0.1, 0.08, 0.08), (0.4, 0.32, 0.34)),
    'apparatus': Prop(household_forms.gadget, (0.35, 0.3, 0.4), (0.8, 0.7, 1.2), 'floor', 0.8),
    'cable': Prop(household_forms.cable, (0.3, 0.25, 0.03), (1.0, 0.8, 0.08), 'floor', 1.5),
    'filled bowl': Prop(household_forms.filled, (0.2, 0.2, 0.12), (0.4, 0.36, 0.26)),
    'filled basket': Prop(
        household_forms.filled, (0.35, 0.3, 0.3), (0.65, 0.5, 0.6), 'floor', 1.5
    ),
    'wheeled thing': Prop(
        household_forms.wheeled, (0.6, 0.35, 0.7), (1.6, 0.6, 1.15), 'floor', 1.5
    ),
    'upright thing': Prop(
        household_forms.upright, (0.2, 0.18, 0.8), (0.45, 0.4, 1.4), 'floor', 1.3
    ),
    'ladder': Prop(household_forms.rungs, (0.45, 0.4, 0.7), (1.1, 0.7, 1.7), 'floor', 1.2),
    'roll': Prop(household_forms.rolled, (0.3, 0.1, 0.1), (1.2, 0.24, 0.24), 'floor', 1.5),
    'potted plant': Prop(household_forms.leafy, (0.3, 0.3, 0.5), (0.9, 0.9, 1.7), 'floor', 0.8),
    'table plant': Prop(household_forms.leafy, (0.14, 0.14, 0.18), (0.45, 0.45, 0.6), 'top', 1.0),
    'round thing': Prop(household_forms.round_thing, (0.14, 0.14, 0.12), (0.45, 0.45, 0.42)),
    'big screen': Prop(hard_forms.screen, (0.8, 0.2, 0.5), (1.5, 0.3, 0.92), 'top', 0.1),
}


def design_split(kind: str, design: int) -> str:
    """Return 'train', 'val' or 'test' of one design of a kind."""
    return split_of(f'prop {kind} {design}')


def draw_prop(kind: str, rng: np.random.Generator, split: str = 'any') -> Model:
    """
    Make one thing of a kind.

    Parameters
    ----------
    kind : str
        Key of PROPS.
    rng : Generator
    split : str
        Whose designs; 'any' = all.

    """
    prop = PROPS[kind]
    pool = [k for k in range(DESIGNS) if split == 'any' or design_split(kind, k) == split]
    number = pool[int(rng.integers(len(pool)))]
    design = np.random.default_rng([zlib.crc32(kind.encode()), number])
    shape = design.uniform(prop.low, prop.high)
    if prop.form is hard_forms.turned:
        shape[1] = shape[0]
    own = np.random.default_rng(rng.integers(1 << 62))
    parts = prop.form(design, own, tuple(shape * own.uniform(0.94, 1.06)))
    return build(
        kind,
        prop.class_name,
        parts,
        prop.place,
        mount=float(rng.uniform(*prop.mount)),
        liveliness=prop.liveliness,
    )
