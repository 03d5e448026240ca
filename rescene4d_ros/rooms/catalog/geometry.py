"""From the file of a model to triangles in metres: upright, in real size, few enough to scan."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rescene4d_ros.errors import FileFormatError

# A texture finer than this is finer than what a scan resolves.
TEXTURE_PIXELS = 192
# Sides of the model's box (m) below which a quantity is taken as zero.
FLAT = 1e-6
# Our x, y, z (z up, front at +y) from the library's x, y, z (y up, front at +z).
LIBRARY_TO_ROOM = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
CORNER_WEIGHTS = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]]) / [[3], [6], [6], [6]]


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
        raise FileFormatError(f'{path.name}: expected an OBJ file with triangles at finite '
                              'places, got none; the library is damaged, install it again')
    corners = np.concatenate(vertices) @ (LIBRARY_TO_ROOM @ rotation).T
    return Shape(_fitted(corners, size), np.concatenate(faces), np.concatenate(uv),
                 np.concatenate(skin), tuple(_skin(m) for m in model.materials))


def _fitted(vertices: np.ndarray, size: tuple[float, float, float]) -> np.ndarray:
    """Stretch to `size` (m) and put the origin under the middle."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    extent = high - low
    scale = np.where(extent > FLAT, size / np.maximum(extent, FLAT), 1.0)
    return (vertices - (low + high) * (0.5, 0.5, 0) - low * (0, 0, 1)) * scale


def _skin(material) -> Skin:
    color = np.asarray(material.base_color, dtype=float)[:4]
    image = material.albedo_img
    if image is None or image.is_empty():
        return Skin(color, None)
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] < 3 else pixels).convert('RGBA')
    shrink = TEXTURE_PIXELS / max(picture.size)
    if shrink < 1:
        picture = picture.resize([max(1, round(s * shrink)) for s in picture.size],
                                 Image.Resampling.BOX)
    return Skin(color, np.asarray(picture, dtype=np.float32) / 255)


def simplified(shape: Shape, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Return vertices (m) and faces of at most about `budget` triangles.

    Duplicate triangles, also with the other side out, are dropped first.
    """
    import open3d as o3d
    mesh = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(shape.vertices),
                                     o3d.utility.Vector3iVector(shape.faces))
    mesh.remove_duplicated_vertices()
    mesh.remove_degenerate_triangles()
    _, first = np.unique(np.sort(np.asarray(mesh.triangles), axis=1), axis=0, return_index=True)
    faces = np.asarray(mesh.triangles)[np.sort(first)]
    if len(faces) <= budget:
        return np.asarray(mesh.vertices), faces.astype(np.int64)
    mesh.triangles = o3d.utility.Vector3iVector(faces)
    # The tensor class keeps what the one above loses: thin plates and parts that touch.
    less = o3d.t.geometry.TriangleMesh.from_legacy(mesh).simplify_quadric_decimation(
        1 - budget / len(faces))
    return (less.vertex.positions.numpy().astype(np.float64),
            less.triangle.indices.numpy().astype(np.int64))


class Painter:
    """
    Find the color of the surface at places on or near a shape.

    Parameters
    ----------
    shape : Shape

    """

    def __init__(self, shape: Shape):
        """Index the triangles."""
        import open3d as o3d
        self._shape = shape
        self._tensor = lambda a: o3d.core.Tensor(np.ascontiguousarray(a))
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(self._tensor(shape.vertices.astype(np.float32)),
                                  self._tensor(shape.faces.astype(np.uint32)))

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Return what the nearest triangle shows.

        Parameters
        ----------
        points : ndarray (N, 3), m

        Returns
        -------
        color : ndarray (N, 4), float64
            Red, green, blue and opacity of the texture, 0..1.
        opacity : ndarray (N,), float64
            Of the material without its texture: below 1 is glass.

        """
        shape = self._shape
        near = self._scene.compute_closest_points(self._tensor(points.astype(np.float32)),
                                                  nthreads=1)
        face = near['primitive_ids'].numpy().astype(np.int64)
        b = near['primitive_uvs'].numpy().astype(float)
        weights = np.column_stack([1 - b.sum(axis=1), b])
        uv = np.einsum('nk,nkd->nd', weights, shape.uv[face])
        skin = shape.skin[face]
        color, opacity = np.ones((len(points), 4)), np.ones(len(points))
        for k in np.unique(skin):
            at, own = skin == k, shape.skins[k]
            opacity[at] = own.color[3]
            if own.texture is None:
                color[at, :3] = own.color[:3]
            else:
                color[at] = _sample(own.texture, uv[at])
        return color, opacity

    def faces(self, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return mean color (F, 4), its spread (F,) and opacity (F,) of (F, 3, 3) triangles."""
        samples = np.einsum('sk,fkd->fsd', CORNER_WEIGHTS, corners)
        color, opacity = self(samples.reshape(-1, 3))
        color = color.reshape(len(corners), -1, 4)
        return (color.mean(axis=1), color.std(axis=1).max(axis=1),
                np.median(opacity.reshape(len(corners), -1), axis=1))


def _sample(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Return the texels at `uv`, which count from the lower left and repeat."""
    rows, columns = texture.shape[:2]
    u, v = (uv - np.floor(uv)).T
    row = np.clip(((1 - v) * rows).astype(int), 0, rows - 1)
    return texture[row, np.clip((u * columns).astype(int), 0, columns - 1)].astype(float)


def split_where_colorful(vertices: np.ndarray, faces: np.ndarray, paint: Painter, budget: int,
                         smallest: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    """
    Cut triangles over which the color changes into four, the most visible ones first.

    Parameters
    ----------
    vertices : ndarray (V, 3), m
    faces : ndarray (F, 3), int
    paint : Painter
    budget : int
        Most triangles in the result.
    smallest : float, m
        Triangles with sides below this stay whole.

    """
    corners = vertices[faces]
    gain = _gain(corners, paint, smallest)
    while True:
        # A part of what is left per round, so that the rest goes where it still shows.
        left = budget - len(corners)
        room = max(left // 6, min(16, left // 3), 0)
        chosen = np.argsort(-gain, kind='stable')[:room]
        chosen = chosen[gain[chosen] > 2e-6]
        if not len(chosen):
            break
        a, b, c = corners[chosen].transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        quarters = np.concatenate([np.stack(q, axis=1) for q in (
            (a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
        corners = np.concatenate([np.delete(corners, chosen, axis=0), quarters])
        gain = np.concatenate([np.delete(gain, chosen), _gain(quarters, paint, smallest)])
    flat, inverse = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    return flat, inverse.reshape(-1, 3)


def _gain(corners: np.ndarray, paint: Painter, smallest: float) -> np.ndarray:
    """Return how much wrong color (m2) each (F, 3, 3) triangle shows if it stays whole."""
    sides = corners - np.roll(corners, 1, axis=1)
    longest = np.linalg.norm(sides, axis=2).max(axis=1)
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    return np.where(longest > smallest, area * np.maximum(paint.faces(corners)[1] - 0.03, 0), 0)
