"""Neighbor tables and levels against brute force, and what sorting promises."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from rescene4d_ros.sparse.convolutions import avg_pool, max_pool, subm_conv, up_conv
from rescene4d_ros.sparse.voxels import JoinedVoxels, Voxels
import torch


def coords_of(rows: set[tuple[int, int, int, int]]) -> torch.Tensor:
    return torch.tensor(sorted(rows, key=hash), dtype=torch.int64).view(-1, 4)


rows_strategy = st.sets(st.tuples(st.integers(0, 2), *[st.integers(-4, 4)] * 3), max_size=60)


@settings(max_examples=60)
@given(rows=rows_strategy, kernel_size=st.sampled_from([1, 3, 5]))
def test_neighbors_equal_brute_force(rows, kernel_size):
    voxels = Voxels.build(coords_of(rows))
    table = voxels.neighbors(kernel_size)
    where = {tuple(c): i for i, c in enumerate(voxels.coords.tolist())}
    r = kernel_size // 2
    offsets = [
        (dx, dy, dz)
        for dz in range(-r, r + 1)
        for dy in range(-r, r + 1)
        for dx in range(-r, r + 1)
    ]
    for k, (dx, dy, dz) in enumerate(offsets):
        expected = [
            where.get((t, x + dx, y + dy, z + dz), -1) for t, x, y, z in voxels.coords.tolist()
        ]
        assert table[k].tolist() == expected


@settings(max_examples=60)
@given(rows=rows_strategy)
def test_down_is_absolute_floor(rows):
    voxels = Voxels.build(coords_of(rows))
    coarse = voxels.down()
    expected = {(t, x // 2, y // 2, z // 2) for t, x, y, z in rows}
    assert [tuple(c) for c in coarse.coords.tolist()] == sorted(expected)
    offset = voxels.child_offset
    bits = torch.stack((offset & 1, offset >> 1 & 1, offset >> 2 & 1), 1)
    rebuilt = coarse.coords[voxels.parent].clone()
    rebuilt[:, 1:] = 2 * rebuilt[:, 1:] + bits
    assert torch.equal(rebuilt, voxels.coords)


def test_sort_and_unsort_are_inverse():
    given_coords = torch.tensor([[1, 0, 0, 0], [0, 5, -2, 1], [0, -5, 2, 1]])
    voxels = Voxels.build(given_coords)
    assert voxels.coords.tolist() == [[0, -5, 2, 1], [0, 5, -2, 1], [1, 0, 0, 0]]
    assert torch.equal(voxels.sort(given_coords), voxels.coords)
    assert torch.equal(voxels.unsort(voxels.coords), given_coords)
    assert voxels.visit_splits(3) == [2, 1, 0]


def test_visits_never_mix():
    same_place = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 2]])
    voxels = Voxels.build(same_place)
    y = subm_conv(torch.tensor([[1.0], [10.0], [100.0]]), torch.ones(27, 1, 1), voxels)
    assert y.flatten().tolist() == [1.0, 110.0, 110.0]


def test_no_voxels_is_fine():
    voxels = Voxels.build(torch.zeros(0, 4, dtype=torch.int64))
    assert subm_conv(torch.zeros(0, 2), torch.ones(27, 2, 3), voxels).shape == (0, 3)
    assert len(voxels.down().down()) == 0


@pytest.mark.parametrize(
    ('coords', 'text'),
    [
        (torch.zeros(2, 4, dtype=torch.int64), 'unique'),
        (torch.zeros(2, 3, dtype=torch.int64), 'columns visit'),
        (torch.zeros(2, 4), 'integers'),
    ],
)
def test_bad_coordinates_are_named(coords, text):
    with pytest.raises(ValueError, match=text):
        Voxels.build(coords)


@settings(max_examples=30)
@given(rows=rows_strategy)
def test_joined_visits_are_as_built_together(rows):
    """Neighbors, levels and what is computed on them; maps made for a visit before serve too."""
    coords = coords_of(rows)
    together = Voxels.build(coords)
    parts = [
        Voxels.build(coords[coords[:, 0] == slot] * torch.tensor([0, 1, 1, 1]))
        for slot in range(3)
    ]
    if len(parts[1]):
        assert parts[1].subm_map().tiles
    joined = JoinedVoxels(parts)
    generator = torch.Generator().manual_seed(0)
    own = torch.cat([coords[coords[:, 0] == slot] for slot in range(3)])
    assert torch.equal(joined.sort(own), together.coords)
    feats = torch.randn(len(coords), 3, generator=generator, dtype=torch.float64)
    kernel, up = (torch.randn(k, 3, 2, generator=generator, dtype=torch.float64) for k in (27, 8))
    for _ in range(3):
        assert torch.equal(joined.coords, together.coords)
        assert torch.equal(joined.neighbors(3), together.neighbors(3))
        torch.testing.assert_close(
            subm_conv(feats, kernel, joined), subm_conv(feats, kernel, together)
        )
        assert torch.equal(joined.parent, together.parent)
        coarse = avg_pool(feats, together)
        assert torch.equal(avg_pool(feats, joined), coarse)
        if len(coords):
            assert torch.equal(max_pool(feats, joined), max_pool(feats, together))
        torch.testing.assert_close(up_conv(coarse, up, joined), up_conv(coarse, up, together))
        feats, joined, together = coarse, joined.down(), together.down()
