"""Colors of objects by id, class, state, age or confidence, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
import html

import numpy as np
from rescene4d_ros.structures.colors import color_of, NO_OBJECT
from rescene4d_ros.view.browser.knowledge import PlacedObject
from rescene4d_ros.view.browser.session import ColorBy, Standing, standing_of

# Distinguishable with the usual kinds of color blindness, dark enough for lines on white.
STATES = {
    Standing.THERE: (0, 114, 178),
    Standing.GONE: (213, 94, 0),
    Standing.NOT_SEEN: (110, 110, 110),
}
LOW, MIDDLE, HIGH = (68, 1, 84), (33, 145, 140), (240, 200, 20)  # of viridis, darker at the end
DAY_NS = 86_400 * 10**9

Color = tuple[int, int, int]


def on_scale(share: float) -> Color:
    """Return the color of a number in 0..1."""
    steps = np.interp(np.clip(share, 0, 1), (0, 0.5, 1), (0, 1, 2))
    ends = np.array([LOW, MIDDLE, HIGH], float)
    low = min(int(steps), 1)
    red, green, blue = (ends[low] + (ends[low + 1] - ends[low]) * (steps - low)).round().tolist()
    return int(red), int(green), int(blue)


def colors_by(placed: Sequence[PlacedObject], color_by: ColorBy, now_ns: int) -> dict[int, Color]:
    """
    Return the color of each object, by id.

    Parameters
    ----------
    placed : sequence of PlacedObject
    color_by : ColorBy
    now_ns : int, ns since the Unix epoch
        Stamp of the shown visit, from which ages count.

    """
    oldest = max((now_ns - p.since_ns for p in placed), default=0) or 1
    return {p.object_id: _color(p, color_by, now_ns, oldest) for p in placed}


def _color(placed: PlacedObject, color_by: ColorBy, now_ns: int, oldest_ns: int) -> Color:
    if color_by == ColorBy.CLASS:
        return color_of(placed.item.class_id + 1)
    if color_by == ColorBy.STATE:
        return STATES[standing_of(placed)]
    if color_by == ColorBy.AGE:
        return on_scale((now_ns - placed.since_ns) / oldest_ns)
    if color_by == ColorBy.CONFIDENCE:
        return on_scale(placed.confidence)
    return color_of(placed.object_id)


def legend(placed: Sequence[PlacedObject], color_by: ColorBy, now_ns: int) -> str:
    """Return what the colors mean, as HTML."""
    if color_by == ColorBy.CLASS:
        classes = {p.item.class_name: color_of(p.item.class_id + 1) for p in placed}
        return _swatches([(name, classes[name]) for name in sorted(classes)])
    if color_by == ColorBy.STATE:
        return _swatches([(str(name), color) for name, color in STATES.items()])
    if color_by == ColorBy.AGE:
        days = max((now_ns - p.since_ns for p in placed), default=0) / DAY_NS
        return _scale('at its place since this visit', f'for {days:.0f} days')
    if color_by == ColorBy.CONFIDENCE:
        return _scale('0 %', '100 % sure')
    scan = 'points as scanned, ' if color_by == ColorBy.SCAN else ''
    return f'<div class="r4-note">{scan}boxes in the color of the id</div>'


def _swatches(rows: Sequence[tuple[str, Color]]) -> str:
    return '<div class="r4-legend">' + ''.join(
        f'<span><i style="background:{css(color)}"></i>{html.escape(name)}</span>'
        for name, color in rows
    ) + '</div>'  # fmt: skip


def _scale(low: str, high: str) -> str:
    ends = ','.join(css(on_scale(share)) for share in (0, 0.25, 0.5, 0.75, 1))
    return (
        f'<div class="r4-scale"><span>{low}</span>'
        f'<i style="background:linear-gradient(90deg,{ends})"></i><span>{high}</span></div>'
    )


def css(color: Color) -> str:
    """Return a color as style sheets take it."""
    return 'rgb({},{},{})'.format(*color)


def point_colors(
    rgb: np.ndarray, object_id: np.ndarray, colors: dict[int, Color], color_by: ColorBy
) -> np.ndarray:
    """
    Return the (N, 3) uint8 colors of points: as scanned, or of their object over a pale room.

    Parameters
    ----------
    rgb : ndarray (N, 3), uint8
        As scanned.
    object_id : ndarray (N,), int64
        0 = none.
    colors : dict of int to color
    color_by : ColorBy

    """
    if color_by == ColorBy.SCAN or not len(rgb):
        return rgb
    ids, where = np.unique(object_id, return_inverse=True)
    table = np.array([colors.get(int(i), NO_OBJECT) for i in ids], float)
    light = 0.72 + 0.4 * rgb.mean(axis=1, keepdims=True) / 255
    is_object = np.isin(ids, list(colors))[where]
    mixed = np.where(is_object[:, None], table[where] * light, pale(rgb))
    return np.clip(mixed, 0, 255).astype(np.uint8)


def pale(rgb: np.ndarray) -> np.ndarray:
    """Return (N, 3) uint8 colors near white, with a rest of their brightness and a blue tint."""
    gray = rgb.mean(axis=1, keepdims=True)
    return (0.22 * gray + np.array([160.0, 170.0, 186.0])).clip(0, 255).astype(np.uint8)


def linear(rgb: np.ndarray) -> np.ndarray:
    """Return uint8 colors of linear light for nodes whose colors viser takes as such."""
    return (255 * (np.asarray(rgb) / 255) ** 2.2).round().astype(np.uint8)
