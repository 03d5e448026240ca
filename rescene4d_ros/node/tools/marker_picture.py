"""Pictures of markers without RViz: what a viewer shows after some messages, drawn from a side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rescene4d_ros.node.messages.marker_shapes import (
    BACKGROUND,
    from_above,
    from_orbit,
    LINE_HEIGHT,
)
from visualization_msgs.msg import Marker, MarkerArray

HEAD = 0.3  # of an arrow that is its head
LEAST_WIDTH = 2  # pixels


def replay(messages: Iterable[MarkerArray]) -> dict[tuple[str, int], Marker]:
    """Return what a viewer shows after some messages, by namespace and id."""
    shown: dict[tuple[str, int], Marker] = {}
    for message in messages:
        for marker in message.markers:
            key = marker.ns, marker.id
            if marker.action == Marker.DELETEALL:
                shown.clear()
            elif marker.action == Marker.DELETE:
                shown.pop(key, None)
            else:
                shown[key] = marker
    return shown


def draw_markers(
    shown: Mapping[tuple[str, int], Marker],
    size: tuple[int, int],
    pixels_per_m: float,
    center: tuple[float, float] = (0.0, 0.0),
    orbit: bool = False,
) -> Image.Image:
    """
    Draw lines, arrows, points and labels on the background of RViz.

    Parameters
    ----------
    shown : mapping of (str, int) to Marker
        As `replay` returns it.
    size : tuple of 2 int, pixels
        Width and height.
    pixels_per_m : float
        From the orbit: pixels per tangent of the angle.
    center : tuple of 2 float, m
        In the middle of the picture; from the orbit a tangent.
    orbit : bool
        Draw the view with which RViz begins; else from above.

    Returns
    -------
    PIL.Image.Image

    """
    image = Image.new('RGB', size, BACKGROUND)
    canvas = ImageDraw.Draw(image, 'RGBA')

    def project(points: np.ndarray) -> np.ndarray:
        seen = (from_orbit if orbit else from_above)(points)
        seen[:, :2] = (seen[:, :2] - center) * (1, -1) * pixels_per_m + np.array(size) / 2
        seen[:, 2] *= pixels_per_m
        return seen

    for marker in sorted(shown.values(), key=lambda m: m.type == Marker.TEXT_VIEW_FACING):
        color = marker.color
        rgba = tuple(round(255 * c) for c in (color.r, color.g, color.b, color.a))
        if marker.type == Marker.TEXT_VIEW_FACING:
            _text(canvas, marker, project(_position(marker))[0], rgba)
        else:
            _lines(canvas, marker, project(points_of(marker)), rgba)
    return image


def points_of(marker: Marker) -> np.ndarray:
    """Return the (N, 3) points of a marker, m."""
    return np.array([(p.x, p.y, p.z) for p in marker.points], np.float64).reshape(-1, 3)


def _position(marker: Marker) -> np.ndarray:
    place = marker.pose.position
    return np.array([[place.x, place.y, place.z]], np.float64)


def _text(canvas: ImageDraw.ImageDraw, marker: Marker, seen: np.ndarray, rgba) -> None:
    if np.isfinite(seen).all():
        font = ImageFont.load_default(max(1.0, marker.scale.z * LINE_HEIGHT * seen[2] * 0.75))
        canvas.text((seen[0], seen[1]), marker.text, rgba, font, anchor='mm')


def _lines(canvas: ImageDraw.ImageDraw, marker: Marker, seen: np.ndarray, rgba) -> None:
    seen = seen[: len(seen) // 2 * 2] if marker.type != Marker.POINTS else seen
    if not len(seen) or not np.isfinite(seen).all():
        return
    width = max(LEAST_WIDTH, round(marker.scale.x * float(seen[:, 2].mean())))
    at = seen[:, :2]
    if marker.type == Marker.POINTS:
        for x, y in at.tolist():
            canvas.ellipse((x - 1, y - 1, x + 1, y + 1), rgba)
        return
    for start, end in zip(at[::2], at[1::2], strict=True):
        if marker.type == Marker.ARROW:
            along = (end - start) * HEAD
            side = np.array([-along[1], along[0]]) * 0.4
            canvas.polygon([*map(tuple, (end, end - along + side, end - along - side))], rgba)
            end = end - along
        canvas.line([*start.tolist(), *end.tolist()], rgba, width)
