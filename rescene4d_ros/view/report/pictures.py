"""Pictures of a report: the places before and after, and each change from near."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.structures import Box, Change, ChangeKind
from rescene4d_ros.view.cutaway import cutaway
from rescene4d_ros.view.outlines import corners_of, EDGES, MARKS, outline_of, UNSEEN, ZONE
from rescene4d_ros.view.report.surroundings import low_of, Surroundings
from rescene4d_ros.view.splat import splat, View, view_of, wall_azimuth

OVERVIEW = (1000, 720)  # pixels
NEAR_VIEW = (300, 220)  # pixels
AROUND = 0.7  # m; what is shown around a changed object
TOGETHER = 1.5  # m; places that are nearer than this are in one view
SUPERSAMPLING = 2
QUALITY = 78  # of WebP


@dataclass(frozen=True)
class Mark:
    """
    Hold a box to be drawn, and a text for it.

    Attributes
    ----------
    box : Box
    color : str
        As '#rrggbb'.
    text : str
        Empty = none.
    is_dashed : bool
        Where the object was, or was not observed.
    is_crossed : bool
        Where it is gone.

    """

    box: Box
    color: str
    text: str = ''
    is_dashed: bool = False
    is_crossed: bool = False


def before_mark(change: Change, text: str = '') -> Mark | None:
    """Return how the place is drawn that an object had before it changed; None = it had none."""
    if change.before is None:
        return None
    return Mark(change.before, MARKS.get(change.kind, (UNSEEN, ''))[0], text)


def after_marks(change: Change, text: str = '') -> list[Mark]:
    """Return how a change is drawn where it is seen afterwards: the new place, and the old one."""
    color, marks = MARKS.get(change.kind, (UNSEEN, ''))[0], []
    if change.kind == ChangeKind.REMOVED and change.before is not None:
        marks.append(Mark(change.before, color, text, is_dashed=True, is_crossed=True))
    if change.kind == ChangeKind.MOVED and change.before is not None:
        marks.append(Mark(change.before, color, is_dashed=True))
    if change.after is not None:
        marks.append(Mark(change.after, color, text))
    return marks


def overview(
    points: Surroundings, view: View, marks: Sequence[Mark], zones: Sequence[Zone] = ()
) -> str:
    """Return a picture of all places with the outlines of zones, as a data URI."""
    return _as_uri(_drawn(points, view, marks, zones))


def overview_view(clouds: Sequence[Surroundings]) -> View:
    """Return the view that overviews of the same places share."""
    xyz = [c.xyz for c in clouds if len(c)] or [np.zeros((1, 3), np.float32)]
    width, height = (side * SUPERSAMPLING for side in OVERVIEW)
    return view_of(xyz, width, height, wall_azimuth(xyz[0]))


def near_pictures(
    before: Surroundings, after: Surroundings, change: Change
) -> tuple[str | None, str | None]:
    """Return what a change was and is, each as a data URI; None where there is nothing to show."""
    boxes = [b for b in (change.before, change.after) if b is not None]
    apart = np.linalg.norm(np.ptp([b.center for b in boxes], axis=0)) if boxes else 0.0
    views = [_near_view(boxes, (before, after))] * 2 if apart <= TOGETHER else []
    if not views:
        views = [_near_view([b], (before, after)) for b in boxes]
    mark = before_mark(change)
    pictures = (
        _near(before, views[0], [] if mark is None else [mark]),
        _near(after, views[-1], after_marks(change)),
    )
    return pictures if boxes else (None, None)


def place_picture(points: Surroundings, box: Box, color: str) -> str | None:
    """Return a place from near with its box, as a data URI; None where there are no points."""
    return _near(points, _near_view([box], (points,)), [Mark(box, color)])


def _near_view(boxes: Sequence[Box], clouds: Sequence[Surroundings]) -> View:
    """Return a view of some boxes, from the side from which least hides them."""
    width, height = (side * SUPERSAMPLING for side in NEAR_VIEW)
    corners = np.concatenate([_reach(box) for box in boxes])
    low, high = corners.min(axis=0), corners.max(axis=0)
    around = np.concatenate([c.xyz[_within(c.xyz, low, high)] for c in clouds] + [corners])
    every = np.concatenate([c.xyz for c in clouds])
    # The middle of the place is the free side: most things stand at walls.
    away = np.median(every[:, :2], axis=0) - (low[:2] + high[:2]) / 2
    azimuth = float(np.rad2deg(np.arctan2(away[1], away[0])))
    return view_of([np.repeat(around, 5, axis=0)], width, height, azimuth, 38.0)


def _near(points: Surroundings, view: View, marks: Sequence[Mark]) -> str | None:
    low = view.center - (AROUND * 4, AROUND * 4, AROUND * 4)
    high = view.center + (AROUND * 4, AROUND * 4, AROUND * 4)
    near = points.take(_within(points.xyz, low, high))
    return _as_uri(_drawn(near, view, marks)) if len(near) else None


def _reach(box: Box) -> np.ndarray:
    """Return (2, 3) corners of what is shown around a box."""
    half = np.full(3, np.hypot(*box.size[:2]) / 2 + AROUND)
    half[2] = box.size[2] / 2 + AROUND / 2
    return np.array([box.center - half, box.center + half])


def _within(xyz: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.all((xyz >= low) & (xyz <= high), axis=1)


def _drawn(
    points: Surroundings, view: View, marks: Sequence[Mark], zones: Sequence[Zone] = ()
) -> Image.Image:
    """Return the points with zones and boxes, reduced to the size at which they are shown."""
    is_object = points.object_id > 0
    shown = cutaway(points.xyz, view, is_object) if len(points) else is_object
    image = Image.fromarray(splat(view, points.xyz[shown], points.rgb[shown], 0.03, 0.6))
    draw = ImageDraw.Draw(image)
    floor = low_of(points)
    outlines = [view.project(outline_of(zone, floor))[:, :2] for zone in zones]
    for corners in outlines:
        draw.line([*corners.ravel(), *corners[0]], fill=ZONE, width=2 * SUPERSAMPLING)
    for mark in marks:
        _draw_box(draw, corners_of(view, mark.box), mark)
    size = view.width // SUPERSAMPLING, view.height // SUPERSAMPLING
    image = image.resize(size, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(image)
    placed: list[tuple[float, float]] = []
    for mark in marks:
        if mark.text:
            at = corners_of(view, mark.box)[4:].mean(axis=0) / SUPERSAMPLING
            _write(draw, at, mark.text, mark.color, placed)
    for zone, corners in zip(zones, outlines):
        _write(draw, corners.mean(axis=0) / SUPERSAMPLING, zone.name, ZONE, placed)
    return image


def _draw_box(draw: ImageDraw.ImageDraw, corners: np.ndarray, mark: Mark) -> None:
    width = 2 * SUPERSAMPLING
    for a, b in EDGES:
        parts = _dashes(corners[a], corners[b]) if mark.is_dashed else [(corners[a], corners[b])]
        for start, end in parts:
            draw.line([*start, *end], fill=mark.color, width=width)
    if mark.is_crossed:
        for a, b in ((0, 6), (1, 7)):
            draw.line([*corners[a], *corners[b]], fill=mark.color, width=2 * width)


def _dashes(start: np.ndarray, end: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    count = max(1, int(np.linalg.norm(end - start) / (7 * SUPERSAMPLING)))
    at = start + (end - start) * np.linspace(0, 1, 2 * count)[:, None]
    return list(zip(at[::2], at[1::2]))


def _write(
    draw: ImageDraw.ImageDraw,
    at: np.ndarray,
    text: str,
    color: str,
    placed: list[tuple[float, float]],
) -> None:
    """Write around a pixel, or lower where another text is."""
    font = ImageFont.load_default(15)
    x, y = at
    while any(abs(x - px) < 110 and abs(y - py) < 16 for px, py in placed):
        y += 6
    placed.append((x, y))
    draw.text((x, y), text, color, font, 'mm', stroke_width=3, stroke_fill=(255, 255, 255))


def _as_uri(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, 'WEBP', quality=QUALITY, method=4)
    return 'data:image/webp;base64,' + base64.b64encode(data.getvalue()).decode('ascii')
