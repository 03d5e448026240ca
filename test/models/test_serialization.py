"""Space-filling curves against bit-by-bit loops and their own definitions; orders of visits."""

from itertools import product

import pytest
from rescene4d_ros.models.backbones.serialization_order import (
    level_patterns,
    merged_order,
    order_of,
    TieBreak,
    visit_order,
    visit_ranks,
)
from rescene4d_ros.models.backbones.space_filling_curves import (
    curve_code,
    CURVES,
    hilbert_code,
    z_code,
)
from rescene4d_ros.sparse.voxels import Voxels
import torch


def cube(side):
    """Return all cells of a cube, (side^3, 3)."""
    return torch.tensor(list(product(range(side), repeat=3)))


def random_cells(n, bits, seed=0):
    """Return cells of the given number of bits; their order means nothing."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2**bits, (n, 3), generator=generator)


def z_twin(cell, depth):
    """Write the bits of x, y and z one after the other, highest first."""
    return int(''.join(f'{axis:0{depth}b}'[k] for k in range(depth) for axis in cell), 2)


def hilbert_twin(cell, depth):
    """Skilling's algorithm on lists of bits, highest first."""
    bits = [[int(b) for b in f'{axis:0{depth}b}'] for axis in cell]
    for k in range(depth):
        for axis in range(3):
            for lower in range(k + 1, depth):
                if bits[axis][k]:
                    bits[0][lower] = 1 - bits[0][lower]
                else:
                    bits[0][lower], bits[axis][lower] = bits[axis][lower], bits[0][lower]
    code, parity = 0, 0
    for k in range(depth):
        for axis in range(3):
            parity ^= bits[axis][k]
            code = 2 * code + parity
    return code


@pytest.mark.parametrize('depth', [1, 2, 5, 16, 21])
def test_codes_equal_bit_by_bit_loops(depth):
    cells = random_cells(50, depth)
    codes = {curve: curve_code(cells, depth, curve).tolist() for curve in CURVES}
    listed = cells.tolist()
    assert codes['z'] == [z_twin(c, depth) for c in listed]
    assert codes['z-trans'] == [z_twin((y, x, z), depth) for x, y, z in listed]
    assert codes['hilbert'] == [hilbert_twin(c, depth) for c in listed]
    assert codes['hilbert-trans'] == [hilbert_twin((y, x, z), depth) for x, y, z in listed]


@pytest.mark.parametrize('curve', CURVES)
@pytest.mark.parametrize('depth', [1, 2, 3])
def test_curves_visit_every_cell_once(depth, curve):
    codes = curve_code(cube(2**depth), depth, curve)
    assert sorted(codes.tolist()) == list(range(8**depth))


@pytest.mark.parametrize('depth', [1, 2, 4])
def test_hilbert_curve_steps_through_faces(depth):
    cells = cube(2**depth)
    along = cells[hilbert_code(cells, depth).argsort()]
    assert along[0].tolist() == [0, 0, 0]
    assert ((along[1:] - along[:-1]).abs().sum(1) == 1).all()


def test_first_hilbert_cells_follow_the_gray_code():
    cells = torch.tensor(
        [[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1], [1, 0, 0]]
    )
    assert hilbert_code(cells, 1).tolist() == list(range(8))


def test_code_of_a_parent_is_that_of_its_children_cut_short():
    cells = random_cells(200, 8)
    assert torch.equal(hilbert_code(cells >> 1, 7), hilbert_code(cells, 8) >> 3)
    assert torch.equal(z_code(cells >> 1), z_code(cells) >> 3)


@pytest.mark.parametrize('depth', [0, 22])
def test_codes_that_do_not_fit_are_refused(depth):
    with pytest.raises(ValueError, match='1 to 21 bits'):
        curve_code(torch.zeros(1, 3, dtype=torch.int64), depth, 'z')


def visits_of(*visits, slots=None):
    """Return voxels of visits of cells (V, 3), each without repetition."""
    slots = slots or range(len(visits))
    return Voxels.build(
        torch.cat(
            [
                torch.nn.functional.pad(torch.unique(v, dim=0), (1, 0), value=s)
                for s, v in zip(slots, visits)
            ]
        )
    )


@pytest.fixture
def voxels():
    """Return two visits of different size that share cells, around the origin."""
    return visits_of(random_cells(80, 4) - 5, random_cells(150, 4, seed=1) - 5)


def ties_of(voxels, seed=0):
    """Return places of few different values, so that all but the last comparison often tie."""
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.randint(0, 2, (len(voxels), 3), generator=generator).float()
    return TieBreak(xyz, visit_ranks(voxels, xyz, int(voxels.coords[:, 0].max()) + 1))


@pytest.mark.parametrize('curve', CURVES)
def test_orders_are_permutations_and_know_their_inverse(voxels, curve):
    rows = torch.arange(len(voxels))
    for order in (
        visit_order(voxels, 4, curve),
        merged_order(voxels, 4, curve),
        merged_order(voxels, 4, curve, ties_of(voxels)),
    ):
        assert torch.equal(order.rows.sort().values, rows)
        assert torch.equal(order.rows[order.places], rows)
        assert sum(order.counts) == len(voxels)


@pytest.mark.parametrize('curve', CURVES)
def test_visits_are_serialized_as_if_alone(voxels, curve):
    together = visit_order(voxels, 4, curve)
    start = 0
    for visit, n in enumerate(voxels.visit_splits(2)):
        alone = visit_order(visits_of(voxels.coords[start : start + n, 1:]), 4, curve)
        assert together.counts[visit] == n
        assert torch.equal(together.rows[start : start + n] - start, alone.rows)
        start += n


