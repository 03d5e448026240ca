"""Shapes of markers: lines tell a state, signs a change, and no label hides another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools

from geometry_msgs.msg import Point
import numpy as np
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, SceneObject
from rescene4d_ros.structures.colors import color_of, unit_rgb
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

BACKGROUND = (48, 48, 48)  # of RViz, as in config/rescene4d.rviz
LEAST_CONTRAST = 4.5  # of text, WCAG 2 level AA
LINE_WIDTH = 0.015  # m
SIGN_WIDTH = 0.03  # m
SIGN_SIZE = 0.3  # m
SIGN_OFFSET = 0.28  # m along y, so that it is beside the label also when seen from above
# Parts of an edge that are drawn: whole, dashes, or corners alone.
STROKES = {
    ObjectState.PRESENT: ((0.0, 1.0),),
    ObjectState.NOT_OBSERVED: ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)),
    ObjectState.UNKNOWN: ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)),
    ObjectState.ABSENT: ((0.0, 0.2), (0.8, 1.0)),
}
# Distinct also without red-green vision (Okabe and Ito 2008).
CHANGE_COLORS = {
    ChangeKind.ADDED: (86, 180, 233),
    ChangeKind.REMOVED: (230, 159, 0),
    ChangeKind.MOVED: (240, 228, 66),
    ChangeKind.DEFORMED: (204, 121, 167),
    ChangeKind.REAPPEARED: (0, 158, 115),
}
# Polylines in the plane over an object, in halves of SIGN_SIZE.
SIGNS = {
    ChangeKind.ADDED: (((-1, 0), (1, 0)), ((0, -1), (0, 1))),
    ChangeKind.REMOVED: (((-1, -1), (1, 1)), ((-1, 1), (1, -1))),
    ChangeKind.DEFORMED: (((-1, 0), (-0.5, 0.7), (0, -0.7), (0.5, 0.7), (1, 0)),),
    ChangeKind.REAPPEARED: (((0, 1), (1, 0), (0, -1), (-1, 0), (0, 1)),),
}
NOT_DRAWN = (ChangeKind.UNKNOWN, ChangeKind.MERGED)  # no place differs

Key = tuple[str, int]  # namespace and id of a marker
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """
    Hold what one marker shows; equal shapes look equal.

    Attributes
    ----------
    kind : int
        Type of the marker.
    rgba : tuple of 4 float
        0..1.
    scale : tuple of 3 float, m
    points : tuple of tuple of 3 float, m
        In the frame of the markers; of lines, arrows and points.
    position : tuple of 3 float, m
        Of text.
    text : str

    """

    kind: int
    rgba: tuple[float, float, float, float]
    scale: Triple
    points: tuple[Triple, ...] = ()
    position: Triple = (0.0, 0.0, 0.0)
    text: str = ''


def contrast(rgb: tuple[int, ...], other: tuple[int, ...] = BACKGROUND) -> float:
    """Return the ratio of contrast of two colors (WCAG 2), 1..21."""
    one, two = sorted(map(_luminance, (rgb, other)))
    return (two + 0.05) / (one + 0.05)


def readable(rgb: tuple[int, ...]) -> tuple[int, ...]:
    """Return a color mixed with as little white as makes text in it readable on BACKGROUND."""
    for white in np.linspace(0, 1, 21):
        mixed = tuple(round(c + (255 - c) * float(white)) for c in rgb)
        if contrast(mixed) >= LEAST_CONTRAST:
            break
    return mixed


def box_lines(box: Box, state: ObjectState, object_id: int, opacity: float) -> Shape:
    """Return the edges of a box, drawn as its state says."""
    corners = np.array([*itertools.product((-0.5, 0.5), repeat=3)])
    pairs = [
        (a, b)
        for a, b in itertools.combinations(range(8), 2)
        if np.count_nonzero(corners[a] != corners[b]) == 1
    ]
    pose = box.map_T_box
    placed = corners * np.asarray(box.size) @ pose[:3, :3].T + pose[:3, 3]
    start, along = placed[[a for a, _ in pairs]], placed[[b for _, b in pairs]]
    along = along - start
    ends = [start + along * part for stroke in STROKES[state] for part in stroke]
    lines = np.stack(ends, 1).reshape(-1, 3)
    rgba = (*unit_rgb(readable(color_of(object_id))), opacity)
    return Shape(Marker.LINE_LIST, rgba, (LINE_WIDTH, 0.0, 0.0), triples(lines))


def sign(kind: ChangeKind, box: Box) -> Shape:
    """Return the sign of a change, lying over the place of an object."""
    over = np.asarray(box.center) + (0, -SIGN_OFFSET, box.size[2] / 2 + SIGN_WIDTH)
    ends = [p for line in SIGNS[kind] for pair in itertools.pairwise(line) for p in pair]
    points = np.pad(np.array(ends, np.float64) * SIGN_SIZE / 2, ((0, 0), (0, 1))) + over
    rgba = (*unit_rgb(CHANGE_COLORS[kind]), 1.0)
    return Shape(Marker.LINE_LIST, rgba, (SIGN_WIDTH, 0.0, 0.0), triples(points))


def arrow(before: Box, after: Box) -> Shape:
    """Return an arrow from the old to the new place of an object."""
    ends = np.array([before.center, after.center], np.float64)
    rgba = (*unit_rgb(CHANGE_COLORS[ChangeKind.MOVED]), 1.0)
    return Shape(Marker.ARROW, rgba, (SIGN_WIDTH, 3 * SIGN_WIDTH, 4 * SIGN_WIDTH), triples(ends))


def change_shape(change: Change) -> Shape | None:
    """Return what is drawn of a change; None where no place differs."""
    if change.kind == ChangeKind.MOVED and change.before and change.after:
        return arrow(change.before, change.after)
    box = change.before if change.kind == ChangeKind.REMOVED else change.after
    if box is None or change.kind in (*NOT_DRAWN, ChangeKind.MOVED):
        return None
    return sign(change.kind, box)


def triples(points: np.ndarray) -> tuple[Triple, ...]:
    """Return (N, 3) points as tuples, which compare by value."""
    return tuple((x, y, z) for x, y, z in points.tolist())


def _luminance(rgb: tuple[int, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in unit_rgb(rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


LABEL_HEIGHT = 0.15  # m
LETTER_WIDTH = 0.7  # of the height, the widest mean of a text in the font of RViz
LINE_HEIGHT = 1.4  # of the height
# The view with which config/rescene4d.rviz begins: an orbit around the origin.
DISTANCE, PITCH, YAW = 10.0, 0.8, 0.8  # m, rad, rad
NEAREST = 0.5  # m; labels closer to the eye or behind it are not in the picture


def choose_texts(positions: np.ndarray, texts: Sequence[Sequence[str]]) -> list[str]:
    """
    Choose one text per object so that labels overlap neither from above nor in the first view.

    Parameters
    ----------
    positions : ndarray (I, 3), m, in map
        Middles of the labels, the most important first.
    texts : sequence of I sequences of str
        Per object, the best text first.

    Returns
    -------
    list of I str
        Empty where none of its texts has room.

    """
    views = [from_above(positions), from_orbit(positions)]
    taken = np.full((len(views), len(texts), 4), np.nan)
    chosen = [''] * len(texts)

    def choose(number: int, candidates: Sequence[str]) -> None:
        others = np.delete(taken, number, axis=1)
        for text in candidates:
            boxes = np.array([rectangle(view[number], text) for view in views])
            if not _overlaps(boxes, others):
                chosen[number], taken[:, number] = text, boxes
                return

    # Numbers first, words where room is left: a long name would cost others their label.
    for number, candidates in enumerate(texts):
        choose(number, candidates[-1:])
    for number, candidates in enumerate(texts):
        if chosen[number]:
            choose(number, candidates[:-1])
    return chosen


def from_above(positions: np.ndarray) -> np.ndarray:
    """Return (I, 3) middles seen from above, and the scale of their labels: x, y, scale."""
    return np.column_stack([positions[:, :2], np.ones(len(positions))])


def from_orbit(positions: np.ndarray) -> np.ndarray:
    """Return (I, 3) middles in the first view, in tangents, and the scale of their labels."""
    away = -np.array([np.cos(PITCH) * np.cos(YAW), np.cos(PITCH) * np.sin(YAW), np.sin(PITCH)])
    right = np.array([-np.sin(YAW), np.cos(YAW), 0.0])
    axes = np.stack([right, np.cross(right, away), away])
    seen = (np.asarray(positions, np.float64) + DISTANCE * away) @ axes.T
    depth = np.where(seen[:, 2] > NEAREST, seen[:, 2], np.nan)
    return np.column_stack([seen[:, 0] / depth, seen[:, 1] / depth, 1 / depth])


def rectangle(place: np.ndarray, text: str) -> np.ndarray:
    """Return left, bottom, right, top of a text in a view; NaN where it is not in the picture."""
    half = np.array([LETTER_WIDTH * len(text), LINE_HEIGHT]) * LABEL_HEIGHT * place[2] / 2
    return np.concatenate([place[:2] - half, place[:2] + half])


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> bool:
    """Return whether texts (V, 4) overlap any of others (V, I, 4) in one of V views."""
    boxes = boxes[:, None]
    is_over = (others[..., :2] < boxes[..., 2:]) & (boxes[..., :2] < others[..., 2:])
    return bool(is_over.all(axis=2).any())


def label_texts(item: SceneObject) -> tuple[str, ...]:
    """Return the texts of an object's label, the best first."""
    short = f'#{item.object_id}'
    plain = f'{item.name or item.class_name} {short}'
    if item.state == ObjectState.PRESENT:
        return plain, short
    return f'{plain} ({item.state.name.lower().replace("_", " ")})', plain, short


def marker_of(header: Header, key: Key, shape: Shape) -> Marker:
    """Return the message that draws a shape under a namespace and id."""
    red, green, blue, opacity = shape.rgba
    marker = Marker(
        header=header,
        ns=key[0],
        id=int(key[1]),
        type=shape.kind,
        action=Marker.ADD,
        color=ColorRGBA(r=red, g=green, b=blue, a=opacity),
        text=shape.text,
        points=[Point(x=x, y=y, z=z) for x, y, z in shape.points],
    )
    marker.pose.orientation.w = 1.0
    place = marker.pose.position
    place.x, place.y, place.z = shape.position
    marker.scale.x, marker.scale.y, marker.scale.z = shape.scale
    return marker
