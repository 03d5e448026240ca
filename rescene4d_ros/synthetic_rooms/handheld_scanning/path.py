"""How a scanner is carried through a room, and where its tracking believes it is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.rendering.camera import free_places, walk
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import settled

# Share of scans that show one part of a room only.
PARTIAL = 0.3
# Views that make a full turn.
TURNS = 4
# Rotation (rad) that goes with a metre of wrong position.
TURN_PER_M = 0.6


def hand_held_poses(
    room: Room,
    placed: Iterable[Placed],
    views: int,
    rng: np.random.Generator,
    avoid: np.ndarray | None = None,
    avoid_radius: float = 0.0,
    focus: np.ndarray | None = None,
    is_level: bool = False,
) -> np.ndarray:
    """
    Carry a scanner along things and walls, now high, now low.

    Parameters
    ----------
    room : Room
    placed : iterable of Placed
        What one cannot walk through.
    views : int
    rng : Generator
    avoid : ndarray (2,), m, optional
        Middle of a zone that the walk leaves out, with `avoid_radius` (m).
    focus : ndarray (2,), m, optional
        Look at what is within about a metre of it only; see `draw_focus`.
    is_level : bool
        Stand still for four views at a time, level, one to each side.

    Returns
    -------
    ndarray (P, 4, 4), float64
        room_T_camera; the camera looks along its +z, +x is right, +y down.

    """
    free = free_places(room, placed, rng)
    if avoid is not None:
        far = np.hypot(*(free - avoid).T) > avoid_radius + 0.3
        free = free[far] if far.sum() > 3 else free
    if focus is not None:
        away = np.hypot(*(free - focus).T)
        near = (away > 0.6) & (away < 1.9)
        free = free[near] if near.sum() > 3 else free
    path = walk(free, views, rng)
    start = rng.uniform(0, 2 * np.pi)
    # Some people look down at things, others along the walls.
    down, spread = rng.uniform(-66, 6), rng.uniform(8, 28)
    poses = []
    for k, at in enumerate(path):
        # Golden-angle steps cover all directions evenly.
        yaw = start + k * 2.39996 + rng.normal(0, 0.15)
        turn = rng.normal(0, 0.25)
        pitch = np.deg2rad(np.clip(down + rng.uniform(-spread, spread), -72, 34))
        if focus is not None:
            yaw = np.arctan2(*(focus - at)[::-1]) + turn
        stop = k // TURNS * TURNS
        if is_level:
            at, yaw = path[stop], start + k * 2 * np.pi / TURNS
            pitch, turn = 0.0, 0.0
        height = (
            1.42 + 0.25 * np.sin(0.7 * (stop if is_level else k) + start) + rng.normal(0, 0.05)
        )
        pose = np.eye(4)
        pose[:3, :3] = _looking(yaw, pitch, rng.normal(0, 0.04))
        pose[:3, 3] = (*at, np.clip(height, 1.0, 1.85))
        poses.append(pose)
    return settled(np.stack(poses))


def draw_focus(room: Room, rng: np.random.Generator) -> np.ndarray | None:
    """Return the middle (2,) (m) of the part of a room that is scanned, or None: all of it."""
    if rng.random() >= PARTIAL:
        return None
    corner = room.outline[int(rng.integers(len(room.outline)))]
    middle = room.outline.mean(axis=0)
    return corner + (middle - corner) * rng.uniform(0.2, 0.5)


def _looking(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the (3, 3) axes of a camera."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward], axis=1)


def tracked(poses: np.ndarray, drift: float, rng: np.random.Generator) -> np.ndarray:
    """
    Return where the tracking believes the views were.

    The error wanders, and a closed loop pulls its end back to its start.

    Parameters
    ----------
    poses : ndarray (P, 4, 4), float64
    drift : float, m
        Deviation halfway along the loop.
    rng : Generator

    """
    count = len(poses)
    steps = rng.normal(0, 1, (count, 6)).cumsum(axis=0)
    share = np.arange(count)[:, None] / max(1, count - 1)
    wander = (steps - share * steps[-1]) / (0.5 * np.sqrt(count))
    jitter = rng.normal(0, 0.25, (count, 6))
    error = drift * (wander + jitter)
    out = poses.copy()
    out[:, :3, 3] += error[:, :3]
    for pose, (a, b, c) in zip(out, TURN_PER_M * error[:, 3:]):
        small = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])
        q, r = np.linalg.qr(small)
        pose[:3, :3] = q * np.sign(np.diag(r)) @ pose[:3, :3]
    return settled(out)
