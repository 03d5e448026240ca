"""Who stands where: rectangles against brute force, and furnished rooms against their rules."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.structures import FLOOR, WALL
from rescene4d_ros.synthetic_rooms import PRESETS, ROOM_TYPES, RoomsConfig
from rescene4d_ros.synthetic_rooms.evolution import MIN_SHIFT_M, MIN_TURN_RAD, move
from rescene4d_ros.synthetic_rooms.furniture import draw
from rescene4d_ros.synthetic_rooms.layout.arrangement import Furnisher
from rescene4d_ros.synthetic_rooms.layout.corners import reflex_corners
from rescene4d_ros.synthetic_rooms.layout.floorplan import Floorplan, footprint, overlap, Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import make_room
from rescene4d_ros.synthetic_rooms.life import make_life

rectangles = st.tuples(
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(0.2, 1.5),
    st.floats(0.2, 1.5),
    st.floats(-3.1, 3.1),
)


def corners(rectangle):
    """Return the (4, 2) corners of x, y, width, depth, yaw."""
    x, y, w, d, yaw = rectangle
    c, s = np.cos(yaw), np.sin(yaw)
    unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * (w, d)
    return unit @ np.array([[c, s], [-s, c]]) + (x, y)


def inside(points, rectangle, margin):
    """Return which points are in a rectangle grown by `margin`."""
    x, y, w, d, yaw = rectangle
    c, s = np.cos(yaw), np.sin(yaw)
    local = (points - (x, y)) @ np.array([[c, -s], [s, c]])
    return (np.abs(local) <= np.array([w, d]) / 2 + margin).all(axis=1)


@settings(max_examples=100)
@given(rectangles, rectangles)
def test_overlap_agrees_with_points(a, b):
    """A common point proves it; no common point of the grown ones disproves it."""
    u, v = np.meshgrid(np.linspace(-2.2, 2.2, 90), np.linspace(-2.2, 2.2, 120))
    points = np.stack([u.ravel(), v.ravel()], axis=1)
    found = overlap(corners(a), corners(b)[None])[0]
    if (inside(points, a, -1e-6) & inside(points, b, -1e-6)).any():
        assert found
    if not (inside(points, a, 0.06) & inside(points, b, 0.06)).any():
        assert not found


def test_overlap_of_many_is_that_of_each():
    """The vectorised answer is the list of single answers, and it is symmetric."""
    rng = np.random.default_rng(0)
    many = np.stack(
        [
            corners((*rng.uniform(-1, 1, 2), *rng.uniform(0.2, 1, 2), rng.uniform(0, 6)))
            for _ in range(40)
        ]
    )
    for one in many[:10]:
        together = overlap(one, many)
        assert together.tolist() == [bool(overlap(other, one[None])[0]) for other in many]


def a_room(kind, seed, niche=True):
    """Return an empty room, with a niche where one fits."""
    return make_room(
        kind, 15, np.random.default_rng(seed), niche=np.random.default_rng(seed) if niche else None
    )


@pytest.mark.parametrize('kind', ROOM_TYPES)
def test_niche_makes_one_wall_five_and_the_floor_covers_all_of_it(kind):
    rng = np.random.default_rng(0)
    for seed in range(4):
        plain, room = a_room(kind, seed, niche=False), a_room(kind, seed)
        assert len(room.outline) == len(plain.outline) + 4
        assert reflex_corners(room.outline).sum() == reflex_corners(plain.outline).sum() + 2
        points = rng.uniform(room.outline.min(0), room.outline.max(0), (400, 2))
        on_floor = np.zeros(len(points), bool)
        for part, kind_of in room.structure:
            if kind_of == FLOOR:
                low, high = part.vertices.min(0), part.vertices.max(0)
                on_floor |= ((points > low[:2]) & (points < high[:2])).all(1)
        assert np.array_equal(on_floor, room.contains(points))
        grown = room.contains(points) & ~plain.contains(points)
        assert not (plain.contains(points) & ~room.contains(points)).any()
        assert 0 < grown.sum() < 0.2 * len(points)


@pytest.mark.parametrize('kind', ROOM_TYPES)
def test_no_wall_stands_in_the_room(kind):
    """Also at corners that point into the room, of an L and of a niche."""
    for seed in range(6):
        room = a_room(kind, seed)
        for part, kind_of in room.structure:
            if kind_of != WALL or np.ptp(part.vertices[:, 2]) < 0.1:  # skirting boards do
                continue
            middle = part.vertices.mean(0)
            inner = middle + 0.99 * (part.vertices - middle)
            assert not room.contains(inner[:, :2]).any()


@pytest.mark.parametrize('kind', ROOM_TYPES)
def test_rooms_are_closed_and_hold_what_they_say(kind):
    """Holes lie within their walls, apart from each other; areas match the walls' length."""
    for seed in range(6):
        room = a_room(kind, seed, niche=seed % 2 == 1)
        for wall, other in zip(room.walls, room.walls[1:] + room.walls[:1]):
            np.testing.assert_allclose(wall.end, other.start)
            middle = (wall.start + wall.end) / 2
            assert room.contains((middle + 0.01 * wall.inward)[None])[0]
            assert not room.contains((middle - 0.01 * wall.inward)[None])[0]
        for hole in room.openings:
            assert hole.width / 2 < hole.middle < room.walls[hole.wall].length - hole.width / 2
            assert hole.sill + hole.height < room.height
        assert any(h.model.class_name == 'door' for h in room.openings)


