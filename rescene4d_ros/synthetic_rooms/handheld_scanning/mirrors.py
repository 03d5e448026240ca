"""Depth in mirrors: cameras measure the room behind the glass, where nothing is."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import Surface
from rescene4d_ros.synthetic_rooms.rendering.raster import depth_images, DepthImages

# Share of the glass that returns its own depth: dust, decor, grazing light.
OWN_RETURN = 0.3
PATCH_PIXELS = 5
# What is nearer to the plane of the glass is not reflected: its frame, its wall.
CLEAR_M = 0.01


def reflect(
    surface: Surface,
    seen: DepthImages,
    poses: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """
    Replace what mirrors show; `seen` is changed in place.

    Parameters
    ----------
    surface : Surface
    seen : DepthImages
    poses : ndarray (P, 4, 4)
        room_T_camera.
    x, y : ndarray, float64
        Of the columns and rows at a depth of 1.
    rng : Generator

    Returns
    -------
    ndarray (P, H, W), bool
        Pixels that measure the room behind the glass.

    """
    ghost = np.zeros(seen.face.shape, bool)
    corners = surface.vertices[surface.faces]
    for k, material in enumerate(surface.materials):
        if not material.is_mirror:
            continue
        glass = surface.material == k
        is_glass = glass[seen.face] & (seen.face >= 0)
        views = np.flatnonzero(is_glass.any(axis=(1, 2)))
        mirror, in_front = _plane(corners, int(np.flatnonzero(glass)[0]))
        faces = np.flatnonzero(in_front & ~glass)
        if not len(views) or not len(faces):
            continue
        behind = depth_images(corners[faces], mirror @ poses[views], x, y)
        rows, columns = (np.arange(n) // PATCH_PIXELS for n in seen.face.shape[1:])
        luck = rng.random((len(poses), rows[-1] + 1, columns[-1] + 1))
        for view, depth, face, uv in zip(views, behind.depth, behind.face, behind.uv):
            at = is_glass[view] & (luck[view][rows[:, None], columns] > OWN_RETURN) & (face >= 0)
            seen.depth[view][at] = depth[at]
            seen.face[view][at] = faces[face[at]]
            seen.uv[view][at] = uv[at]
            ghost[view] |= at
    return ghost


def _plane(corners: np.ndarray, face: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the (4, 4) reflection about a face, and which faces lie before it."""
    a, b, c = corners[face]
    normal = np.cross(b - a, c - a)
    normal /= np.sqrt((normal**2).sum())
    height = (corners - a) @ normal
    if (height > 0).sum() < (height < 0).sum():
        normal, height = -normal, -height
    mirror = np.eye(4)
    mirror[:3, :3] -= 2 * np.outer(normal, normal)
    mirror[:3, 3] = 2 * (a @ normal) * normal
    return np.round(mirror, 12), (height > CLEAR_M).all(axis=1)
