"""
Superpoints of a triangle mesh, as computed by the segmentator of ScanNet.

The graph is the mesh: vertices are nodes, sides of triangles are edges, and the cost of an edge is
the bend of the surface. Felzenszwalb and Huttenlocher, IJCV 2004, on the graph of
Karpathy, Miller and Fei-Fei, "Object discovery in 3D scenes via shape analysis", ICRA 2013.
"""

from __future__ import annotations

import numpy as np
from rescene4d_ros.geometry.superpoints.cut import merge


def mesh_superpoints(
    vertices: np.ndarray,
    faces: np.ndarray,
    threshold: float = 0.01,
    min_vertices: int = 20,
    *,
    weld: bool = True,
) -> np.ndarray:
    """
    Cut a mesh into superpoints of small curvature.

    Parameters
    ----------
    vertices : ndarray (N, 3), float, m
    faces : ndarray (F, 3), int
    threshold : float
        Larger: larger pieces (`kThresh`).
    min_vertices : int
        Smaller pieces join over their cheapest edge (`segMinVerts`).
    weld : bool
        Treat vertices at one place as one. Textured meshes repeat vertices along seams, which
        would cut surfaces there; the segmentator itself does not weld.

    Returns
    -------
    ndarray (N,), int32
        Piece of each vertex, 0..S - 1, counted by the first vertex of each piece. A vertex
        without a triangle is a piece of its own.

    """
    vertices = np.asarray(vertices, dtype=np.float64)
    faces = np.asarray(faces, dtype=np.int64).reshape(-1, 3)
    if len(vertices) == 0:
        return np.zeros(0, dtype=np.int32)
    if weld:
        vertices, inverse = _welded(vertices)
        faces = inverse[faces]
    first, second = _sides(faces)
    weight = _bend(vertices, _mean_normals(vertices, faces), first, second)
    order = np.argsort(weight, kind='stable')
    roots = merge(
        vertices.copy(),
        vertices.copy(),
        first[order],
        second[order],
        weight[order],
        threshold,
        min_vertices,
        np.inf,
    )
    return _counted(roots[inverse] if weld else roots)


def _welded(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct places in the order of their first vertex, and each vertex's place."""
    _, first, inverse = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(first), dtype=np.int64)
    rank[order] = np.arange(len(first))
    return vertices[first[order]], rank[inverse.ravel()]


def _sides(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the three sides of every triangle, in the segmentator's direction."""
    first = faces[:, [0, 0, 2]].ravel()
    second = faces[:, [1, 2, 1]].ravel()
    return first, second


def _mean_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """
    Return the mean unit normal of the triangles around each vertex, (N, 3).

    A mean is shorter than one where the surface bends, and stays so. Triangles without area have
    no normal and are left out.
    """
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    length = np.linalg.norm(normal, axis=1)
    good = length > 0
    normal = normal[good] / length[good, None]
    at = faces[good].ravel()
    count = np.bincount(at, minlength=len(vertices))
    sums = np.stack(
        [np.bincount(at, weights=np.repeat(c, 3), minlength=len(vertices)) for c in normal.T],
        axis=1,
    )
    return sums / np.maximum(count, 1)[:, None]


def _bend(
    vertices: np.ndarray, normals: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Return the (E,) float32 cost of each edge: its bend, squared where it is convex."""
    step = vertices[second] - vertices[first]
    bend = 1 - np.einsum('ec,ec->e', normals[first], normals[second])
    convex = np.einsum('ec,ec->e', normals[second], step) > 0
    return np.where(convex, bend * bend, bend).astype(np.float32)


def _counted(roots: np.ndarray) -> np.ndarray:
    """Return labels 0.. in the order of the first vertex of each piece."""
    _, first, piece = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[piece]
