"""Where the cameras of windows stand, and where they look."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from rescene4d_ros.geometry.boxes import contains, corners
from rescene4d_ros.structures import Box
from rescene4d_ros.view.browser.drawing.wipe import left_of
from rescene4d_ros.view.splat import wall_azimuth
import viser

SHORTEST = 1.5  # m; between the camera and a selected object
FIELD, ASPECT = np.deg2rad(75), 1.1  # of a window that has not told its own
FILLED = 0.92  # share of a window that a place takes
HEIGHT = np.deg2rad(48)  # of the camera over the horizon
SHEET = 0.5  # share of a window higher than wide that the panel covers, from below
GRID = 4  # cells along one side of the outline of an object, as a camera sees it
AROUND = 0.1  # m around the box of an object that may be of it
MOST = 60_000  # points that are looked at
HIDDEN = 0.2  # share of an outline that may be covered
TURN_COST = 0.15  # share of an outline that a turn of the camera by one radian is worth
AZIMUTHS = np.deg2rad((0, 30, -30, 60, -60, 90, -90, 135, -135, 180))
ELEVATIONS = np.deg2rad((35, 50, 65, 78, 87))


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


def look_at(client: viser.ClientHandle, box: Box, xyz: np.ndarray) -> None:
    """
    Turn the camera of a window to an object, from where it is but near.

    Where walls or furniture hide the object from there, the camera goes around it or above.

    Parameters
    ----------
    client : viser.ClientHandle
    box : Box
    xyz : ndarray (N, 3), m, in map
        Points that are drawn.

    """
    camera, center = client.camera, np.asarray(box.center)
    away = camera.position - center
    away = away - _lowered(away, *_lens(camera))  # as it was seen in the part that is free
    distance = np.linalg.norm(away)
    nearest = max(SHORTEST, 2.5 * float(np.linalg.norm(box.size)))
    if distance > nearest:
        away = away * (nearest / distance)
    away = clear_direction(xyz, box, away, _lens(camera))
    center = center + _lowered(away, *_lens(camera))
    with client.atomic():
        camera.position = center + away
        camera.look_at = center


def clear_direction(
    xyz: np.ndarray, box: Box, away: np.ndarray, lens: tuple[float, float] = (FIELD, ASPECT)
) -> np.ndarray:
    """
    Return from where a camera sees an object, as near as possible to where it stands.

    Where the panel covers the lower part of a window, the camera looks below the object and stands
    lower: it is asked whether the object is seen from there.

    Parameters
    ----------
    xyz : ndarray (N, 3), m, in map
        Points that are drawn.
    box : Box
        Of the object.
    away : ndarray (3,), m
        From what the camera looks at to the camera.
    lens : tuple of float
        Field of view from the lower to the upper edge (rad), and width to height.

    Returns
    -------
    ndarray (3,), m
        Of the length of `away`; `away` itself where little covers the object.

    """
    distance = float(np.linalg.norm(away))
    near = _around(xyz, box, float(np.linalg.norm(away + _lowered(away, *lens))))
    if not len(near) or hidden_share(near, box, away + _lowered(away, *lens)) <= HIDDEN:
        return away
    now = away / distance
    azimuth, elevation = np.arctan2(now[1], now[0]), np.arcsin(np.clip(now[2], -1, 1))
    tried = [
        np.array([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)])
        for turn in azimuth + AZIMUTHS
        for up in {elevation, *ELEVATIONS[elevation < ELEVATIONS]}
    ]
    cost = [
        max(hidden_share(near, box, distance * one + _lowered(distance * one, *lens)), HIDDEN)
        + TURN_COST * np.arccos(np.clip(one @ now, -1, 1))
        for one in tried
    ]
    return distance * tried[int(np.argmin(cost))]


def hidden_share(xyz: np.ndarray, box: Box, away: np.ndarray) -> float:
    """
    Return the share of an object's outline with points between it and a camera, 0..1.

    Parameters
    ----------
    xyz : ndarray (N, 3), m
        From the center of the object, without its own.
    box : Box
    away : ndarray (3,), m
        From the center of the object to the camera.

    """
    distance = float(np.linalg.norm(away))
    forward = away / distance
    right = np.cross((0.0, 0.0, 1.0), forward)
    right = right / np.linalg.norm(right) if right.any() else np.array([1.0, 0.0, 0.0])
    axes = np.stack([right, np.cross(forward, right)])
    outline = _corners(box)
    half = np.abs(outline @ axes.T).max(axis=0) + 1e-3
    depth = xyz @ forward
    is_between = (depth > (outline @ forward).max()) & (depth < distance)
    seen = xyz[is_between] @ axes.T / (1 - depth[is_between] / distance)[:, None] / half
    cell = ((seen[(np.abs(seen) < 1).all(axis=1)] + 1) / 2 * GRID).astype(int)
    return len(np.unique(cell @ (1, GRID))) / GRID**2


def _corners(box: Box) -> np.ndarray:
    """Return the (8, 3) corners of a box from its center, m."""
    flat = corners(box) - box.center[:2]
    half = np.full((4, 1), box.size[2] / 2)
    return np.concatenate([np.hstack([flat, -half]), np.hstack([flat, half])])


def _around(xyz: np.ndarray, box: Box, distance: float) -> np.ndarray:
    """Return points within a distance (m) of an object, from its center, without its own."""
    xyz = xyz[:: max(len(xyz) // MOST, 1)]
    offsets = xyz - box.center
    is_near = (offsets**2).sum(axis=1) < distance**2
    near: np.ndarray = offsets[is_near][~contains(box, xyz[is_near], AROUND)]
    return near
