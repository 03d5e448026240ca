"""Scan one visit as a person with a scanner does, and say what every point truly is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.structures import Scan, UNLABELED
from rescene4d_ros.synthetic_rooms.handheld_scanning.color import (
    draw_camera,
    draw_room_light,
    exposed,
    finished,
    gain_of,
    smeared,
)
from rescene4d_ros.synthetic_rooms.handheld_scanning.measure import DepthScan, measure
from rescene4d_ros.synthetic_rooms.handheld_scanning.path import hand_held_poses, tracked
from rescene4d_ros.synthetic_rooms.handheld_scanning.sensors import Setup
from rescene4d_ros.synthetic_rooms.handheld_scanning.thin import (
    spacing_for,
    thinned,
    THINNINGS,
    without_strays,
)
from rescene4d_ros.synthetic_rooms.handheld_scanning.tsdf import fuse_depth, FusedSurface
from rescene4d_ros.synthetic_rooms.handheld_scanning.undulation import undulated
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import (
    face_normals,
    local_places,
    Surface,
    surface_of,
)
from rescene4d_ros.synthetic_rooms.rendering.light import shade
from rescene4d_ros.synthetic_rooms.rendering.occlusion import Occlusion
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import moved, turned
from rescene4d_ros.synthetic_rooms.surfaces.pattern import albedo
from rescene4d_ros.synthetic_rooms.truth import VisitRecord

# A point farther than this from what its pixel looks at belongs to nothing.
STRAY_M = 0.08
# Automatic exposure looks at about so many points.
TRIAL_POINTS = 2000


def capture(
    room: Room,
    placed: Mapping[int, Placed],
    setup: Setup,
    map_T_room: np.ndarray,
    error: np.ndarray,
    stamp_ns: int,
    rng: np.random.Generator,
    name: str,
    *,
    focus: np.ndarray | None = None,
    hidden: np.ndarray | None = None,
    hidden_radius: float = 0.0,
) -> tuple[Scan, VisitRecord]:
    """
    Scan a furnished room.

    Parameters
    ----------
    room : Room
    placed : mapping of int to Placed
    setup : Setup
    map_T_room : ndarray (4, 4)
    error : ndarray (4, 4)
        Of the registration, in the map.
    stamp_ns : int, ns since the Unix epoch
    rng : Generator
    name : str
        Of the visit.
    focus, hidden : ndarray (2,), m, in room, optional
        Middle of the part that is scanned, and of a part that is left out.
    hidden_radius : float, m

    """
    surface = surface_of(room, placed.values())
    poses = hand_held_poses(
        room,
        placed.values(),
        setup.views,
        rng,
        hidden,
        hidden_radius,
        focus,
        setup.sensor.is_level,
    )
    if hidden is not None and (np.hypot(*(poses[:, :2, 3] - hidden).T) < hidden_radius).any():
        hidden = None  # the room is too small to be walked around the zone
    images = measure(surface, poses, setup, rng, hidden, hidden_radius)
    believed = tracked(poses, setup.drift, rng)
    fused = _fused(images, surface, believed, map_T_room, setup, rng)
    view, row, column = np.unravel_index(fused.sample, images.depth.shape)
    face, uv = images.face[view, row, column], images.uv[view, row, column]
    true = _true_places(images, view, row, column)
    local = local_places(surface, face, uv)
    rgb = None
    if setup.sensor.has_color:
        at = _Seen(view, row, column, face, true, local)
        rgb = _colors(room, surface, images, fused, at, map_T_room, rng)
    stray = ((moved(fused.xyz, _inverse(map_T_room)) - true) ** 2).sum(axis=1) > STRAY_M**2
    stray |= images.ghost[view, row, column]
    instance = np.where(stray, 0, surface.instance[face]).astype(np.int32)
    semantic = np.where(stray, UNLABELED, surface.semantic[face]).astype(np.int32)
    made = Scan(
        moved(fused.xyz, error).astype(np.float32),
        stamp_ns,
        rgb,
        turned(fused.normals, error[:3, :3]).astype(np.float32),
        moved(poses[:, :3, 3], error @ map_T_room).astype(np.float32),
        name=name,
    )
    return made, VisitRecord(instance, semantic, local, images.covered)


@dataclass(frozen=True)
class _Seen:
    """Hold pixel, face, place in the room (m) and place in the model (m) per point."""

    view: np.ndarray
    row: np.ndarray
    column: np.ndarray
    face: np.ndarray
    true: np.ndarray
    local: np.ndarray


def _colors(
    room: Room,
    surface: Surface,
    images: DepthScan,
    fused: FusedSurface,
    seen: _Seen,
    map_T_room: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return (N, 3) uint8 colors as one camera gives them in one light."""
    view, true = seen.view, seen.true
    poses = images.poses
    camera = draw_camera(len(poses), rng)
    lights = draw_room_light(room, images.depth.size, rng)
    trial = np.arange(0, len(true), max(1, len(true) // TRIAL_POINTS))
    color = albedo(surface.materials, surface.material[seen.face], seen.local.astype(np.float64))
    facing = face_normals(surface)[seen.face].astype(np.float64)
    away = true - poses[view, :3, 3]
    facing *= -np.sign((away * facing).sum(axis=1, keepdims=True))
    gain = gain_of(camera, view, seen.row, seen.column, images.depth.shape[1:])
    occlusion = Occlusion(surface.vertices[surface.faces])

    def colored(at, lights):
        return shade(
            occlusion, lights, true[at], facing[at], color[at], gain[at], fused.sample[at]
        )

    for _ in range(2):
        lights = exposed(lights, camera, colored(trial, lights))
    rgb = colored(slice(None), lights)
    ahead = np.sqrt((away**2).sum(axis=1, keepdims=True))
    shift = (poses[view, :3, :2] * camera.smear[view][:, None]).sum(axis=2) * ahead
    rgb = smeared(rgb, fused.xyz, turned(shift, map_T_room[:3, :3]))
    return finished(rgb, fused.xyz, camera, rng)


def _fused(
    images: DepthScan,
    surface: Surface,
    believed: np.ndarray,
    map_T_room: np.ndarray,
    setup: Setup,
    rng: np.random.Generator,
) -> FusedSurface:
    """Return the cloud in the map frame."""
    poses = np.stack([map_T_room @ pose for pose in believed])
    if setup.voxel and setup.is_coarse:
        dense = fuse_depth(images.depth, poses, images.x, images.y, setup.spacing)
        bent = undulated(dense, setup.undulation, setup.spacing, rng)
        return without_strays(bent, setup.spacing)
    if setup.voxel:
        dense = fuse_depth(images.depth, poses, images.x, images.y, setup.voxel)
    else:
        dense = _unfused(images, surface, poses)
    spacing = spacing_for(dense, setup.spacing, setup.most_points)
    thin = thinned(dense, spacing, THINNINGS[int(rng.integers(len(THINNINGS)))], rng)
    if not setup.voxel:
        return thin
    return without_strays(undulated(thin, setup.undulation, spacing, rng), spacing)


def _unfused(images: DepthScan, surface: Surface, poses: np.ndarray) -> FusedSurface:
    """Return all measurements as they are."""
    sample = np.flatnonzero(images.depth)
    view, row, column = np.unravel_index(sample, images.depth.shape)
    depth = images.depth[view, row, column]
    local = np.stack([depth * images.x[column], depth * images.y[row], depth], axis=1)
    xyz = np.empty_like(local)
    for p, pose in enumerate(poses):
        at = view == p
        xyz[at] = moved(local[at], pose)
    normals = face_normals(surface)[images.face[view, row, column]].astype(np.float64)
    # Of the room: turned into the map by how the first pose is.
    normals = turned(normals, poses[0, :3, :3] @ images.poses[0, :3, :3].T)
    towards = ((xyz - poses[view, :3, 3]) * normals).sum(axis=1, keepdims=True)
    return FusedSurface(xyz, np.where(towards > 0, -normals, normals), sample)


def _true_places(images: DepthScan, view, row, column) -> np.ndarray:
    """Return (N, 3) places (m, in room) that pixels look at."""
    depth = images.true[view, row, column][:, None]
    poses = images.poses[view]
    steps = (
        poses[:, :3, 0] * images.x[column][:, None]
        + poses[:, :3, 1] * images.y[row][:, None]
        + poses[:, :3, 2]
    )
    return poses[:, :3, 3] + depth * steps


def _inverse(pose: np.ndarray) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = pose[:3, :3].T
    out[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return out
