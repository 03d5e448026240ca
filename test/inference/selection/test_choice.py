"""Sets without overlap: the exact choice against all sets of nodes there are."""

from itertools import combinations

import numpy as np
from rescene4d_ros.inference.selection.candidates import Candidates
from rescene4d_ros.inference.selection.choice import (
    choose_greedily,
    choose_on_tree,
    exchange_for_queries,
)


def random_tree(rng, n_leaves, queries=()):
    """Return candidates of a random tree; `queries` are masks in front."""
    masks = [np.arange(n_leaves) == k for k in range(n_leaves)]
    roots, parent = list(range(n_leaves)), [-1] * n_leaves
    while len(roots) > 1 and rng.random() < 0.9:
        a, b = (roots.pop(rng.integers(len(roots))) for _ in range(2))
        parent[a] = parent[b] = len(masks)
        roots.append(len(masks))
        parent.append(-1)
        masks.append(masks[a] | masks[b])
    q = len(queries)
    none = np.zeros(q + len(masks))
    return Candidates(
        np.array([*queries, *masks]).T,
        q,
        np.array([-1] * q + [p + q if p >= 0 else -1 for p in parent]),
        none,
        none,
    )


def best_sum(candidates, value):
    """Return the largest sum of values of nodes that share nothing, by trying all sets."""
    nodes = range(candidates.n_queries, len(candidates))
    best = 0.0
    for size in range(1, candidates.masks.shape[0] + 1):
        for some in combinations(nodes, size):
            if candidates.masks[:, some].sum(axis=1).max() <= 1:
                best = max(best, value[list(some)].sum())
    return best


def worth(owner, value):
    """Return the sum of values of what was chosen."""
    return value[np.unique(owner[owner >= 0])].sum()


def check_is_whole(candidates, owner):
    """Every chosen candidate has all its superpoints."""
    for k in np.unique(owner[owner >= 0]):
        assert ((owner == k) == candidates.masks[:, k]).all()


def test_choice_on_tree_is_the_best_of_all_sets():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        candidates = random_tree(rng, 5)
        value = rng.normal(size=len(candidates))
        owner = choose_on_tree(candidates, value)
        check_is_whole(candidates, owner)
        np.testing.assert_allclose(worth(owner, value), best_sum(candidates, value))


def test_nothing_of_value_gives_nothing():
    candidates = random_tree(np.random.default_rng(0), 4)
    for value in (np.full(len(candidates), -1.0), np.zeros(len(candidates))):
        assert (choose_on_tree(candidates, value) == -1).all()
        assert (choose_greedily(candidates, np.ones(4), value, 0.8) == -1).all()


def test_query_replaces_what_is_worth_less():
    query = np.array([1, 1, 1, 0], dtype=bool)
    candidates = random_tree(np.random.default_rng(1), 4, [query])
    value = np.full(len(candidates), -1.0)
    value[1:5] = 0.3
    owner = choose_on_tree(candidates, value)
    value[0] = 0.8  # less than three nodes of 0.3
    assert (exchange_for_queries(candidates, value, owner) == owner).all()
    value[0] = 1.0
    assert exchange_for_queries(candidates, value, owner).tolist() == [0, 0, 0, 4]
    assert owner.tolist() == [1, 2, 3, 4]


def test_greedy_choice_takes_the_best_and_what_it_leaves():
    masks = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=bool)
    none = np.zeros(3)
    candidates = Candidates(masks, 0, np.full(3, -1), none, none)
    points = np.array([10.0, 10, 10, 1])
    value = np.array([0.9, 0.5, 0.4])
    # Of mask 1 half of the points are left; of mask 2 all, or a tenth after mask 1.
    assert choose_greedily(candidates, points, value, 0.8).tolist() == [0, 0, 2, 2]
    assert choose_greedily(candidates, points, value, 0.3).tolist() == [0, 0, 1, -1]
