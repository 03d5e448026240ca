"""Colors for triangles: what the textures of a model show where a triangle lies."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.catalog.shape import Shape

# Four places in a triangle that stand for quarters of its area.
CORNER_WEIGHTS = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]]) / [[3], [6], [6], [6]]


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
        self._scene.add_triangles(
            self._tensor(shape.vertices.astype(np.float32)),
            self._tensor(shape.faces.astype(np.uint32)),
        )

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
        near = self._scene.compute_closest_points(
            self._tensor(points.astype(np.float32)), nthreads=1
        )
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
        return (
            color.mean(axis=1),
            color.std(axis=1).max(axis=1),
            np.median(opacity.reshape(len(corners), -1), axis=1),
        )


def _sample(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Return the texels at `uv`, which count from the lower left and repeat."""
    rows, columns = texture.shape[:2]
    u, v = (uv - np.floor(uv)).T
    row = np.clip(((1 - v) * rows).astype(int), 0, rows - 1)
    return texture[row, np.clip((u * columns).astype(int), 0, columns - 1)].astype(float)


def split_where_colorful(
    vertices: np.ndarray, faces: np.ndarray, paint: Painter, budget: int, smallest: float = 0.03
) -> tuple[np.ndarray, np.ndarray]:
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
        quarters = np.concatenate(
            [np.stack(q, axis=1) for q in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
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
