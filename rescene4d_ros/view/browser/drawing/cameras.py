"""Where the cameras of windows stand, and where they look."""

from __future__ import annotations

from typing import Any

import numpy as np
from rescene4d_ros.structures import Box
from rescene4d_ros.view.splat import wall_azimuth
import viser

SHORTEST = 1.5  # m; between the camera and a selected object


def look_from_above(server: viser.ViserServer, xyz: np.ndarray) -> None:
    """Set the cameras of all windows above a corner of a place, so that all points are seen."""
    if not len(xyz):
        return
    low, high = np.percentile(xyz, (1, 99), axis=0)
    azimuth = np.deg2rad(wall_azimuth(xyz))
    reach = 0.95 * np.linalg.norm((high - low)[:2])
    away = np.array([np.cos(azimuth) * 0.65, np.sin(azimuth) * 0.65, 0.85])
    middle = (low + high) / 2
    windows = server.get_clients().values()
    cameras: list[Any] = [server.initial_camera, *(w.camera for w in windows)]
    for camera in cameras:
        camera.look_at, camera.position = middle, middle + reach * away


def look_at(client: viser.ClientHandle, box: Box) -> None:
    """Turn the camera of a window to a place, from where it is but near."""
    camera, center = client.camera, np.asarray(box.center)
    away = camera.position - center
    distance = np.linalg.norm(away)
    nearest = max(SHORTEST, 2.5 * float(np.linalg.norm(box.size)))
    if distance > nearest:
        away = away * (nearest / distance)
    with client.atomic():
        camera.position = center + away
        camera.look_at = center
