"""Triangle parts of which furniture and rooms are built: boxes, cushions, lathes, tubes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from rescene4d_ros.synthetic_rooms.surfaces.material import Material

BOX_FACES = np.array(
    [
        [0, 2, 1],
        [0, 3, 2],
        [4, 5, 6],
        [4, 6, 7],
        [0, 1, 5],
        [0, 5, 4],
        [1, 2, 6],
        [1, 6, 5],
        [2, 3, 7],
        [2, 7, 6],
        [3, 0, 4],
        [3, 4, 7],
    ]
)
BOX_CORNERS = (
    np.array(
        [
            [-1, -1, -1],
            [1, -1, -1],
            [1, 1, -1],
            [-1, 1, -1],
            [-1, -1, 1],
            [1, -1, 1],
            [1, 1, 1],
            [-1, 1, 1],
        ]
    )
    / 2
)


@dataclass(frozen=True)
class Part:
    """
    Hold triangles of one material.

    Attributes
    ----------
    vertices : ndarray (V, 3), float64, m
    faces : ndarray (F, 3), int64
    material : Material

    """

    vertices: np.ndarray
    faces: np.ndarray
    material: Material

    def moved(self, shift: Sequence[float] | np.ndarray, yaw: float = 0.0) -> Part:
        """Return the part turned about z by `yaw` (rad), then shifted (m)."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return Part(self.vertices @ turn + np.asarray(shift, float), self.faces, self.material)

    def tilted(self, angle: float, pivot: Sequence[float] = (0, 0, 0)) -> Part:
        """Return the part turned about the x axis through `pivot` by `angle` (rad)."""
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
        still = np.asarray(pivot, float)
        return Part((self.vertices - still) @ turn + still, self.faces, self.material)


def box(size: Sequence[float], center: Sequence[float], material: Material) -> Part:
    """Return a box of full extents `size` (m) around `center` (m)."""
    vertices = BOX_CORNERS * np.asarray(size, float) + np.asarray(center, float)
    return Part(vertices, BOX_FACES, material)


