"""A depth camera: rays against the furnished room, with the errors of real sensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import Piece
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.rendering.camera import image_plane, project
from rescene4d_ros.synthetic_rooms.rendering.raster import depth_images
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import on_grid
from rescene4d_ros.synthetic_rooms.surfaces.material import Material

RANGE_MIN = 0.35


@dataclass(frozen=True)
class Surface:
    """
    Hold all triangles of one visit.

    Attributes
    ----------
    vertices, local : ndarray (V, 3), float64, m
        In the room, and in the frame of their own model as it was made, whatever its state:
        patterns stick to cushions and cloth. Both on the grid of `on_grid`.
    faces : ndarray (F, 3), int64
    material, instance, semantic : ndarray (F,), int32
        Per face: index in `materials`, instance id (0 = none), class.
    materials : tuple of Material

    """

    vertices: np.ndarray
    local: np.ndarray
    faces: np.ndarray
    material: np.ndarray
    instance: np.ndarray
    semantic: np.ndarray
    materials: tuple[Material, ...]


def surface_of(room: Room, placed: Iterable[Placed]) -> Surface:
    """Return the triangles of the empty room and all objects in it."""
    vertices, local, faces, counts, labels = [], [], [], [], []
    materials: list[Material] = []
    offset = 0

    def take(piece, pose, instance, semantic):
        nonlocal offset
        part = piece.part
        local.append(part.vertices)
        vertices.append(piece.vertices @ pose[:3, :3].T + pose[:3, 3])
        faces.append(part.faces + offset)
        offset += len(part.vertices)
        counts.append(len(part.faces))
        labels.append((len(materials), instance, semantic))
        materials.append(part.material)

    for part, semantic in room.structure:
        take(Piece(part), np.eye(4), 0, semantic)
    for p in placed:
        for piece in p.pieces:
            take(piece, p.room_T_object, p.instance_id, p.model.class_id)
    per_face = np.repeat(np.array(labels, np.int32), counts, axis=0)
    return Surface(
        on_grid(np.concatenate(vertices)),
        on_grid(np.concatenate(local)),
        np.concatenate(faces),
        per_face[:, 0],
        per_face[:, 1],
        per_face[:, 2],
        tuple(materials),
    )


@dataclass(frozen=True)
class Hits:
    """
    Hold what all views of one visit measured, in the room frame.

    Attributes
    ----------
    pixel : ndarray (N,), int64
        Index in the flat images: what is drawn for a pixel does not depend on other pixels.
    true, measured : ndarray (N, 3), float32, m
        Without and with noise; flying pixels are measured where nothing is.
    face : ndarray (N,), int64
    uv : ndarray (N, 2), float64
        Where on the face: weights of its second and third corner.
    normals : ndarray (N, 3), float32
        Unit, towards the camera.
    gain : ndarray (N,), float32
        Exposure of the view.
    flying : ndarray (N,), bool
    ranges : ndarray (P, H, W), float32, m
        Measured range per pixel; 0 = no return.

    """

    pixel: np.ndarray
    true: np.ndarray
    measured: np.ndarray
    face: np.ndarray
    uv: np.ndarray
    normals: np.ndarray
    gain: np.ndarray
    flying: np.ndarray
    ranges: np.ndarray


def scan(
    surface: Surface,
    poses: np.ndarray,
    config: RoomsConfig,
    rng: np.random.Generator,
    hidden: np.ndarray | None = None,
) -> Hits:
    """
    Take one depth image per pose.

    Parameters
    ----------
    surface : Surface
    poses : ndarray (P, 4, 4)
        room_T_camera.
    config : RoomsConfig
    rng : Generator
    hidden : ndarray (2,), m, optional
        Middle of an upright cylinder that no used ray passes.

    """
    x, y = image_plane(config)
    seen = depth_images(surface.vertices[surface.faces], poses, x, y)
    # Of the pixels, to a depth of 1, before and after they are turned into the room.
    stretch = np.sqrt(x**2 + y[:, None] ** 2 + 1)
    axes = poses[:, None, None, :3, :3]
    steps = axes[..., 0] * x[:, None] + axes[..., 1] * y[:, None, None] + axes[..., 2]
    directions = (steps / stretch[..., None]).astype(np.float32)
    origins = poses[:, None, None, :3, 3]
    ranges = (seen.depth * stretch).astype(np.float32)
    ranges[~(ranges < config.range_max) | (ranges < RANGE_MIN)] = 0.0
    if hidden is not None:
        ranges[
            _passes(origins.astype(np.float32), directions, ranges, hidden, config.hidden_radius)
        ] = 0.0
    normals = face_normals(surface)[seen.face]
    parts = [normals[..., k] * directions[..., k] for k in range(3)]
    cosine = np.abs(parts[0] + parts[1] + parts[2])
    ranges[_lost(surface, seen.face, ranges, cosine, rng)] = 0.0

    flying_shift = _edge_bleeding(ranges, rng)
    # Drawn for all pixels: a return more or less changes the noise of no other.
    scatter = rng.standard_normal(ranges.shape, np.float32)
    got = ranges > 0
    view = np.nonzero(got)[0]
    depth = seen.depth[got]
    true = poses[view, :3, 3] + depth[:, None] * steps[got]
    ray = directions[got]
    # Error of structured light: grows with the square of depth, more so at grazing angles.
    sigma = 0.001 + config.depth_noise * depth**2 / np.maximum(cosine[got], 0.35)
    noise = scatter[got] * sigma + flying_shift[got]
    # Each view is a few millimetres off: the tracking of a hand-held scan.
    drift = rng.normal(0, 0.0025, (len(poses), 3))
    measured = true + noise[:, None] * ray + drift[view]
    towards = normals[got]
    towards *= -np.sign((towards * ray).sum(axis=1, keepdims=True) + 1e-12)
    gain = np.exp(rng.normal(0, 0.05, len(poses))).astype(np.float32)[view]
    return Hits(
        np.flatnonzero(got),
        true.astype(np.float32),
        measured.astype(np.float32),
        seen.face[got],
        seen.uv[got],
        towards,
        gain,
        flying_shift[got] != 0,
        ranges,
    )


def face_normals(surface: Surface) -> np.ndarray:
    """Return (F, 3) float32 unit normals; zero for a face without area."""
    a, b, c = np.moveaxis(surface.vertices[surface.faces], 1, 0)
    normals = np.cross(b - a, c - a)
    length = np.sqrt((normals**2).sum(axis=1, keepdims=True))
    return (normals / np.maximum(length, 1e-30)).astype(np.float32)


def local_places(surface: Surface, face: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Return (N, 3) float32 places (m) on faces in the frames of their models, as `Surface`."""
    a, b, c = (surface.local[corner] for corner in surface.faces[face].T)
    # Written out: the sums of einsum are made of the widest instructions there are.
    return (a + uv[:, :1] * (b - a) + uv[:, 1:] * (c - a)).astype(np.float32)


