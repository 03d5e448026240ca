"""Registration of furniture-like point sets whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.point_sets import evenly, near, share_near, thin
from rescene4d_ros.geometry.registration import register, standing_still
from rescene4d_ros.geometry.se3 import (
    invert,
    size_of,
    solve_upright,
    transform,
    upright,
    wrap,
    yaw_of,
)
from scipy.spatial import cKDTree


def slab(size, center, seed: int) -> np.ndarray:
    """Return points in a cuboid, no lattice: a lattice fits itself one step aside as well."""
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (6000, 3)) * size
    return points[thin(points, 0.03)] + center


def chair(seed: int = 0) -> np.ndarray:
    """Return a seat, a backrest and an armrest on one side: no symmetry."""
    return np.concatenate(
        [
            slab((0.45, 0.45, 0.03), (0, 0, 0.45), seed),
            slab((0.03, 0.45, 0.45), (-0.21, 0, 0.7), seed + 1),
            slab((0.3, 0.03, 0.2), (0, 0.21, 0.58), seed + 2),
        ]
    )


@pytest.mark.parametrize(
    ('n', 'limit'), [(5, 7), (7, 7), (1000, 1), (1000, 2), (3001, 150), (100_003, 2000)]
)
def test_positions_are_spread_evenly_from_end_to_end(n, limit):
    whole = np.linspace(0, n - 1, limit).astype(int) if n > limit else np.arange(n)
    assert np.array_equal(evenly(n, limit), whole)


def test_solve_upright_is_exact():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(20, 3))
    motion = upright(2.2, (1, -2, 0.3))
    assert solve_upright([(source, transform(motion, source))])[0] == pytest.approx(motion)


@pytest.mark.parametrize('degrees', [0, 35, 90, 170, -120])
def test_register_finds_the_motion(degrees):
    rng = np.random.default_rng(abs(degrees))
    motion = upright(np.radians(degrees), (1.3, -0.7, 0.02))
    before = chair() + (2, 1, 0)
    after = transform(motion, chair(seed=10) + (2, 1, 0))  # the same surface, other points
    after = after + rng.normal(0, 0.004, after.shape)
    found = register(before, after)
    assert size_of(found.after_T_before @ invert(motion), after.mean(0))[0] < 0.02
    assert np.degrees(abs(wrap(yaw_of(found.after_T_before) - yaw_of(motion)))) < 2
    assert found.overlap > 0.95
    assert found.residual < 0.02


def test_register_finds_the_motion_of_a_half_seen_thing():
    before = chair()
    motion = upright(0.5, (0.8, 0.3, 0))
    other = chair(seed=10)
    moved = transform(motion, other[other[:, 1] > -0.05])
    found = register(before, moved)
    assert size_of(found.after_T_before @ invert(motion), moved.mean(0))[0] < 0.05


def test_of_a_round_table_the_least_turn_is_taken():
    angle = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    ring = np.stack([0.5 * np.cos(angle), 0.5 * np.sin(angle), np.full(80, 0.7)], 1)
    shift = upright(0, (0.6, 0, 0))
    turned = upright(1.0, (0, 0, 0))
    found = register(ring, transform(shift @ turned, ring))
    assert abs(np.degrees(yaw_of(found.after_T_before))) < 6
    assert found.after_T_before[:3, 3] == pytest.approx((0.6, 0, 0), abs=0.03)


def tabletop(seed: int) -> np.ndarray:
    """Return the points of a rectangular slab, which looks the same from both long sides."""
    return slab((0.9, 0.6, 0.03), (0, 0, 0.7), seed) + (2, 1, 0)


def grain(xyz: np.ndarray) -> np.ndarray:
    """Return a texture that depends on the place on the slab, and not alike from both sides."""
    return 0.1 * np.sin(31 * xyz[:, 0] + 9 * xyz[:, 1]) * np.cos(23 * xyz[:, 1] + 1)


@pytest.mark.parametrize('degrees', [-100, -20, 130, 175])
def test_texture_tells_which_way_a_table_was_turned(degrees):
    motion = upright(np.radians(degrees), (0.8, -0.4, 0))
    before, here = tabletop(0), tabletop(10)
    after = transform(motion, here)
    found = register(before, after, (grain(before), grain(here)))
    assert np.degrees(abs(wrap(yaw_of(found.after_T_before) - yaw_of(motion)))) < 5


@pytest.mark.parametrize('textures', [None, 'unknown', 'plain', 'of another thing'])
def test_without_texture_in_common_the_lesser_turn_is_taken(textures):
    motion = upright(np.radians(130), (0.8, -0.4, 0))
    before, here = tabletop(0), tabletop(10)
    rng = np.random.default_rng(0)
    made = {
        None: lambda xyz: None,
        'unknown': lambda xyz: np.full(len(xyz), np.nan),
        'plain': lambda xyz: np.zeros(len(xyz)),
        'of another thing': lambda xyz: rng.normal(0, 0.1, len(xyz)),
    }[textures]
    both = None if textures is None else (made(before), made(here))
    found = register(before, transform(motion, here), both)
    assert np.degrees(yaw_of(found.after_T_before)) == pytest.approx(-50, abs=5)


def test_too_few_points_give_no_overlap():
    assert register(chair(), chair()[:2]).overlap == 0
    assert standing_still(chair()[:1], chair()).overlap == 0


def test_inverse_undoes():
    motion = upright(0.7, (1, 2, 3))
    assert invert(motion) @ motion == pytest.approx(np.eye(4))


def test_thin_keeps_one_point_per_cube_and_is_stable():
    rng = np.random.default_rng(1)
    xyz = rng.uniform(-1, 1, (5000, 3)).astype(np.float32)
    kept = thin(xyz, 0.1)
    cubes = {tuple(c) for c in np.floor(xyz.astype(np.float64) / 0.1).astype(int).tolist()}
    assert len(kept) == len(cubes)
    assert (np.diff(kept) > 0).all()
    assert (thin(xyz[kept], 0.1) == np.arange(len(kept))).all()


def test_near_is_the_brute_force_answer():
    rng = np.random.default_rng(2)
    a, b = rng.uniform(0, 1, (200, 3)), rng.uniform(0, 1, (150, 3))
    expected = np.linalg.norm(a[:, None] - b[None], axis=2).min(1) < 0.08
    assert (near(cKDTree(b), a, 0.08) == expected).all()
    assert share_near(cKDTree(b), a, 0.08) == pytest.approx(expected.mean())


def test_evenly_spans_all():
    assert evenly(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert len(set(evenly(1000, 7).tolist())) == 7
    assert evenly(1000, 7)[[0, -1]].tolist() == [0, 999]


def test_stacked_motions_are_those_one_by_one():
    """To the last bit: nothing depends on how many motions are asked at once."""
    rng = np.random.default_rng(5)
    yaw, shift = rng.uniform(-3, 3, 17), rng.uniform(-2, 2, (17, 3))
    points = rng.normal(size=(40, 3)).astype(np.float32)
    motions = upright(yaw, shift)
    single = [upright(y, s) for y, s in zip(yaw, shift)]
    assert np.array_equal(motions, np.stack(single))
    assert np.array_equal(transform(motions, points), [transform(m, points) for m in single])
    assert np.array_equal(invert(motions), [invert(m) for m in single])
    assert np.array_equal(yaw_of(motions), [yaw_of(m) for m in single])