@cache
def _cube_grid(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface of the cube [-1, 1]^3 with n x n squares a side."""
    u, v = np.meshgrid(np.linspace(-1, 1, n + 1), np.linspace(-1, 1, n + 1), indexing='ij')
    flat = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], axis=1)
    square = _grid_faces(n, n)
    vertices: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for axis in range(3):
        for sign in (1, -1):
            vertices.append(np.roll(flat * (1, 1, sign), axis, axis=1))
            faces.append(square[:, ::sign] + flat.shape[0] * len(faces))
    return np.concatenate(vertices), np.concatenate(faces)


@cache
def _grid_faces(rows: int, columns: int) -> np.ndarray:
    """Return triangles of a (rows + 1) x (columns + 1) vertex grid, row-major."""
    i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing='ij')
    a = (i * (columns + 1) + j).ravel()
    b, c, d = a + 1, a + columns + 1, a + columns + 2
    return np.concatenate([np.stack([a, c, d], 1), np.stack([a, d, b], 1)])


def cushion_faces() -> np.ndarray:
    """Return the triangles that every cushion shares."""
    return _cube_grid(6)[1]


def cushion(
    size: Sequence[float],
    center: Sequence[float],
    material: Material,
    radius: float = 0.05,
    puff: float = 0.0,
) -> Part:
    """Return a box with edges of `radius` (m), its faces bulging by `puff` (m)."""
    unit, faces = _cube_grid(6)
    half = np.asarray(size, float) / 2
    inner = np.maximum(half - radius, 1e-3)
    # Vertices crowd towards the edges, where the surface bends.
    surface = np.sin(unit * np.pi / 2) * half
    core = np.clip(surface, -inner, inner)
    away = surface - core
    length = np.linalg.norm(away, axis=1, keepdims=True)
    rounded = core + away / np.maximum(length, 1e-9) * np.minimum(length, half - inner)
    if puff:
        swell = np.cos(np.clip(rounded / half, -1, 1) * np.pi / 2)
        rounded = rounded + puff * np.sign(rounded) * np.roll(swell, 1, 1) * np.roll(swell, 2, 1)
    return Part(rounded + np.asarray(center, float), faces, material)


def lathe(
    profile: Sequence[tuple[float, float]],
    material: Material,
    center: Sequence[float] | np.ndarray = (0, 0, 0),
    scale: Sequence[float] = (1, 1),
    sides: int = 20,
) -> Part:
    """
    Return a surface of revolution about z.

    Parameters
    ----------
    profile : sequence of (radius, height), m
        From the bottom up; a radius of 0 closes the surface.
    center : sequence of 3 float, m
    scale : sequence of 2 float
        Stretch along x and y: an ellipse.
    sides : int
        Corners of the approximated circle.

    """
    outline = np.asarray(profile, float)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle) * scale[0], np.sin(angle) * scale[1]], axis=1)
    xy = outline[:, None, :1] * ring[None]
    z = np.broadcast_to(outline[:, None, 1:], (*xy.shape[:2], 1))
    vertices = np.concatenate([xy, z], axis=2).reshape(-1, 3)
    return Part(
        vertices + np.asarray(center, float), _grid_faces(len(outline) - 1, sides), material
    )


def cylinder(
    radius: float,
    height: float,
    base: Sequence[float] | np.ndarray,
    material: Material,
    top_radius: float | None = None,
    sides: int = 16,
) -> Part:
    """Return a closed cylinder or cone frustum that stands on `base` (m)."""
    top = radius if top_radius is None else top_radius
    return lathe([(0, 0), (radius, 0), (top, height), (0, height)], material, base, sides=sides)


def tube(
    path: Sequence[Sequence[float] | np.ndarray] | np.ndarray,
    radius: float,
    material: Material,
    sides: int = 8,
) -> Part:
    """Return a round bar along the points of `path` (m)."""
    middle = np.asarray(path, float)
    along = np.gradient(middle, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # A start vector that is not parallel to any piece keeps the rings from collapsing.
    helper = np.eye(3)[np.argmin(np.abs(along).max(axis=0))]
    u = np.cross(along, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    rings = middle[:, None] + radius * (np.cos(angle) * u[:, None] + np.sin(angle) * v[:, None])
    return Part(rings.reshape(-1, 3), _grid_faces(len(middle) - 1, sides), material)


def sheet(points: np.ndarray, material: Material) -> Part:
    """Return the surface through a (rows, columns, 3) grid of points (m)."""
    rows, columns = points.shape[:2]
    return Part(points.reshape(-1, 3), _grid_faces(rows - 1, columns - 1), material)


def prism(outline: np.ndarray, low: float, high: float, material: Material) -> Part:
    """Return a convex (n, 2) counter-clockwise `outline` (m) extruded from `low` to `high`."""
    n = len(outline)
    vertices = np.concatenate(
        [np.column_stack([outline, np.full(n, low)]), np.column_stack([outline, np.full(n, high)])]
    )
    i = np.arange(n)
    j = (i + 1) % n
    fan = np.stack([np.zeros(n - 2, int), i[1:-1], i[2:]], axis=1)
    faces = np.concatenate(
        [np.stack([i, j, j + n], 1), np.stack([i, j + n, i + n], 1), fan[:, ::-1], fan + n]
    )
    return Part(vertices, faces, material)


def oval(width: float, depth: float, sides: int = 24, power: float = 2.0) -> np.ndarray:
    """Return a (sides, 2) superellipse outline (m), counter-clockwise; large `power`: squarer."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack(
        [
            np.sign(c) * np.abs(c) ** (2 / power) * width / 2,
            np.sign(s) * np.abs(s) ** (2 / power) * depth / 2,
        ],
        axis=1,
    )
