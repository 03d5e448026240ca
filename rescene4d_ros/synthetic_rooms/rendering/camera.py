"""Where the camera goes and which rays it casts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.layout.floorplan import footprint, Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import settled, turned

FIELD_OF_VIEW = (np.deg2rad(72), np.deg2rad(56))


def camera_poses(
    room: Room,
    placed: Iterable[Placed],
    config: RoomsConfig,
    rng: np.random.Generator,
    avoid: np.ndarray | None = None,
) -> np.ndarray:
    """
    Walk through the room at eye height and look around.

    Parameters
    ----------
    room : Room
    placed : iterable of Placed
        What one cannot walk through.
    config : RoomsConfig
    rng : Generator
    avoid : ndarray (2,), m, optional
        Middle of a zone that the walk leaves out.

    Returns
    -------
    ndarray (P, 4, 4), float64
        room_T_camera; the camera looks along its +z, +x is right, +y down.

    """
    free = free_places(room, placed, rng)
    if avoid is not None:
        far = np.hypot(*(free - avoid).T) > config.hidden_radius + 0.3
        free = free[far] if far.sum() > 3 else free
    path = walk(free, config.views, rng)
    middle = room.outline.mean(axis=0)
    start = rng.uniform(0, 2 * np.pi)
    poses = []
    for k, at in enumerate(path):
        # Golden-angle steps cover all directions evenly; half of the views look across the room.
        yaw = start + k * 2.39996 + rng.normal(0, 0.15)
        if k % 2 and np.hypot(*(middle - at)) > 0.5:
            yaw = np.arctan2(*(middle - at)[::-1]) + rng.normal(0, 0.5)
        pitch = np.deg2rad(rng.uniform(-42, -12))
        height = 1.55 + 0.15 * np.sin(0.7 * k + start) + rng.normal(0, 0.03)
        forward = np.array(
            [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)]
        )
        right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
        pose = np.eye(4)
        pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(forward, right), forward
        pose[:3, 3] = (*at, np.clip(height, 1.3, 1.8))
        poses.append(pose)
    return settled(np.stack(poses))


def free_places(room: Room, placed: Iterable[Placed], rng: np.random.Generator) -> np.ndarray:
    """Return (M, 2) places (m) where a person can stand."""
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    points = rng.uniform(low, high, (600, 2))
    clear = room.contains(points)
    for wall in room.walls:
        along = np.clip((points - wall.start) @ wall.along, 0, wall.length)
        near = wall.start + along[:, None] * wall.along
        clear &= np.hypot(*(points - near).T) > 0.35
    tall_clear = clear.copy()
    for p in placed:
        for corners, low, high in _obstacles(p, 0.15):
            edges = np.roll(corners, -1, axis=0) - corners
            to = points[:, None] - corners
            inside = (edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0] > 0).all(axis=1)
            clear &= ~inside
            if low < 1.9 and high > 1.1:
                tall_clear &= ~inside
    # In a packed room one reaches over the low things.
    for candidates in (clear, tall_clear):
        if candidates.sum() >= 8:
            return points[candidates]
    return points[room.contains(points)]


def _obstacles(placed: Placed, margin: float) -> Iterator[tuple[np.ndarray, float, float]]:
    """Yield (4, 2) corners, lowest and highest level (m) of a thing and of what stands open."""
    yield footprint(placed, margin), placed.z, placed.z + placed.model.size[2]
    pose = placed.room_T_object
    for piece in placed.pieces:
        if piece.state:
            block = piece.block(margin) @ pose[:3, :3].T + pose[:3, 3]
            yield block[:4, :2], float(block[0, 2]), float(block[4, 2])


def walk(free: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count, 2) places along a tour of well spread stops."""
    stops = [free[rng.integers(len(free))]]
    away = np.full(len(free), np.inf)
    for _ in range(min(max(3, count // 3), len(free)) - 1):
        away = np.minimum(away, np.hypot(*(free - stops[-1]).T))
        weight = away**2 + 1e-9
        stops.append(free[rng.choice(len(free), p=weight / weight.sum())])
    ordered, rest = [stops[0]], stops[1:]
    while rest:
        nearest = int(np.argmin([np.hypot(*(s - ordered[-1])) for s in rest]))
        ordered.append(rest.pop(nearest))
    tour = np.array(ordered)
    step = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(tour, axis=0).T))])
    at = np.linspace(0, step[-1], count)
    path = np.stack([np.interp(at, step, tour[:, i]) for i in (0, 1)], axis=1)
    # A straight line between two stops may cut through furniture: use the nearest free place.
    snap = np.argmin(((path[:, None] - free) ** 2).sum(axis=2), axis=1)
    return free[snap]


def image_plane(config: RoomsConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return x (W,) of the columns and y (H,) of the rows at a depth of 1, float64."""
    across, down = (
        settled(np.tan(angle / 2)) * np.linspace(-1, 1, count)
        for angle, count in zip(FIELD_OF_VIEW, (config.view_width, config.view_height))
    )
    return across, down


def project(
    points: np.ndarray, room_T_camera: np.ndarray, config: RoomsConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Project room points into one view.

    Returns
    -------
    row, column : ndarray (N,), int64
        -1 where the point is not in the image.
    distance : ndarray (N,), m

    """
    rotation, origin = room_T_camera[:3, :3], room_T_camera[:3, 3]
    local = turned(points - origin, rotation.T)
    depth = np.maximum(local[:, 2], 1e-6)
    u = local[:, 0] / depth / np.tan(FIELD_OF_VIEW[0] / 2)
    v = local[:, 1] / depth / np.tan(FIELD_OF_VIEW[1] / 2)
    inside = (local[:, 2] > 0.05) & (np.abs(u) < 1) & (np.abs(v) < 1)
    column = np.where(inside, np.rint((u + 1) / 2 * (config.view_width - 1)), -1).astype(int)
    row = np.where(inside, np.rint((v + 1) / 2 * (config.view_height - 1)), -1).astype(int)
    return row, column, np.linalg.norm(local, axis=1)
