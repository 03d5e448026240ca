"""Superpoints keep objects apart, whatever the order of the points."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.superpoints.cut import edges, merge, SuperpointConfig, superpoints
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


def box_on_floor(rng: np.random.Generator, noise: float = 0.002):
    """Return points, normals and labels of a floor (0) and two boxes (1, 2) on it."""
    floor = rng.uniform(0, 2, (16000, 3)) * [1, 1, 0]
    parts, normals, labels = [floor], [np.tile([0, 0, 1], (len(floor), 1))], [np.zeros(16000)]
    for label, x in ((1, 0.6), (2, 1.4)):
        for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1)):
            face = rng.uniform(-0.2, 0.2, (1000, 3))
            face[:, axis] = 0.2 * sign
            parts.append(face + [x, 1, 0.2])
            normals.append(np.tile(np.eye(3)[axis] * sign, (1000, 1)))
            labels.append(np.full(1000, label))
    xyz = np.concatenate(parts)
    return (
        (xyz + rng.normal(0, noise, xyz.shape)).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(labels).astype(int),
    )


def purity(pieces: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of points that have the label of most points of their piece."""
    counts = np.zeros((pieces.max() + 1, labels.max() + 1))
    np.add.at(counts, (pieces, labels), 1)
    return counts.max(1).sum() / len(labels)


@pytest.mark.parametrize('with_normals', [True, False])
def test_boxes_come_off_the_floor_and_order_does_not_matter(with_normals):
    rng = np.random.default_rng(0)
    xyz, normals, labels = box_on_floor(rng)
    normals = normals if with_normals else None
    pieces = superpoints(xyz, normals, None)
    assert pieces.dtype == np.int32
    assert np.array_equal(np.unique(pieces), np.arange(pieces.max() + 1))
    assert purity(pieces, labels) > 0.97
    assert pieces.max() < 300
    shuffled = rng.permutation(len(xyz))
    again = superpoints(xyz[shuffled], normals[shuffled] if with_normals else None, None)
    assert np.array_equal(again, pieces[shuffled])


def test_color_alone_separates():
    rng = np.random.default_rng(1)
    xyz = (rng.uniform(0, 1, (10000, 3)) * [1, 1, 0]).astype(np.float32)
    normals = np.tile(np.float32([0, 0, 1]), (len(xyz), 1))
    is_right = xyz[:, 0] > 0.5
    rgb = np.where(is_right[:, None], np.uint8([230, 40, 40]), np.uint8([40, 40, 230]))
    assert superpoints(xyz, normals, None).max() == 0
    assert purity(superpoints(xyz, normals, rgb.astype(np.uint8)), is_right.astype(int)) > 0.98


def test_extent_is_bounded():
    rng = np.random.default_rng(2)
    xyz = (rng.uniform(0, 3, (30000, 3)) * [1, 1, 0]).astype(np.float32)
    config = SuperpointConfig(max_extent=0.5, min_nodes=1)
    pieces = superpoints(xyz, np.tile(np.float32([0, 0, 1]), (len(xyz), 1)), None, config)
    for piece in range(pieces.max() + 1):
        own = xyz[pieces == piece]
        assert (own.max(0) - own.min(0)).max() <= 0.5 + config.voxel_size


def test_merge_without_limits_finds_the_connected_components():
    """SciPy's components of the graph are the pieces where every edge joins."""
    rng = np.random.default_rng(3)
    xyz, ends = rng.random((200, 3)), rng.integers(0, 200, (150, 2))
    weight = np.sort(rng.random(150).astype(np.float32))
    roots = merge(xyz.copy(), xyz.copy(), ends[:, 0], ends[:, 1], weight, np.inf, 1, np.inf)
    graph = coo_array((np.ones(150), ends.T), shape=(200, 200))
    n_components, component = connected_components(graph, directed=False)
    assert len(set(zip(roots.tolist(), component.tolist()))) == n_components
    assert len(np.unique(roots)) == n_components


def test_merge_equals_the_definition():
    """Compare with sets of nodes and no union-find."""
    rng = np.random.default_rng(3)
    n, e = 40, 150
    xyz = rng.uniform(0, 1, (n, 3))
    ends = rng.integers(0, n, (e, 2))
    weight = np.sort(rng.uniform(0, 1, e)).astype(np.float32)
    pieces, inner = [{i} for i in range(n)], [0.0] * n
    for smallest in (0, 4):
        for (i, j), w in zip(ends, weight):
            a, b = pieces[i], pieces[j]
            if a is b:
                continue
            both = list(a | b)
            if smallest:
                joined = len(a) < smallest or len(b) < smallest
            else:
                joined = (
                    w <= inner[i] + 0.8 / len(a)
                    and w <= inner[j] + 0.8 / len(b)
                    and np.ptp(xyz[both], axis=0).max() <= 0.6
                )
            if joined:
                union = a | b
                for node in union:
                    pieces[node], inner[node] = union, float(w)
    roots = merge(xyz.copy(), xyz.copy(), ends[:, 0], ends[:, 1], weight, 0.8, 4, 0.6)
    assert {frozenset(np.flatnonzero(roots == r)) for r in roots} == {frozenset(p) for p in pieces}
    assert len(np.unique(roots)) > 1


@pytest.mark.parametrize('with_color', [True, False])
def test_edges_equal_their_definition(with_color):
    """Compare with sets of pairs, and with NumPy's sums."""
    rng = np.random.default_rng(4)
    nodes = rng.random((400, 3)) * [1, 1, 0.1]
    normals = rng.normal(size=(400, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colors = rng.uniform(0, 255, (400, 3)).astype(np.float32) if with_color else None
    config = SuperpointConfig(neighbors=6, reach=2.0)
    distances, neighbors = cKDTree(nodes).query(nodes, k=9)
    first, second, weight = edges(nodes, normals, colors, distances, neighbors, config)

    longest = 2 * np.median(distances[:, 1])
    near = [
        (min(i, j), max(i, j))
        for i in range(400)
        for j, distance in zip(neighbors[i, 1:7], distances[i, 1:7])
        if distance <= longest
    ]
    assert sorted(zip(first, second)) == sorted(set(near))
    step = nodes[second] - nodes[first]
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    bend = np.maximum(1 - (normals[first] * normals[second]).sum(1), 0)
    along, along_second = (normals[first] * step).sum(1), (normals[second] * step).sum(1)
    cost = np.where(along_second > along, bend**2, bend) + 0.05 * abs(along + along_second)
    if colors is not None:
        cost += 0.5 * np.linalg.norm(colors[second] - colors[first], axis=1) / (255 * 3**0.5)
    np.testing.assert_allclose(weight, cost, rtol=1e-5, atol=1e-6)
    assert (np.diff(weight) >= 0).all()


@pytest.mark.parametrize('n', [0, 1, 2, 5])
def test_tiny_clouds(n):
    xyz = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    pieces = superpoints(xyz, None, None)
    assert pieces.shape == (n,)
