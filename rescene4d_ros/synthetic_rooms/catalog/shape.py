"""From the file of a model to triangles in metres: upright, in real size, few enough to scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rescene4d_ros.errors import FileFormatError

# A texture finer than this is finer than what a scan resolves.
TEXTURE_PIXELS = 192
# Sides of the model's box (m) below which a quantity is taken as zero.
FLAT = 1e-6
# Our x, y, z (z up, front at +y) from the library's x, y, z (y up, front at +z).
LIBRARY_TO_ROOM = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])


@dataclass(frozen=True)
class Skin:
    """
    Hold how one material of the file looks.

    Attributes
    ----------
    color : ndarray (4,), float
        Red, green, blue, opacity, 0..1.
    texture : ndarray (H, W, 4), float32, optional
        Replaces the color; rows from the top.

    """

    color: np.ndarray
    texture: np.ndarray | None


@dataclass(frozen=True)
class Shape:
    """
    Hold a model as its author drew it.

    Attributes
    ----------
    vertices : ndarray (V, 3), float64, m
        Origin under the middle of the box, z up, front at +y.
    faces : ndarray (F, 3), int64
    uv : ndarray (F, 3, 2), float64
        Place in the texture per corner.
    skin : ndarray (F,), int64
        Index in `skins`.
    skins : tuple of Skin

    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    skin: np.ndarray
    skins: tuple[Skin, ...]


def load_shape(path: Path, rotation: np.ndarray, size: tuple[float, float, float]) -> Shape:
    """
    Read an OBJ file with its materials and textures.

    Parameters
    ----------
    path : Path
    rotation : ndarray (3, 3)
        Turns its vertices upright, y up.
    size : tuple of 3 float, m
        Width, depth and height to which it is stretched.

    Raises
    ------
    FileFormatError
        No triangles, or numbers that are not finite.

    """
    import open3d as o3d

    quiet = o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error)
    with quiet:
        model = o3d.io.read_triangle_model(str(path))
    vertices, faces, uv, skin, offset = [], [], [], [], 0
    for piece in model.meshes:
        corners = np.asarray(piece.mesh.vertices)
        triangles = np.asarray(piece.mesh.triangles, dtype=np.int64)
        places = np.asarray(piece.mesh.triangle_uvs).reshape(-1, 3, 2)
        vertices.append(corners)
        faces.append(triangles + offset)
        uv.append(places if len(places) == len(triangles) else np.zeros((len(triangles), 3, 2)))
        skin.append(np.full(len(triangles), piece.material_idx))
        offset += len(corners)
    if not sum(map(len, faces)) or not np.isfinite(np.concatenate(vertices)).all():
        raise FileFormatError(
            f'{path.name}: expected an OBJ file with triangles at finite '
            'places, got none; the library is damaged, install it again'
        )
    corners = np.concatenate(vertices) @ (LIBRARY_TO_ROOM @ rotation).T
    return Shape(
        _fitted(corners, size),
        np.concatenate(faces),
        np.concatenate(uv),
        np.concatenate(skin),
        tuple(_skin(m) for m in model.materials),
    )


def _fitted(vertices: np.ndarray, size: tuple[float, float, float]) -> np.ndarray:
    """Stretch to `size` (m) and put the origin under the middle."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    extent = high - low
    scale = np.where(extent > FLAT, size / np.maximum(extent, FLAT), 1.0)
    return (vertices - (low + high) * (0.5, 0.5, 0) - low * (0, 0, 1)) * scale


def _skin(material) -> Skin:
    from PIL import Image  # on demand: parametric rooms are made without it

    color = np.asarray(material.base_color, dtype=float)[:4]
    image = material.albedo_img
    if image is None or image.is_empty():
        return Skin(color, None)
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] < 3 else pixels).convert('RGBA')
    shrink = TEXTURE_PIXELS / max(picture.size)
    if shrink < 1:
        picture = picture.resize(
            [max(1, round(s * shrink)) for s in picture.size], Image.Resampling.BOX
        )
    return Skin(color, np.asarray(picture, dtype=np.float32) / 255)


def simplified(shape: Shape, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Return vertices (m) and faces of at most about `budget` triangles.

    Duplicate triangles, also with the other side out, are dropped first.
    """
    import open3d as o3d

    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(shape.vertices), o3d.utility.Vector3iVector(shape.faces)
    )
    mesh.remove_duplicated_vertices()
    mesh.remove_degenerate_triangles()
    _, first = np.unique(np.sort(np.asarray(mesh.triangles), axis=1), axis=0, return_index=True)
    faces = np.asarray(mesh.triangles)[np.sort(first)]
    if len(faces) <= budget:
        return np.asarray(mesh.vertices), faces.astype(np.int64)
    mesh.triangles = o3d.utility.Vector3iVector(faces)
    # The tensor class keeps what the one above loses: thin plates and parts that touch.
    less = o3d.t.geometry.TriangleMesh.from_legacy(mesh).simplify_quadric_decimation(
        1 - budget / len(faces)
    )
    return (
        less.vertex.positions.numpy().astype(np.float64),
        less.triangle.indices.numpy().astype(np.int64),
    )
