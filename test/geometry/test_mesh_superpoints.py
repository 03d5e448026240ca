"""Superpoints of meshes: the segmentator's rule, proven against loops without union-find."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.superpoints.mesh import mesh_superpoints


def grid_mesh(heights: np.ndarray, step: float = 0.05):
    """Return vertices and triangles of a height field (rows, columns)."""
    rows, columns = heights.shape
    y, x = np.mgrid[:rows, :columns] * step
    vertices = np.column_stack([x.ravel(), y.ravel(), heights.ravel()])
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.concatenate(
        [
            np.column_stack([corner, corner + 1, corner + columns + 1]),
            np.column_stack([corner, corner + columns + 1, corner + columns]),
        ]
    )
    return vertices, faces


def twin(vertices, faces, threshold, min_vertices):
    """Return the pieces as a set of frozensets, by the definition."""
    mean, count = [np.zeros(3) for _ in vertices], [0] * len(vertices)
    edges = []
    for i, j, k in faces:
        normal = np.cross(vertices[j] - vertices[i], vertices[k] - vertices[i])
        normal = normal / np.linalg.norm(normal)
        for corner in (i, j, k):
            mean[corner] = (mean[corner] * count[corner] + normal) / (count[corner] + 1)
            count[corner] += 1
        edges += [(i, j), (i, k), (k, j)]
    costs = []
    for a, b in edges:
        cost = 1 - mean[a] @ mean[b]
        costs.append(
            np.float32(cost * cost if mean[b] @ (vertices[b] - vertices[a]) > 0 else cost)
        )
    ordered = sorted(range(len(edges)), key=lambda e: costs[e])
    piece = [{v} for v in range(len(vertices))]
    heaviest = [0.0] * len(vertices)

    def join(a, b):
        union = piece[a] | piece[b]
        for v in union:
            piece[v] = union

    for e in ordered:
        a, b = edges[e]
        if piece[a] is not piece[b] and all(
            costs[e] <= heaviest[v] + threshold / len(piece[v]) for v in (a, b)
        ):
            join(a, b)
            for v in piece[a]:
                heaviest[v] = float(costs[e])
    for e in ordered:
        a, b = edges[e]
        if piece[a] is not piece[b] and min(len(piece[a]), len(piece[b])) < min_vertices:
            join(a, b)
    return {frozenset(p) for p in piece}


def as_sets(pieces):
    """Return the pieces as a set of frozensets of vertices."""
    return {frozenset(np.flatnonzero(pieces == p).tolist()) for p in np.unique(pieces)}


@pytest.mark.parametrize('seed', range(4))
def test_equals_the_definition(seed):
    rng = np.random.default_rng(seed)
    heights = rng.normal(0, 0.01, (9, 9)) + 0.3 * (np.arange(9) > 4)
    vertices, faces = grid_mesh(heights)
    pieces = mesh_superpoints(vertices, faces, 0.05, 5, weld=False)
    assert as_sets(pieces) == twin(vertices, faces, 0.05, 5)
    assert pieces.max() > 0


def test_a_step_separates_and_a_plane_does_not():
    flat, faces = grid_mesh(np.zeros((12, 12)))
    assert mesh_superpoints(flat, faces).max() == 0
    vertices, faces = grid_mesh(np.tile(np.where(np.arange(24) < 12, 0.0, 0.4), (24, 1)))
    pieces = mesh_superpoints(vertices, faces)
    low, high = vertices[:, 0] < 0.5, vertices[:, 0] > 0.65
    assert not set(pieces[low]) & set(pieces[high])


def test_a_concave_bend_costs_more_than_a_convex_one():
    bowl = np.linspace(-1, 1, 40) ** 2 * 1.5
    counts = []
    for heights in (bowl, -bowl):
        vertices, faces = grid_mesh(np.tile(heights, (12, 1)))
        counts.append(mesh_superpoints(vertices, faces, 0.02, 1).max() + 1)
    valley, ridge = counts
    assert valley > 3 * ridge


def test_welding_heals_seams():
    vertices, faces = grid_mesh(np.zeros((8, 8)))
    soup = vertices[faces].reshape(-1, 3)
    triangles = np.arange(len(soup)).reshape(-1, 3)
    assert mesh_superpoints(soup, triangles).max() == 0
    assert mesh_superpoints(soup, triangles, weld=False).max() + 1 == len(faces)
    assert np.array_equal(
        mesh_superpoints(soup, triangles), mesh_superpoints(vertices, faces)[faces.ravel()]
    )


def test_degenerate_input():
    assert mesh_superpoints(np.zeros((0, 3)), np.zeros((0, 3), int)).shape == (0,)
    lonely = mesh_superpoints(np.eye(3), np.zeros((0, 3), int))
    assert lonely.tolist() == [0, 1, 2]
    assert lonely.dtype == np.int32
    vertices, faces = grid_mesh(np.zeros((6, 6)))
    sliver = np.concatenate([faces, [[0, 0, 1], [0, 1, 2]]])
    assert mesh_superpoints(vertices, sliver).max() == 0
