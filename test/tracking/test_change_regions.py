"""Change regions on rooms of boxes: what comes, goes and moves, and what must not count."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.tracking.regions.candidates import compare, find_candidates
from rescene4d_ros.tracking.regions.change_regions import (
    aligned,
    ChangeRegion,
    choose,
    find_change_regions,
)
from rescene4d_ros.tracking.regions.changed_things import bind_motions
from rescene4d_ros.tracking.regions.surfaces import DENSE, last_seen, prepare_surfaces

CHAIR = ((0.6, 0.6, 0.0), (0.45, 0.45, 0.8), (150, 60, 40))
TABLE = ((1.8, 1.6, 0.0), (0.8, 0.6, 0.7), (40, 80, 150))
GONE_TO = ((2.3, 0.3, 0.0), *CHAIR[1:])


@pytest.fixture
def visit(boxes_room):
    """Return a function that prepares a visit of some boxes, with the points of each."""

    def make(boxes, seed=0, shift=(0, 0, 0), noise=0.004, density=2500):
        scan, _ = boxes_room(boxes, seed=seed, density=density)
        rng = np.random.default_rng(seed + 100)
        xyz = scan.xyz + rng.normal(0, noise, scan.xyz.shape) + shift
        # Nobody sees floor under things, nor their lower faces.
        keep = np.ones(len(xyz), dtype=bool)
        for low, size, _ in boxes:
            inside = ((xyz[:, :2] > np.array(low)[:2]) & (xyz[:, :2] < np.add(low, size)[:2])).all(
                1
            )
            keep &= ~(inside & (xyz[:, 2] < 0.03))
        return prepare_surfaces(xyz[keep].astype(np.float32), scan.normals[keep], scan.rgb[keep])

    return make


def place(surfaces, region):
    """Return the middle of a region on the floor, m."""
    xyz = surfaces.xyz[region.points]
    return ((xyz.min(0) + xyz.max(0)) / 2)[:2]


def middle(box):
    """Return the middle of a box on the floor, m."""
    return np.add(box[0], np.array(box[1]) / 2)[:2]


def test_a_moved_thing_left_one_place_and_came_to_another(visit):
    before, after = visit([CHAIR, TABLE]), visit([GONE_TO, TABLE], seed=1)
    regions = find_change_regions(before, after)
    assert [r.came for r in regions].count(True) == 1
    assert [r.came for r in regions].count(False) == 1
    for region in regions:
        shown, box = (after, GONE_TO) if region.came else (before, CHAIR)
        np.testing.assert_allclose(place(shown, region), middle(box), atol=0.05)
    (pair,) = bind_motions(regions, before, after)
    assert regions[pair.came].came
    assert not regions[pair.left].came
    np.testing.assert_allclose(
        transform(pair.after_T_before, np.array([[*middle(CHAIR), 0.0]]))[0, :2],
        middle(GONE_TO),
        atol=0.06,
    )


@pytest.mark.parametrize('shift', [(0, 0, 0), (0.02, 0.015, 0.01), (-0.015, 0.02, -0.01)])
def test_nothing_changes_by_noise_or_a_small_error_of_registration(visit, shift):
    before, after = visit([CHAIR, TABLE]), visit([CHAIR, TABLE], seed=1, shift=shift, noise=0.008)
    assert find_change_regions(before, after) == ()


def test_swapped_visits_turn_added_into_removed(visit):
    few, more = visit([TABLE]), visit([TABLE, CHAIR], seed=1)
    (added,), (removed,) = find_change_regions(few, more), find_change_regions(more, few)
    assert added.came
    assert not removed.came
    np.testing.assert_array_equal(added.points, removed.points)


def test_permuted_points_give_the_same_places(visit):
    before, after = visit([CHAIR, TABLE]), visit([GONE_TO, TABLE], seed=1)
    order = np.random.default_rng(3).permutation(len(after))
    mixed = prepare_surfaces(
        after.xyz[order], after.normals[order], after.rgb[order].astype(np.uint8)
    )
    found = [sorted(find_change_regions(before, v), key=lambda r: r.came) for v in (after, mixed)]
    assert [r.came for r in found[0]] == [r.came for r in found[1]] == [False, True]
    for a, b in zip(*found):
        shown = (after, mixed) if a.came else (before, before)
        np.testing.assert_allclose(place(shown[0], a), place(shown[1], b), atol=0.03)


def test_what_an_earlier_visit_did_not_see_has_not_come(visit):
    """Half of the room was scanned at first: the thing in the other half is no change."""
    whole = visit([CHAIR, TABLE])
    near = whole.xyz[:, 0] < 1.5
    half = prepare_surfaces(whole.xyz[near], whole.normals[near], whole.rgb[near].astype(np.uint8))
    after = visit([CHAIR, TABLE], seed=1)
    assert find_change_regions(half, after) == ()
    assert find_change_regions(after, half) == ()


def test_last_seen_fills_what_a_later_visit_did_not_see(visit):
    first, second = visit([CHAIR, TABLE]), visit([TABLE], seed=1)
    near = second.xyz[:, 0] > 1.2
    later = prepare_surfaces(
        second.xyz[near], second.normals[near], second.rgb[near].astype(np.uint8)
    )
    joined = last_seen([first, later])
    np.testing.assert_array_equal(joined.xyz[joined.source == 1], later.xyz)
    filled = joined.source == 0
    np.testing.assert_array_equal(joined.xyz[filled], first.xyz[joined.row[filled]])
    assert filled.any()
    assert joined.xyz[filled, 0].max() < 1.25  # never where the later visit saw
    regions = find_change_regions(joined, visit([TABLE], seed=2))
    assert [r.came for r in regions] == [False]
    np.testing.assert_allclose(place(joined, regions[0]), middle(CHAIR), atol=0.06)


def test_color_shows_a_flat_thing_that_geometry_does_not(visit):
    rng = np.random.default_rng(0)
    wall = np.c_[rng.random(20000) * 3, np.zeros(20000), rng.random(20000) * 2.4]
    normals = np.tile(np.float32([0, 1, 0]), (len(wall), 1))
    gray = np.full((len(wall), 3), 180, dtype=np.uint8)
    hung = gray.copy()
    inside = (np.abs(wall[:, 0] - 1.2) < 0.4) & (np.abs(wall[:, 2] - 1.5) < 0.3)
    hung[inside] = (40, 60, 120)
    bare = prepare_surfaces(wall.astype(np.float32), normals, gray)
    picture = prepare_surfaces(wall.astype(np.float32), normals, hung)
    found = find_candidates(compare(picture, bare))
    assert any(
        abs(len(points) - (picture.rgb[:, 2] < 150).sum()) < 0.3 * len(points) for points in found
    )


@pytest.mark.parametrize('density', [2500, 400, 250])
def test_a_thing_is_one_region_however_sparse_the_points(visit, density):
    """Gaps that points leave are no gaps between things: at 250 per m^2 they are 6 cm apart."""
    before, after = (visit(boxes, k, density=density) for k, boxes in enumerate([[CHAIR], []]))
    (region,) = find_change_regions(before, after)
    xyz = before.xyz
    on_chair = (np.abs(xyz[:, :2] - middle(CHAIR)[:2]) < 0.27).all(1) & (xyz[:, 2] > 0.05)
    shared = on_chair[region.points].sum()
    assert not region.came
    assert shared / (len(region.points) + on_chair.sum() - shared) > 0.8
    assert before.sparsity == pytest.approx(max(1, 1 / np.sqrt(density) / DENSE), rel=0.15)


def test_choice_leaves_out_what_overlaps_a_better_region():
    candidates = [np.arange(0, 10), np.arange(5, 15), np.arange(20, 30), np.arange(40, 50)]
    assert choose(candidates, np.array([0.9, 0.8, 0.7, 0.4]), 60) == [0, 2]


@settings(max_examples=25)
@given(st.floats(-np.pi, np.pi), st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.integers(0, 1000))
def test_any_upright_motion_binds_the_two_places(turn, x, y, seed):
    """A thing of no symmetry that moves by any upright motion is one thing."""
    rng = np.random.default_rng(seed)
    seat = rng.random((500, 3)) * (0.45, 0.45, 0.05) + (0, 0, 0.4)
    back = rng.random((400, 3)) * (0.45, 0.05, 0.5) + (0, 0.4, 0.45)
    leg = rng.random((150, 3)) * (0.05, 0.05, 0.4)
    thing = np.concatenate([seat, back, leg])
    moved = transform(upright(turn, (x + 2.0, y, 0.0)), thing)
    before = prepare_surfaces(thing.astype(np.float32))
    after = prepare_surfaces(moved.astype(np.float32))
    regions = [
        ChangeRegion(False, np.arange(len(before)), 1.0),
        ChangeRegion(True, np.arange(len(after)), 1.0),
    ]
    (pair,) = bind_motions(regions, before, after)
    assert pair.overlap > 0.8


@settings(max_examples=25)
@given(
    st.floats(-0.02, 0.02), st.floats(-0.03, 0.03), st.floats(-0.03, 0.03), st.floats(-0.03, 0.03)
)
def test_alignment_takes_a_small_error_of_registration_out(turn, x, y, z):
    """Walls, floor and a thing that is gone: what is left of the error is millimeters."""
    rng = np.random.default_rng(0)
    side = rng.random((9000, 2)) * 3
    none = np.zeros(3000)
    room = np.concatenate(
        [
            np.c_[side[:3000], none],
            np.c_[side[3000:6000, 0], none, side[3000:6000, 1]],
            np.c_[none, side[6000:]],
        ]
    )
    normals = np.repeat(np.float32([[0, 0, 1], [0, 1, 0], [1, 0, 0]]), 3000, axis=0)
    gone = rng.random((1500, 3)) * 0.5 + (1, 1, 0)
    other = prepare_surfaces(
        np.concatenate([room, gone]).astype(np.float32),
        np.concatenate([normals, np.tile(np.float32([0, 0, 1]), (1500, 1))]),
    )
    error = upright(turn, (x, y, z))
    off = prepare_surfaces(transform(error, room).astype(np.float32), normals)
    laid = aligned(off, other)
    walls = [
        np.abs(laid.xyz[laid.normals[:, k] > 0.9, k]).max() for k in range(3)
    ]  # each lies in a plane through the origin
    assert max(walls) < 0.004


def test_alignment_leaves_what_is_far_off(visit):
    """A visit of another place is no visit with a small error."""
    here, there = visit([CHAIR]), visit([CHAIR], shift=(0.6, 0.0, 0.4))
    assert aligned(there, here) is there


def test_a_visit_of_a_few_points_shows_nothing_to_have_left(boxes_room):
    scan, _ = boxes_room([((2.1, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))], density=1500)
    few = np.random.default_rng(0).random((20, 3)).astype(np.float32)
    before, after = prepare_surfaces(scan.xyz, scan.normals), prepare_surfaces(few)
    assert find_change_regions(before, after) == ()
