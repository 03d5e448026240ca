"""The absolute voxel grid against a dictionary of cells."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.point_sets import thin, voxelize


@settings(max_examples=60)
@given(
    xyz=arrays(
        np.float32, st.tuples(st.integers(0, 40), st.just(3)), elements=st.floats(-3, 3, width=32)
    ),
    size=st.sampled_from([0.02, 0.25, 1.0]),
)
def test_equals_brute_force(xyz, size):
    coords, inverse, first = voxelize(xyz, size)
    cells = [tuple(c) for c in np.floor(xyz.astype(np.float64) / size).astype(int)]
    assert [tuple(c) for c in coords] == sorted(set(cells))
    assert [tuple(c) for c in coords[inverse]] == cells
    assert first.tolist() == [cells.index(tuple(c)) for c in coords]


def test_grid_is_absolute():
    xyz = np.random.default_rng(0).uniform(-2, 2, (500, 3))
    coords, inverse, _ = voxelize(xyz, 0.25)
    some, some_inverse, _ = voxelize(xyz[100:200], 0.25)
    assert np.array_equal(some[some_inverse], coords[inverse[100:200]])


def test_endless_extent_is_refused():
    with pytest.raises(ScanError, match='remove outliers'):
        voxelize(np.array([[0.0, 0, 0], [1e9, 1e9, 1e9]]), 0.001)


@pytest.mark.parametrize('extent', [2.0, 2000.0])
def test_thinning_keeps_the_first_point_of_each_cube_near_together_or_far_apart(extent):
    xyz = np.random.default_rng(3).uniform(-extent, extent, (3000, 3)).astype(np.float32)
    xyz = np.concatenate([xyz, xyz[::-1]])
    seen, first = set(), []
    for k, cube in enumerate(map(tuple, np.floor(xyz.astype(np.float64) / 0.5).tolist())):
        if cube not in seen:
            seen.add(cube)
            first.append(k)
    assert thin(xyz, 0.5).tolist() == first
