"""Augmentation keeps what it must: normals on surfaces, rows together, one room for all visits."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from rescene4d_ros.data.sequences.augment import augment, AugmentConfig
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.structures import Scan

OFF = {f.name: type(f.default)(0) for f in fields(AugmentConfig)}
GRANULES = {'elastic_fine': 0.3, 'elastic_coarse': 1.0}


def make_scan(seed: int = 0, n: int = 6000) -> Scan:
    """Return the top of a tilted table: one plane with its normal."""
    rng = np.random.default_rng(seed)
    normal = np.array([0.3, -0.2, 0.93])
    normal /= np.linalg.norm(normal)
    side = np.cross(normal, [1.0, 0, 0])
    side /= np.linalg.norm(side)
    uv = rng.uniform(-1, 1, (n, 2))
    xyz = uv[:, :1] * side + uv[:, 1:] * np.cross(normal, side)
    return Scan(
        xyz.astype(np.float32),
        5,
        rng.integers(0, 256, (n, 3)).astype(np.uint8),
        np.tile(normal, (n, 1)).astype(np.float32),
        np.zeros((1, 3), dtype=np.float32),
        name='table',
    )


def config(**on) -> AugmentConfig:
    return AugmentConfig(**{**OFF, **on})


def test_all_off_changes_only_the_place_of_the_origin():
    scan = make_scan()
    (out,), (kept,) = augment((scan,), np.random.default_rng(0), config())
    shift = out.xyz[0] - scan.xyz[0]
    np.testing.assert_allclose(out.xyz - shift, scan.xyz, atol=1e-5)
    assert np.array_equal(kept, np.arange(len(scan)))
    assert np.array_equal(out.rgb, scan.rgb)
    np.testing.assert_allclose(out.normals, scan.normals, atol=1e-6)
    assert out.sensor_path is None


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize(
    'on',
    [
        {'flip': True, 'yaw': True},
        {'scale': 0.3},
        {'tilt': 0.3},
        {'p_elastic': 1.0, 'elastic_magnitude': 0.3, **GRANULES},
    ],
)
def test_normals_follow_the_surface(on, seed):
    (out,), _ = augment((make_scan(),), np.random.default_rng(seed), config(**on))
    true = estimate_normals(out.xyz)
    cosine = np.abs(np.einsum('nc,nc->n', out.normals, true))
    assert np.median(cosine) > 0.999
    np.testing.assert_allclose(np.linalg.norm(out.normals, axis=1), 1, atol=1e-5)


def test_mirrored_normals_stay_on_their_side():
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(2000, 3))
    sphere = (sphere / np.linalg.norm(sphere, axis=1, keepdims=True)).astype(np.float32)
    for seed in range(6):
        (out,), _ = augment(
            (Scan(sphere, 0, normals=sphere),),
            np.random.default_rng(seed),
            config(flip=True, yaw=True, scale=0.2, tilt=0.2),
        )
        outwards = out.xyz - out.xyz.mean(0)
        assert (np.einsum('nc,nc->n', outwards, out.normals) > 0).all()


def test_visits_stay_aligned_without_registration_error():
    scan = make_scan()
    on = config(
        yaw=True, flip=True, scale=0.1, tilt=0.1, p_elastic=1.0, elastic_magnitude=0.2, **GRANULES
    )
    (a, b), _ = augment((scan, scan), np.random.default_rng(3), on)
    assert np.array_equal(a.xyz, b.xyz)
    (a, b), _ = augment(
        (scan, scan), np.random.default_rng(3), AugmentConfig(**{**OFF, 'registration_m': 0.02})
    )
    difference = b.xyz - a.xyz
    assert 0 < np.abs(difference).max() < 0.2
    np.testing.assert_allclose(difference, difference[:1].repeat(len(difference), 0), atol=1e-5)


def test_kept_rows_belong_together_and_seed_decides():
    scans = make_scan(0), make_scan(1, 3000)
    defaults = AugmentConfig()
    out, kept = augment(scans, np.random.default_rng(7), defaults)
    again, _ = augment(scans, np.random.default_rng(7), defaults)
    for before, after, same, rows in zip(scans, out, again, kept):
        assert len(after) == len(rows) == len(np.unique(rows)) <= len(before)
        assert np.array_equal(after.xyz, same.xyz)
        assert after.name == before.name
    drop = AugmentConfig(**{**OFF, 'max_drop': 0.9, 'p_hidden': 1.0, 'hidden_radius': 0.5})
    (thin,), (rows,) = augment((make_scan(),), np.random.default_rng(1), drop)
    assert np.array_equal(thin.rgb, make_scan().rgb[rows])
    assert len(rows) < len(make_scan())


def test_visits_with_too_many_points_are_thinned_to_about_the_limit():
    many, few = make_scan(0), make_scan(1, n=900)
    (thin, same), (kept, all_kept) = augment(
        (many, few), np.random.default_rng(0), config(max_points=2000)
    )
    assert abs(len(thin) - 2000) < 5 * np.sqrt(2000)
    assert np.array_equal(thin.rgb, many.rgb[kept])
    assert kept[0] < 100  # from everywhere, not the first ones
    assert kept[-1] > 5900
    assert len(same) == 900
    assert np.array_equal(all_kept, np.arange(900))


def test_color_and_normals_can_be_missing():
    scan = make_scan()
    (out,), _ = augment(
        (scan,), np.random.default_rng(0), config(p_no_color=1.0, p_no_normals=1.0)
    )
    assert out.rgb is None
    assert out.normals is None
    bare = Scan(scan.xyz, 0)
    (out,), _ = augment((bare,), np.random.default_rng(0), AugmentConfig())
    assert out.rgb is None
    assert out.normals is None


def test_empty_visit_passes():
    empty = Scan(np.zeros((0, 3), dtype=np.float32), 0)
    (a, b), _ = augment((empty, make_scan()), np.random.default_rng(0), AugmentConfig())
    assert len(a) == 0
    assert len(b) > 0


def test_partial_visit_is_one_side_of_an_upright_plane():
    scan = make_scan()
    for seed in range(5):
        (out,), (rows,) = augment((scan,), np.random.default_rng(seed), config(p_partial=1.0))
        assert 0.29 * len(scan) <= len(out) <= len(scan)
        left = np.setdiff1d(np.arange(len(scan)), rows)
        if not len(left):
            continue
        # A line in the plan has all that was kept on one side.
        kept, gone = scan.xyz[rows, :2], scan.xyz[left, :2]
        angles = np.linspace(-np.pi, np.pi, 3600)
        along = np.stack([np.cos(angles), np.sin(angles)])
        margin = (gone @ along).min(axis=0) - (kept @ along).max(axis=0)
        assert margin.max() > -0.01