def lives(count, **values):
    """Return lives of different rooms."""
    config = make(RoomsConfig, values)
    return [make_life(seed, config) for seed in range(count)]


@pytest.fixture(scope='module')
def busy():
    """Return a few rooms in which much happens."""
    return lives(7, visits=4, **PRESETS['busy'])


def test_nothing_stands_in_anything(busy):
    """Bodies of things that do not belong together do not cross, at any visit."""
    pairs = 0
    for life in busy:
        for placed in life.visits:
            things = [p for p in placed.values() if p.model.place != 'opening']
            for i, a in enumerate(things):
                for b in things[i + 1 :]:
                    if a.parent == b.instance_id or b.parent == a.instance_id:
                        continue
                    low = max(a.z, b.z)
                    high = min(a.z + a.model.size[2], b.z + b.model.size[2])
                    if high - low < 0.02:
                        continue
                    pairs += 1
                    assert not overlap(footprint(a, -0.015), footprint(b, -0.015)[None])[0], (
                        a.model.name,
                        b.model.name,
                    )
    assert pairs > 500


def test_everything_is_in_the_room(busy):
    """Middles inside the outline, bodies between floor and ceiling."""
    for life in busy:
        for p in life.visits[-1].values():
            if p.model.place != 'opening':
                assert life.room.contains(np.array([[p.x, p.y]]))[0], p.model.name
            assert p.z + p.model.size[2] < life.room.height + 0.01
            assert p.z > -0.2


def test_identities_keep_their_model_and_moves_can_be_seen(busy):
    """An id is one model for ever; what moved moved further than a registration error."""
    moved = 0
    for life in busy:
        models = {}
        for before, now in zip((None, *life.visits), life.visits):
            for k, p in now.items():
                assert models.setdefault(k, p.model) is p.model
                if before and k in before and p.parent == before[k].parent == 0:
                    old = before[k]
                    far = np.hypot(p.x - old.x, p.y - old.y)
                    turn = abs((p.yaw - old.yaw + np.pi) % (2 * np.pi) - np.pi)
                    if far or turn:
                        moved += 1
                        assert far >= MIN_SHIFT_M or turn >= MIN_TURN_RAD or p.z != old.z
    assert moved > 10


def test_what_stands_on_a_thing_goes_with_it():
    """A monitor keeps its place on its desk, and the chair before it, when the desk moves."""
    moved = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        work = Furnisher(Floorplan(make_room('office', 10, rng)), RoomsConfig(), rng)
        desk = work.add(work.place(draw('desk', rng), '', 'desk'))
        chair = work.add(work.place(draw('office chair', rng), 'around desk', 'chair'))
        monitor = work.add(work.place(draw('monitor', rng), 'on desk', 'monitor'))
        assert chair.parent == monitor.parent == desk.instance_id
        move(work, desk, rng)
        there = work.plan.placed[desk.instance_id]
        moved += there != desk
        for old in (chair, monitor):
            new = work.plan.placed[old.instance_id]
            np.testing.assert_allclose(
                np.linalg.inv(there.room_T_object) @ new.room_T_object,
                np.linalg.inv(desk.room_T_object) @ old.room_T_object,
                atol=1e-9,
            )
    assert moved >= 3


def test_share_of_changes_is_that_of_real_rooms():
    """About 17 % of the movable things by default, much more when busy, none when told so."""

    def share(count, **values):
        changed = total = 0
        for life in lives(count, **values):
            before, now = life.visits
            movable = [k for k, p in before.items() if p.model.liveliness]
            total += len(movable)
            changed += sum(
                k not in now or now[k].room_T_object.tolist() != before[k].room_T_object.tolist()
                for k in movable
            )
            changed += len(now.keys() - before.keys())
        return changed / total

    assert 0.08 < share(20) < 0.26
    assert share(6, **PRESETS['busy']) > 0.3
    assert share(3, p_move=0.0, p_remove=0.0, p_arrive=0.0, p_swap=0.0) == 0


@pytest.mark.parametrize(
    ('asked', 'kind'),
    [(5, 'living'), (25, 'office'), (80, 'bedroom'), (150, 'living'), (150, 'kitchen')],
)
def test_room_holds_as_many_as_asked_for(asked, kind):
    """From nearly empty to crowded."""
    (life,) = lives(1, visits=1, min_objects=asked, max_objects=asked, room_type=kind)
    assert len(life.visits[0]) == asked


def test_room_is_full_earlier_with_the_bound_of_the_fixed_sets():
    """A bound on failures that does not grow with what is asked for."""
    (life,) = lives(
        1, visits=1, min_objects=150, max_objects=150, room_type='office', failures_per_object=0.0
    )
    assert 100 < len(life.visits[0]) < 150


def test_things_that_carry_each_other_are_met_once():
    """A thing that was moved onto itself or onto what it carries does not stop the search."""
    model = draw('box', np.random.default_rng(0))
    plan = Floorplan(a_room('living', 3))
    for k, parent in ((1, 2), (2, 1), (3, 3), (4, 3)):
        plan.placed[k] = replace(Placed.at(model, (0, 0), 0, 0), instance_id=k, parent=parent)
    assert [p.instance_id for p in plan.children(1)] == [2]
    assert [p.instance_id for p in plan.children(3)] == [4]