def test_empty_slot_has_no_run(voxels):
    cells = voxels.coords[voxels.coords[:, 0] == 0, 1:]
    order = visit_order(visits_of(cells, cells, slots=(0, 3)), 4, 'z')
    assert order.counts == (len(cells), len(cells))


@pytest.mark.parametrize('curve', CURVES)
def test_merged_order_lists_a_place_once_with_all_its_visits(voxels, curve):
    cells = voxels.coords[:, 1:]
    local = cells - ((cells.amin(0) >> 4) << 4)
    order = merged_order(voxels, 4, curve)
    along = curve_code(local, int(local.max() + 1).bit_length(), curve)[order.rows]
    assert (along[1:] >= along[:-1]).all()
    same = along[1:] == along[:-1]
    assert same.any()
    visit = voxels.coords[order.rows, 0]
    assert (visit[1:] > visit[:-1])[same].all()


@pytest.mark.parametrize('curve', CURVES)
def test_voxels_of_a_cell_are_sorted_by_place_then_by_visit(curve):
    """As Python sorts tuples of code, x, y, z and the rank of the visit."""
    voxels = visits_of(*(random_cells(60, 2, seed) for seed in range(4)))
    ties = ties_of(voxels)
    order = merged_order(voxels, 2, curve, ties)
    assert order.counts == (len(voxels),)
    codes = curve_code(voxels.coords[:, 1:], 3, curve).tolist()
    ranks = ties.rank[voxels.coords[:, 0]].tolist()
    keys = list(zip(codes, ties.xyz.tolist(), ranks))
    assert order.rows.tolist() == sorted(range(len(voxels)), key=keys.__getitem__)


@pytest.mark.parametrize('turn', [(1, 0), (2, 0, 1), (1, 0, 2)])
def test_merged_orders_are_the_same_whatever_numbers_the_visits_have(turn):
    """Also where points of two visits are at exactly the same place."""
    cells = [torch.unique(random_cells(40, 2, seed), dim=0) for seed in range(len(turn))]
    own = [
        torch.column_stack([c, c.sum(1) % 2, torch.full_like(c[:, 0], k)]).float()
        for k, c in enumerate(cells)
    ]

    def content(numbers):
        voxels = visits_of(*(cells[k] for k in numbers))
        feats = torch.cat([own[k] for k in numbers])
        ties = TieBreak(feats[:, :3], visit_ranks(voxels, feats, len(numbers)))
        return [feats[merged_order(voxels, 4, curve, ties).rows] for curve in CURVES]

    for one, two in zip(content(range(len(turn))), content(turn), strict=True):
        assert torch.equal(one, two)


def test_visits_share_a_rank_only_where_they_are_the_same():
    cells = torch.unique(random_cells(30, 3), dim=0)
    voxels, n = visits_of(cells, cells, cells, cells[:9]), len(cells)
    feats = torch.ones(3 * n + 9, 2)
    feats[n + 5, 1] = 2
    one, other, again, short = visit_ranks(voxels, feats, 4).tolist()
    assert one == again
    assert len({one, other, short}) == 3
    moved = Voxels.build(voxels.coords + torch.tensor([0, 3, -2, 1]))
    assert visit_ranks(moved, feats, 4).tolist() == [one, other, again, short]


@pytest.mark.parametrize('stride_bits', [0, 2, 4])
def test_moving_by_the_coarsest_cell_keeps_the_orders(voxels, stride_bits):
    step = torch.tensor([0, 3, -2, 1]) << stride_bits
    moved = Voxels.build(voxels.coords + step)
    for serialize, curve in product((visit_order, merged_order), CURVES):
        assert torch.equal(
            serialize(voxels, stride_bits, curve).rows, serialize(moved, stride_bits, curve).rows
        )


@pytest.mark.parametrize(
    ('serialization', 'merged'), [('off', {False}), ('merged', {True}), ('mixed', {False, True})]
)
def test_blocks_take_the_orders_that_the_switch_names(voxels, serialization, merged):
    patterns = level_patterns(serialization, 12, shuffle=False)
    assert {t.is_merged for t in patterns} == {t.is_merged for t in patterns[:2]} == merged
    assert len(set(patterns)) == 4 * len(merged)
    assert level_patterns(serialization, 3, shuffle=False) == patterns[:3]
    for pattern in patterns[:4]:
        made = order_of(pattern, voxels, 4, ties_of(voxels))
        assert len(made.counts) == (1 if pattern.is_merged else 2)
        serialize = merged_order if pattern.is_merged else visit_order
        given = (ties_of(voxels),) if pattern.is_merged else ()
        assert torch.equal(made.rows, serialize(voxels, 4, pattern.curve, *given).rows)


@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('n_blocks', [1, 2, 3, 6])
def test_late_merges_the_last_block_alone(n_blocks, shuffle):
    patterns = level_patterns('late', n_blocks, shuffle)
    assert [t.is_merged for t in patterns] == [False] * (n_blocks - 1) + [True]
    assert len({t.curve for t in patterns}) == min(n_blocks, 4)


def test_training_draws_the_orders_from_the_seed():
    def draw(seed):
        torch.manual_seed(seed)
        return level_patterns('mixed', 8, shuffle=True)

    fixed = level_patterns('mixed', 8, shuffle=False)
    assert draw(0) == draw(0)
    assert len({str(draw(seed)) for seed in range(5)}) > 1
    assert sorted(map(str, draw(3))) == sorted(map(str, fixed))
