"""What the texture of a surface tells of its motion: a table that looks alike from two sides."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.se3 import transform, upright, wrap, yaw_of
from rescene4d_ros.structures import ObjectState, Scan
from rescene4d_ros.tracking.association.appearance import describe_texture
from rescene4d_ros.tracking.motion import estimate_motion, MotionKind
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.settings import MotionConfig
from rescene4d_ros.tracking.visit_view import VisitView

NOTHING = np.zeros(0, np.float32)
SIZE = np.array([1.2, 0.7])  # m; of the table top
TABLE, FLOOR = 7, 0  # ids


def flat(size, height: float, seed: int) -> np.ndarray:
    """Return points of a level rectangle about the origin, no lattice."""
    count = int(size[0] * size[1] / 0.02**2)
    xy = np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 2)) * size
    return np.c_[xy, np.full(count, height)]


def grained(xyz: np.ndarray) -> np.ndarray:
    """Return the colors of wood whose grain is not the same from both sides."""
    wave = np.sin(29 * xyz[:, 0] + 11 * xyz[:, 1]) * np.cos(23 * xyz[:, 1] + 1)
    return 120 * (1 + 0.25 * wave[:, None]) * (1.0, 0.8, 0.6)


def scan(motion: np.ndarray, seed: int, light, is_plain: bool = False) -> tuple[Scan, np.ndarray]:
    """Return a noisy scan of a table on a floor, lit from one side, and the table's points."""
    top, floor = flat(SIZE, 0.7, seed), flat((5, 5), 0.0, seed + 1)
    rgb = np.full((len(top), 3), 120.0) if is_plain else grained(top)
    xyz = np.concatenate([transform(motion, top), floor])
    rgb = np.concatenate([rgb, np.full((len(floor), 3), 150.0)])
    rng = np.random.default_rng(seed + 2)
    rgb = rgb * light * (1 + 0.1 * xyz[:, :1]) + rng.normal(0, 3, rgb.shape)
    xyz = xyz + rng.normal(0, 0.003, xyz.shape)
    return (
        Scan(np.float32(xyz), seed, np.uint8(np.clip(rgb, 0, 255))),
        np.where(np.arange(len(xyz)) < len(top), TABLE, FLOOR).astype(np.int64),
    )


def turn_found(degrees: float, **kwargs) -> float:
    """Return by how many degrees the table has turned, as told from two scans."""
    motion = upright(np.radians(degrees), (1.0, 0.6, 0))
    (first, labels), (second, now) = (
        scan(np.eye(4), 0, (1.0, 1.0, 1.0), **kwargs),
        scan(motion, 10, (0.7, 0.75, 0.8), **kwargs),
    )
    old, new = first.xyz[labels == TABLE], second.xyz[now == TABLE]
    record = ObjectRecord(
        TABLE,
        ObjectState.PRESENT,
        False,
        0.9,
        fit_box(old),
        1,
        1,
        None,
        1,
        0.0,
        '',
        NOTHING,
        NOTHING,
        NOTHING,
        old,
    )
    seen = Observation(
        np.flatnonzero(now == TABLE), new, fit_box(new), NOTHING, 0.9, NOTHING, NOTHING, {}
    )
    found = estimate_motion(
        record, seen, VisitView(second), VisitView(first, labels), MotionConfig()
    )
    assert found.motion is MotionKind.MOVED
    return float(np.degrees(yaw_of(found.after_T_before)))


@pytest.mark.parametrize('degrees', [-110, -40, 100, 140, 180])
def test_grain_tells_which_way_a_table_was_turned(degrees):
    off = np.radians(turn_found(degrees) - degrees)
    assert abs(np.degrees(wrap(off))) < 10


@pytest.mark.parametrize(('degrees', 'lesser'), [(140, -40), (-110, 70)])
def test_plain_table_turned_as_little_as_may_be(degrees, lesser):
    assert turn_found(degrees, is_plain=True) == pytest.approx(lesser, abs=10)


def test_texture_is_of_the_surface_and_not_of_the_light():
    xyz = flat((1, 1), 0.0, 3)
    up = np.tile((0.0, 0.0, 1.0), (len(xyz), 1))
    one, dim = (
        describe_texture(xyz, up, np.uint8(grained(xyz) * light * (1 + 0.2 * xyz[:, :1])))
        for light in (1.0, (0.5, 0.6, 0.7))
    )
    assert np.corrcoef(one, dim)[0, 1] > 0.95
    shaded = describe_texture(xyz, up, np.uint8(200 * (1 + 0.2 * xyz[:, :1]) * np.ones((1, 3))))
    assert shaded.std() < one.std() / 5


def test_edge_between_a_light_and_a_dark_side_is_no_texture():
    top = flat((1, 1), 0.0, 4)
    side = top[:, [0, 2, 1]] + (0, 0.5, -0.5)
    normals = np.repeat([(0.0, 0.0, 1.0), (0.0, 1.0, 0.0)], len(top), axis=0)
    rgb = np.repeat(np.uint8([(200, 200, 200), (80, 80, 80)]), len(top), axis=0)
    assert np.abs(describe_texture(np.concatenate([top, side]), normals, rgb)).max() < 0.1


def test_few_points_have_no_texture():
    assert np.isnan(
        describe_texture(np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3), np.uint8))
    ).all()


def test_texture_of_an_object_is_that_of_its_own_points():
    visit, labels = scan(np.eye(4), 0, (1.0, 1.0, 1.0))
    view = VisitView(visit, labels)
    table, floor = visit.xyz[labels == TABLE], visit.xyz[labels == FLOOR]
    assert np.isfinite(view.texture_of(TABLE, table)).mean() > 0.95
    for object_id, xyz in (
        (TABLE, floor),
        (FLOOR, table),
        (TABLE, table + np.float32(0.3)),
        (TABLE, table[:0]),
    ):
        found = view.texture_of(object_id, xyz)
        assert len(found) == len(xyz)
        assert np.isnan(found).all()
    assert np.isnan(VisitView(Scan(visit.xyz, 0), labels).texture_of(TABLE, table)).all()
