"""Superpoints as a graph and their merge tree, against plain twins."""

from itertools import combinations, product

import numpy as np
from rescene4d_ros.inference.selection.candidates import color_scale_over_visits
from rescene4d_ros.inference.selection.merge_tree import (
    agreement,
    build_tree,
    color_likeness,
    COLOR_SCALE,
)
from rescene4d_ros.inference.selection.regions import make_regions, touching
from rescene4d_ros.structures import Prediction, Scan


def touching_twin(xyz, owner, cell):
    """Count the pairs of occupied cells of each two groups that are at most one step apart."""
    cells = {(tuple(c), int(g)) for c, g in zip(np.floor(xyz / cell).astype(int), owner)}
    found = {}
    for (a, g), (b, h) in combinations(sorted(cells, key=lambda item: item[1]), 2):
        if g != h and max(abs(x - y) for x, y in zip(a, b)) <= 1:
            found[g, h] = found.get((g, h), 0) + 1
    return found


def test_touching_groups_are_those_of_the_twin():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        xyz = rng.uniform(-0.4, 0.4, (300, 3))
        owner = rng.integers(0, 8, 300)
        pairs, contact = touching(xyz, owner, 8, cell=0.1)
        assert dict(zip(map(tuple, pairs.tolist()), contact.tolist())) == touching_twin(
            xyz, owner, 0.1
        )


def test_regions_part_neighbors_of_a_visit_from_overlaps_of_visits():
    row = np.column_stack([np.arange(8) * 0.05 + 0.02, np.zeros((8, 2))]).astype(np.float32)
    prediction = Prediction(
        np.full((1, 2), 0.5, np.float32),
        (np.ones((2, 1), np.float32), np.ones((1, 1), np.float32)),
        (np.repeat([0, 1], 4).astype(np.int32), np.zeros(4, np.int32)),
        np.zeros((1, 1), np.float32),
    )
    regions = make_regions(prediction, [Scan(row, 0), Scan(row[:4], 1)])
    assert regions.edges.tolist() == [[0, 1]]
    assert regions.overlaps.tolist() == [[0, 2], [1, 2]]
    assert regions.points.tolist() == [4, 4, 4]
    np.testing.assert_allclose(regions.moments[:, 0], [0.095, 0.295, 0.095], rtol=1e-5)
    rows, own = regions.of_visit(0)
    assert (rows, own.edges.tolist(), len(own.overlaps)) == (slice(0, 2), [[0, 1]], 0)


def tree_twin(claims, points, pairs, contact, like):
    """Merge the best pair again and again, with all affinities worked out anew each time."""
    groups = {k: {k} for k in range(len(claims))}
    merges = []
    while True:
        best = (-1.0, None)
        for a, b in combinations(sorted(groups), 2):
            across = [
                k
                for k, (i, j) in enumerate(pairs)
                if (i in groups[a] and j in groups[b]) or (i in groups[b] and j in groups[a])
            ]
            if not across:
                continue
            means = [
                np.average(claims[list(groups[g])], axis=0, weights=points[list(groups[g])])
                for g in (a, b)
            ]
            value = agreement(*means) * np.average(like[across], weights=contact[across])
            best = max(best, (value, (a, b)))
        if best[0] < 0.005:
            return merges
        a, b = best[1]
        merges.append((frozenset(groups[a] | groups[b]), best[0]))
        groups[len(claims) + len(merges) - 1] = groups.pop(a) | groups.pop(b)


def test_tree_is_that_of_the_twin():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n = 9
        pairs = np.array([p for p in combinations(range(n), 2) if rng.random() < 0.5])
        claims = rng.random((n, 5)).astype(np.float32) ** 2
        points = rng.integers(1, 100, n).astype(float)
        contact, like = rng.integers(1, 9, len(pairs)).astype(float), rng.random(len(pairs))
        tree = build_tree(claims, points, pairs, contact, like)
        members = tree.members(n)
        expected = tree_twin(claims, points, pairs, contact, like)
        assert [frozenset(np.flatnonzero(m).tolist()) for m in members.T[n:]] == [
            group for group, _ in expected
        ]
        np.testing.assert_allclose(tree.affinity, [value for _, value in expected], rtol=1e-5)


def test_what_nothing_links_is_not_merged():
    claims = np.eye(3, dtype=np.float32)
    tree = build_tree(claims, np.ones(3), np.array([[0, 1]]), np.ones(1), np.ones(1))
    assert tree.children.shape == (0, 2)
    assert tree.parents(3).tolist() == [-1] * 3
    assert (tree.members(3) == np.eye(3, dtype=bool)).all()


def test_agreement_is_soft_intersection_over_union():
    one, other = np.float32([[1.0, 0.5, 0]]), np.float32([[0.5, 0.5, 0.5]])
    np.testing.assert_allclose(agreement(one, other), 1.0 / 2.001, rtol=1e-6)
    assert agreement(np.zeros((1, 3)), np.zeros((1, 3))) == 0
    assert all(0 <= agreement(a, b) <= 1 for a, b in product(one, other))


def test_exposure_of_a_visit_does_not_part_what_stays():
    """What most surfaces differ by is the camera's; what one surface differs by beside is not."""
    overlaps, shared = np.array([[k, k + 5] for k in range(5)]), np.ones(5)
    color = np.full((10, 3), 100.0)
    assert color_scale_over_visits(color, overlaps, shared) == COLOR_SCALE
    assert color_scale_over_visits(color, overlaps[:0], shared[:0]) == COLOR_SCALE
    color[5] += 60  # a red chair where a blue one stood
    assert color_scale_over_visits(color, overlaps, shared) == COLOR_SCALE
    color[6:] -= 40  # another exposure
    scale = color_scale_over_visits(color, overlaps, shared)
    likes = color_likeness(color, overlaps, scale)
    assert likes.min() > 0.65, likes
    assert (color_likeness(color, overlaps)[1:] < 0.45).all()
