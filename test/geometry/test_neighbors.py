"""Neighbors in cells of a grid are those of a search tree, whatever the density."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.neighbors import nearest
from scipy.spatial import cKDTree


def clouds():
    """Return clouds by what is special about them."""
    rng = np.random.default_rng(0)
    floor = rng.uniform(0, 3, (4000, 3)) * [1, 1, 0]
    return {
        'even': floor + rng.normal(0, 0.003, floor.shape),
        'far from the origin': floor + [-5e4, 2e4, 30],
        'dense at one place': np.concatenate((floor, rng.normal(0, 0.004, (3000, 3)))),
        'with stray points': np.concatenate((floor, rng.uniform(-200, 200, (60, 3)))),
        'of repeated points': np.repeat(floor[:300], 40, axis=0),
        'of some repeated points': np.concatenate((floor, floor[:300], floor[:300])),
        'lattice': np.stack(np.meshgrid(*[np.arange(12) * 0.25] * 3), -1).reshape(-1, 3),
        'line': np.outer(np.linspace(0, 9, 1500), [1, 2, 3]),
        'beyond any grid': np.concatenate((floor, [[1e12, -1e12, 1e12]])),
        'tiny': rng.random((5, 3)),
    }


@pytest.mark.parametrize('name', clouds())
@pytest.mark.parametrize('k', [2, 16])
def test_neighbors_equal_those_of_a_search_tree(name, k):
    xyz = clouds()[name]
    k = min(k, len(xyz))
    distance, rows = nearest(xyz, k)
    np.testing.assert_allclose(distance, cKDTree(xyz).query(xyz, k=k)[0], rtol=1e-12, atol=1e-12)
    between = np.linalg.norm(xyz[rows] - xyz[:, None], axis=2)
    np.testing.assert_allclose(between, distance, rtol=1e-12, atol=1e-12)
    assert (np.diff(np.sort(rows, axis=1), axis=1) > 0).all()  # none twice


def test_neighbors_do_not_depend_on_precision_of_the_array_given():
    xyz = np.random.default_rng(1).random((500, 3)).astype(np.float32)
    for given, wanted in zip(nearest(xyz, 4), nearest(np.asfortranarray(xyz, np.float64), 4)):
        np.testing.assert_array_equal(given, wanted)
