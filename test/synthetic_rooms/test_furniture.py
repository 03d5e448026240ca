"""Furniture and the parts it is made of: sizes, classes, and shapes known in closed form."""

import numpy as np
import pytest
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.synthetic_rooms.furniture import CATALOG, draw
from rescene4d_ros.synthetic_rooms.furniture.openings import door, window
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import (
    box,
    cushion,
    cylinder,
    lathe,
    oval,
    prism,
    tube,
)
from rescene4d_ros.synthetic_rooms.surfaces.pattern import albedo

WHITE = look.Material((1, 1, 1), (1, 1, 1))


def area(part):
    """Return the surface area of a part, m^2."""
    corners = part.vertices[part.faces]
    return (
        np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        ).sum()
        / 2
    )


def volume(part):
    """Return the volume that a closed part encloses, m^3 (divergence theorem)."""
    corners = part.vertices[part.faces]
    return (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6


def test_box_area_and_volume():
    """Faces point outwards: the volume is positive."""
    part = box((2, 3, 4), (10, -5, 1), WHITE)
    assert area(part) == pytest.approx(2 * (6 + 8 + 12))
    assert volume(part) == pytest.approx(24)


def test_moved_parts_keep_shape():
    """A turn and a shift change neither area nor volume; a quarter turn maps x to y."""
    part = box((2, 3, 4), (0, 0, 0), WHITE)
    moved = part.moved((5, 6, 7), 0.7).tilted(0.3, (1, 2, 3))
    assert area(moved) == pytest.approx(area(part))
    assert volume(moved) == pytest.approx(24)
    turned = box((2, 1, 1), (3, 0, 0), WHITE).moved((0, 0, 0), np.pi / 2)
    np.testing.assert_allclose(turned.vertices.mean(axis=0), (0, 3, 0), atol=1e-12)


def test_round_parts_approach_their_formulas():
    """Cylinder, sphere and prism against closed form."""
    many = cylinder(0.5, 2.0, (0, 0, 0), WHITE, sides=200)
    assert area(many) == pytest.approx(2 * np.pi * 0.5 * 2 + 2 * np.pi * 0.25, rel=1e-3)
    t = np.linspace(-np.pi / 2, np.pi / 2, 100)
    ball = lathe(np.stack([np.cos(t), np.sin(t)], axis=1), WHITE, sides=200)
    assert area(ball) == pytest.approx(4 * np.pi, rel=2e-3)
    disc = prism(oval(2.0, 2.0, 300), 0.0, 0.5, WHITE)
    assert volume(disc) == pytest.approx(np.pi * 0.5, rel=1e-3)


def test_cushion_stays_in_its_size_and_rounds_its_corners():
    """Without puff it fits the box and loses volume only at edges."""
    part = cushion((1.0, 0.8, 0.4), (0, 0, 0), WHITE, radius=0.1)
    np.testing.assert_allclose(np.ptp(part.vertices, axis=0), (1.0, 0.8, 0.4), atol=1e-9)
    corner = np.array([0.5, 0.4, 0.2])
    nearest = np.linalg.norm(part.vertices - corner, axis=1).min()
    assert nearest > 0.1 * (np.sqrt(3) - 1) * 0.9
    puffed = cushion((1.0, 0.8, 0.4), (0, 0, 0), WHITE, radius=0.1, puff=0.05)
    assert np.ptp(puffed.vertices[:, 2]) == pytest.approx(0.5, abs=0.02)


def test_tube_keeps_its_radius():
    """Every vertex of a straight bar is one radius from its axis, whatever its direction."""
    for end in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, 3)):
        part = tube([(0, 0, 0), end], 0.05, WHITE)
        axis = np.array(end) / np.linalg.norm(end)
        away = part.vertices - np.outer(part.vertices @ axis, axis)
        np.testing.assert_allclose(np.linalg.norm(away, axis=1), 0.05, atol=1e-12)


def test_catalog_has_every_class():
    """All 18; doors and windows are made to measure of their holes."""
    rng = np.random.default_rng(0)
    made = {draw(name, rng).class_name for name in CATALOG}
    made |= {door(rng, 0.9, 2.0, 0.2).class_name, window(rng, 1.2, 1.3, 0.2).class_name}
    assert made == set(INSTANCE_CLASSES)


@pytest.mark.parametrize('name', CATALOG)
def test_models_are_sound(name):
    """Origin under the middle, finite, of a size that fits a room, made alike by the same seed."""
    sizes = set()
    for seed in range(6):
        model = draw(name, np.random.default_rng(seed))
        every = np.concatenate([p.vertices for p in model.parts])
        assert np.isfinite(every).all()
        low, high = every.min(axis=0), every.max(axis=0)
        np.testing.assert_allclose(low[:2], -high[:2], atol=1e-9)
        assert low[2] == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(high - low, model.size, atol=1e-9)
        assert 0.04 < max(model.size) < 3.6
        for part in model.parts:
            assert part.faces.min() >= 0
            assert part.faces.max() < len(part.vertices)
        again = draw(name, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.concatenate([p.vertices for p in again.parts]), every)
        sizes.add(tuple(np.round(model.size, 4)))
    assert len(sizes) == 6


@pytest.mark.parametrize('name', ['dining table', 'desk', 'counter', 'sideboard', 'nightstand'])
def test_tops_lie_on_the_model(name):
    """A thing put on a top neither floats nor sinks: faces of the model are at that height."""
    for seed in range(5):
        model = draw(name, np.random.default_rng(seed))
        assert model.tops
        for top in model.tops:
            assert -model.size[0] / 2 <= top.x[0] <= top.x[1] <= model.size[0] / 2
            assert -model.size[1] / 2 <= top.y[0] <= top.y[1] <= model.size[1] / 2
            heights = np.concatenate([p.vertices[:, 2] for p in model.parts])
            assert np.abs(heights - top.z).min() < 0.002


def test_patterns_move_with_their_object():
    """Albedo depends on the place in the model, in bounds and repeatable."""
    rng = np.random.default_rng(1)
    makers = (
        look.wood,
        look.fabric,
        look.paint,
        look.flooring,
        look.painting,
        look.book_spines,
        look.glass,
        look.screen,
        look.metal,
        look.ceramic,
        look.leaves,
        look.plastic,
    )
    materials = [make(rng) for make in makers for _ in range(4)]
    index = rng.integers(0, len(materials), 5000)
    local = rng.uniform(-2, 2, (5000, 3))
    color = albedo(materials, index, local)
    assert color.min() >= 0
    assert color.max() <= 1
    np.testing.assert_array_equal(color, albedo(materials, index, local))
    order = rng.permutation(5000)
    np.testing.assert_array_equal(albedo(materials, index[order], local[order]), color[order])
