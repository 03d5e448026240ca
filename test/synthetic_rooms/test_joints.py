"""Joints of furniture: what opens, slides, turns and sinks in, model by model."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.synthetic_rooms.furniture import CATALOG, draw, Joint, Piece
from rescene4d_ros.synthetic_rooms.furniture.openings import door
from rescene4d_ros.synthetic_rooms.surfaces import material as look
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box

WHITE = look.Material((1, 1, 1), (1, 1, 1))
DEFORMABLE = (
    'wardrobe',
    'sideboard',
    'chest',
    'filing cabinet',
    'nightstand',
    'wall cabinet',
    'locker',
    'refrigerator',
    'bed',
    'bunk bed',
    'sofa',
    'corner sofa',
    'armchair',
    'office chair',
    'curtain',
    'shower curtain',
    'door',
)


def model_of(name, seed):
    """Return a model by the name of its maker; doors are made to measure of a hole."""
    rng = np.random.default_rng(seed)
    return door(rng, 0.9, 2.0, 0.15) if name == 'door' else draw(name, rng)


def vertices(pieces):
    """Return (V, 3) vertices of all pieces, m."""
    return np.concatenate([p.vertices for p in pieces])


def test_joint_scales_turns_and_slides():
    """Each alone in closed form, and in this order; half the state is half the way."""
    part = box((1, 1, 1), (0, 0, 0), WHITE)
    points = np.array([[2.0, 1.0, 3.0]])
    turned = Joint((part,), (1.0, 1.0, 0.0), turn=np.pi / 2)
    np.testing.assert_allclose(turned.at(points, 1.0), [[1, 2, 3]], atol=1e-12)
    np.testing.assert_allclose(turned.at(points, 0.5), [[1 + 0.5**0.5, 1 + 0.5**0.5, 3]])
    drawn = Joint((part,), (1.0, 0.0, 0.0), slide=(0.0, 4.0, 0.0), scale=(3.0, 1.0, 0.5))
    np.testing.assert_allclose(drawn.at(points, 1.0), [[4, 5, 1.5]])
    np.testing.assert_allclose(drawn.at(points, 0.5), [[3, 3, 2.25]])
    both = replace(turned, slide=(10.0, 0.0, 0.0), scale=(2.0, 1.0, 1.0))
    np.testing.assert_allclose(both.at(points, 1.0), [[11, 3, 3]], atol=1e-12)
    np.testing.assert_array_equal(both.at(points, 0.0), points)


@settings(max_examples=60)
@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(*[st.floats(-2, 2)] * 3),
    st.tuples(*[st.floats(0.3, 2)] * 3),
    st.floats(-3, 3),
    st.floats(0, 1),
)
def test_block_encloses_its_part(pivot, slide, scale, turn, state):
    """Whatever the joint does, each vertex is within all four sides and both levels."""
    part = box((0.6, 0.3, 0.9), (0.4, -0.2, 0.5), WHITE).moved((0, 0, 0), 0.4)
    piece = Piece(part, Joint((part,), pivot, turn, slide, scale), state)
    block, points = piece.block(), piece.vertices
    assert points[:, 2].min() == pytest.approx(block[0, 2])
    assert points[:, 2].max() == pytest.approx(block[4, 2])
    edges = np.roll(block[:4, :2], -1, axis=0) - block[:4, :2]
    to = points[:, None, :2] - block[:4, :2]
    assert (edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0] >= -1e-9).all()


@pytest.mark.parametrize('name', DEFORMABLE)
def test_models_have_shapes(name):
    """Each joint gives another mesh that stays about the model, and 0 is the model as made."""
    for seed in range(4):
        model = model_of(name, seed)
        count = len(model.joints)
        assert count
        rest = vertices(model.pieces())
        np.testing.assert_array_equal(vertices(model.pieces((0.0,) * count)), rest)
        assert [p.part for p in model.pieces()] == list(model.parts)
        low, high = rest.min(axis=0), rest.max(axis=0)
        for j, joint in enumerate(model.joints):
            # The very objects: a joint of parts that the model does not have would move nothing.
            assert {id(p) for p in joint.parts} <= {id(p) for p in model.parts}
            state = tuple(float(j == i) for i in range(count))
            changed = model.pieces(state)
            everything = vertices(changed)
            assert np.isfinite(everything).all()
            moved = [p for p in changed if p.state]
            assert {id(p.part) for p in moved} >= {id(p) for p in joint.parts}
            far = np.concatenate([p.vertices - p.part.vertices for p in moved])
            assert np.linalg.norm(far, axis=1).max() > 0.1
            # To the front by a leaf or drawer, never through the floor, and hardly to the back.
            reach = high - low
            assert everything[:, 2].min() >= low[2] - 1e-9
            assert everything[:, 2].max() <= high[2] + 0.12
            assert everything[:, 1].max() <= high[1] + max(0.75 * reach[1], reach[0])
            assert everything[:, 1].min() >= low[1] - 0.25
            assert (np.abs(everything[:, 0]) <= high[0] + 0.2).all()


@pytest.mark.parametrize('name', ['wardrobe', 'refrigerator', 'chest', 'door', 'office chair'])
def test_hard_parts_keep_their_size(name):
    """Leaves, drawers and seats move as rigid bodies: all distances stay."""
    model = model_of(name, 1)
    for piece in model.pieces((0.7,) * len(model.joints)):
        before, after = piece.part.vertices, piece.vertices
        np.testing.assert_allclose(
            np.linalg.norm(after - after[0], axis=1),
            np.linalg.norm(before - before[0], axis=1),
            atol=1e-9,
        )


@pytest.mark.parametrize('name', ['wardrobe', 'sideboard', 'wall cabinet', 'refrigerator'])
def test_open_cabinets_are_hollow(name):
    """One looks in where a door is open; the outside of the body stays what it was."""
    model = model_of(name, 2)
    k = next(i for i, joint in enumerate(model.joints) if joint.body is not None)
    body = model.joints[k].body
    shown = model.pieces(tuple(float(i == k) for i in range(len(model.joints))))
    assert id(body) not in {id(p.part) for p in shown}
    boards = vertices([Piece(p) for p in model.joints[k].hollow])
    np.testing.assert_allclose(boards.min(axis=0), body.vertices.min(axis=0), atol=1e-9)
    np.testing.assert_allclose(boards.max(axis=0), body.vertices.max(axis=0), atol=1e-9)
    # A finger that is pushed in at the middle of the front meets no board but a shelf.
    high = body.vertices.max(axis=0)
    middle = np.array([body.vertices[:, 0].mean(), high[1] - 0.03])
    met = [
        p
        for p in model.joints[k].hollow
        if (p.vertices[:, :2].min(axis=0) < middle).all()
        and (p.vertices[:, :2].max(axis=0) > middle).all()
    ]
    heights = sum(np.ptp(p.vertices[:, 2]) for p in met)
    assert heights < 0.25 * np.ptp(body.vertices[:, 2])


def test_the_rest_of_the_catalog_is_rigid():
    """Desks and counters have drawers now and then; lamps and pots never change shape."""
    kinds = Counter()
    for name in set(CATALOG) - set(DEFORMABLE):
        kinds[name] = sum(bool(model_of(name, seed).joints) for seed in range(8))
    assert {name for name, count in kinds.items() if count} == {'desk', 'counter'}
