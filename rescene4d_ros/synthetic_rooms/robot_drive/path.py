"""Where a robot drives through a furnished room, and where its camera looks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.rendering.camera import free_places, walk
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import settled
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import distance_matrix

STOPS = 8
LONGEST_STEP = 0.6  # m between free places that one drives straight between
SMOOTH = 0.35  # s; deviation of the filter that rounds corners
PAN = np.deg2rad(42)  # rad/s; of the camera, against the floor
TILT = np.deg2rad(-24), np.deg2rad(16), 0.9  # rad, rad, rad/s: middle, swing, speed
MAST = 1.45  # m; height of the camera


def drive_places(
    room: Room, placed: Iterable[Placed], count: int, rate: float, rng: np.random.Generator
) -> np.ndarray:
    """
    Drive around furniture to stops all over the room, at even speed.

    Parameters
    ----------
    room : Room
    placed : iterable of Placed
        What one cannot drive through.
    count : int
        Places of the drive.
    rate : float, Hz
        Places per second.
    rng : Generator

    Returns
    -------
    ndarray (count, 2), float64, m, in room

    """
    free = free_places(room, placed, rng)
    far = distance_matrix(free, free)
    steps = np.where(far <= LONGEST_STEP, far**2, 0.0)  # short steps: around things, not across
    member = connected_components(steps, directed=False)[1]
    largest = np.flatnonzero(member == np.bincount(member).argmax())
    free, steps = free[largest], steps[np.ix_(largest, largest)]
    stops = [int(np.argmin(((free - stop) ** 2).sum(1))) for stop in walk(free, STOPS, rng)]
    before = dijkstra(steps, directed=False, indices=stops, return_predecessors=True)[1]
    route = [stops[0]]
    for k, goal in enumerate(stops[1:]):
        leg = [goal]
        while leg[-1] != stops[k]:
            leg.append(int(before[k, leg[-1]]))
        route += leg[-2::-1]
    places = free[route]
    along = np.concatenate([[0], np.hypot(*np.diff(places, axis=0).T).cumsum()])
    at = np.linspace(0, along[-1], count)
    path = np.stack([np.interp(at, along, places[:, k]) for k in (0, 1)], axis=1)
    return gaussian_filter1d(path, SMOOTH * rate, axis=0, mode='nearest')


def base_poses(places: np.ndarray, rate: float) -> np.ndarray:
    """Return room_T_base (P, 4, 4) of a robot at places (P, 2), m; x is where it drives to."""
    ahead = np.gradient(gaussian_filter1d(places, SMOOTH * rate, axis=0, mode='nearest'), axis=0)
    heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    poses = np.tile(np.eye(4), (len(places), 1, 1))
    c, s = np.cos(heading), np.sin(heading)
    poses[:, :2, :2] = np.stack([np.stack([c, -s], 1), np.stack([s, c], 1)], 1)
    poses[:, :2, 3] = places
    return settled(poses)


def camera_mounts(bases: np.ndarray, rate: float, start: float) -> np.ndarray:
    """
    Return base_T_camera (P, 4, 4) of a head that pans at even speed and tilts to and fro.

    Parameters
    ----------
    bases : ndarray (P, 4, 4)
        room_T_base.
    rate : float, Hz
        Poses per second.
    start : float, rad
        Direction in the room in which the camera looks first.

    """
    seconds = np.arange(len(bases)) / rate
    yaw = start + PAN * seconds - np.arctan2(bases[:, 1, 0], bases[:, 0, 0])
    pitch = TILT[0] + TILT[1] * np.sin(TILT[2] * seconds)
    forward = np.stack(
        [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)], axis=1
    )
    right = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)], axis=1)
    mounts = np.tile(np.eye(4), (len(bases), 1, 1))
    mounts[:, :3, :3] = np.stack([right, np.cross(forward, right), forward], axis=2)
    mounts[:, 2, 3] = MAST
    return settled(mounts)