def _lost(
    surface: Surface,
    face: np.ndarray,
    ranges: np.ndarray,
    cosine: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return which returns are lost: glossy and dark material, grazing view, chance."""
    dark = np.array([max(0.0, 0.16 - float(np.mean(m.color))) * 2.0 for m in surface.materials])
    gloss = np.array([m.dropout for m in surface.materials])
    per_material = (0.01 + dark + gloss).astype(np.float32)
    valid = ranges > 0
    chance = np.zeros_like(ranges)
    chance[valid] = per_material[surface.material[face[valid]]]
    chance += 0.6 * np.clip(1 - cosine / 0.18, 0, 1)
    return rng.random(ranges.shape, np.float32) < chance


def _edge_bleeding(ranges: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a shift of range (m) that pulls some pixels at depth edges towards the neighbor."""
    shift = np.zeros_like(ranges)
    step = ranges[:, :, 1:] - ranges[:, :, :-1]
    both = (ranges[:, :, 1:] > 0) & (ranges[:, :, :-1] > 0)
    edge = both & (np.abs(step) > 0.06) & (np.abs(step) < 1.5)
    pull = rng.random(edge.shape, np.float32)
    shift[:, :, :-1] = np.where(edge & (pull < 0.05), step * pull * 16, 0)
    return shift


def _passes(
    origins: np.ndarray,
    directions: np.ndarray,
    ranges: np.ndarray,
    middle: np.ndarray,
    radius: float,
) -> np.ndarray:
    """Return which rays come within `radius` of an upright axis before they end."""
    flat = directions[..., :2]
    to = middle.astype(np.float32) - origins[..., :2]
    along = (to * flat).sum(axis=3) / np.maximum((flat**2).sum(axis=3), 1e-9)
    along = np.clip(along, 0, ranges)
    near = to - along[..., None] * flat
    return (near**2).sum(axis=3) < radius**2


def covered(
    points: np.ndarray, poses: np.ndarray, ranges: np.ndarray, config: RoomsConfig
) -> np.ndarray:
    """
    Say which places in the room the scan has looked at or through.

    Parameters
    ----------
    points : ndarray (N, 3), m, in room
    poses : ndarray (P, 4, 4)
        room_T_camera.
    ranges : ndarray (P, H, W), m
    config : RoomsConfig

    Returns
    -------
    ndarray (N,), bool

    """
    seen = np.zeros(len(points), bool)
    for pose, image in zip(poses, ranges):
        row, column, distance = project(points, pose, config)
        reach = np.where(row >= 0, image[row, column], 0.0)
        seen |= reach > distance - 0.05
    return seen
