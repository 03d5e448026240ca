"""Where the cameras of windows stand, and where they look."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from rescene4d_ros.structures import Box
from rescene4d_ros.view.browser.drawing.wipe import left_of
from rescene4d_ros.view.splat import wall_azimuth
import viser

SHORTEST = 1.5  # m; between the camera and a selected object
FIELD, ASPECT = np.deg2rad(75), 1.1  # of a window that has not told its own
FILLED = 0.92  # share of a window that a place takes
HEIGHT = np.deg2rad(48)  # of the camera over the horizon
SHEET = 0.5  # share of a window higher than wide that the panel covers, from below


def look_over(cameras: Iterable[Any], xyz: np.ndarray, right: np.ndarray | None = None) -> None:
    """
    Set cameras so that all points are seen, each in the proportions of its window.

    Parameters
    ----------
    cameras : iterable
        Of windows of viser, or its initial one.
    xyz : ndarray (N, 3), m, in map
    right : ndarray (2,), optional
        Unit vector in map that goes to the right; default: the camera is above a corner.

    """
    if not len(xyz):
        return
    away = _above_corner(xyz) if right is None else _above(-left_of(right))
    low, high = np.percentile(xyz, (0.5, 99.5), axis=0)
    middle = (low + high) / 2
    inner = xyz[((xyz >= low) & (xyz <= high)).all(axis=1)]
    for camera in cameras:
        field, aspect = _lens(camera)
        distance = _distance(inner - middle, away, field, aspect)
        target = middle + _lowered(distance * away, field, aspect)
        camera.position = target + distance * away
        camera.look_at = target  # afterwards: a camera of viser takes it along when it moves


def _lens(camera: Any) -> tuple[float, float]:
    """Return the field of view (rad) from the lower to the upper edge, and width to height."""
    width, height = (getattr(camera, f'image_{side}', 0) for side in ('width', 'height'))
    return (float(camera.fov), width / height) if width and height else (FIELD, ASPECT)


def _distance(offsets: np.ndarray, away: np.ndarray, field: float, aspect: float) -> float:
    """Return from how far (m) all offsets (N, 3) are seen by a camera in a direction."""
    half = np.tan(field / 2) * FILLED * np.array([aspect, 1.0 - _covered(aspect)])
    axes = np.stack(_axes(away))
    # A point is seen where |across| <= half * depth, and its depth is the distance less `towards`.
    needed = np.abs(offsets @ axes.T) / half + (offsets @ away)[:, None]
    return float(needed.max())


def _covered(aspect: float) -> float:
    """Return the share of a window, from below, that the panel covers."""
    return SHEET if aspect < 1 else 0.0


def _lowered(away: np.ndarray, field: float, aspect: float) -> np.ndarray:
    """Return the way (m) from a place that is seen from `away` to what a camera looks at."""
    depth = float(np.linalg.norm(away))
    if not away[:2].any():  # from straight above
        return np.zeros(3)
    return -_axes(away / depth)[1] * depth * np.tan(field / 2) * _covered(aspect)


def _axes(away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors to the right and upwards in a window, whose camera is `away`."""
    right = np.cross((0, 0, 1), away)
    right = right / np.linalg.norm(right)
    return right, np.cross(away, right)


def _above_corner(xyz: np.ndarray) -> np.ndarray:
    azimuth = np.deg2rad(wall_azimuth(xyz))
    return _above(np.array([np.cos(azimuth), np.sin(azimuth)]))


def _above(flat: np.ndarray) -> np.ndarray:
    """Return the unit vector to a camera above the horizon, in a direction (2,)."""
    return np.append(np.cos(HEIGHT) * flat, np.sin(HEIGHT))


def look_at(client: viser.ClientHandle, box: Box) -> None:
    """Turn the camera of a window to a place, from where it is but near."""
    camera, center = client.camera, np.asarray(box.center)
    away = camera.position - center
    away = away - _lowered(away, *_lens(camera))  # as it was seen in the part that is free
    distance = np.linalg.norm(away)
    nearest = max(SHORTEST, 2.5 * float(np.linalg.norm(box.size)))
    if distance > nearest:
        away = away * (nearest / distance)
    center = center + _lowered(away, *_lens(camera))
    with client.atomic():
        camera.position = center + away
        camera.look_at = center
