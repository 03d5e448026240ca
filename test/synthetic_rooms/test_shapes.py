"""Rooms in which doors, drawers, cushions, cloth and seats change their shape between visits."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.data.readers.truth_files import read_truth, write_truth_files
from rescene4d_ros.structures import ChangeKind, ObjectState
from rescene4d_ros.synthetic_rooms import make_sequence, PRESETS, RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import draw
from rescene4d_ros.synthetic_rooms.layout.clearance import Clearance
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import make_room
from rescene4d_ros.synthetic_rooms.life import make_life
from rescene4d_ros.synthetic_rooms.rendering.camera import camera_poses
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import surface_of
from rescene4d_ros.synthetic_rooms.sample import SAMPLE
from rescene4d_ros.synthetic_rooms.sequence import scan_life

ROOT = Path(__file__).resolve().parents[2]
STILL = {'p_move': 0.0, 'p_remove': 0.0, 'p_arrive': 0.0, 'p_swap': 0.0, 'p_hidden_zone': 0.0}
QUICK = {'views': 10, 'view_width': 96, 'view_height': 72, 'spacing': 0.04}


def vertices(pieces):
    """Return (V, 3) vertices of all pieces, m."""
    return np.concatenate([p.vertices for p in pieces])


def lives(count, **values):
    """Return lives of different rooms."""
    config = make(RoomsConfig, values)
    return [make_life(seed, config) for seed in range(count)]


@pytest.fixture(scope='module')
def restless():
    """Return rooms in which everything that can changes shape, while other things go on."""
    return lives(6, visits=4, **{**PRESETS['busy'], 'p_deform': 1.0})


@pytest.fixture(scope='module')
def scanned():
    """Return life, sequence and truth of rooms where nothing happens but changes of shape."""
    config = make(RoomsConfig, {**STILL, **QUICK, 'visits': 3, 'p_deform': 0.7})
    made = [(seed, make_life(seed, config)) for seed in (3, 5, 8)]
    return [(life, *scan_life(life, seed, config)) for seed, life in made]


def test_shapes_leave_everything_else_alone():
    """Poses, identities and models are those of the same seed without; so is a scan of them."""
    base = {**PRESETS['busy'], **QUICK, 'visits': 2, 'views': 4}
    without = make(RoomsConfig, {**base, 'p_deform': 0.0})
    for seed in range(3):
        rigid = make_life(seed, without)
        soft = make_life(seed, make(RoomsConfig, {**base, 'p_deform': 0.5}))
        assert rigid.stamps_ns == soft.stamps_ns
        np.testing.assert_array_equal(rigid.map_T_room, soft.map_T_room)
        changed = 0
        for one, two in zip(rigid.visits, soft.visits, strict=True):
            assert list(one) == list(two)
            for k, p in one.items():
                changed += any(two[k].state)
                assert p.state == ()
                assert replace(p, model=None) == replace(two[k], model=None, state=())
                np.testing.assert_array_equal(vertices(p.pieces), vertices(two[k].model.pieces()))
        assert changed
    stripped = replace(
        soft, visits=tuple({k: replace(p, state=()) for k, p in v.items()} for v in soft.visits)
    )
    assert bytes_of(*scan_life(stripped, seed, without)) == bytes_of(*make_sequence(seed, without))


def bytes_of(sequence, truth):
    """Return all arrays and objects of a sequence as bytes."""
    return (
        b''.join(
            a.tobytes()
            for scan, visit in zip(sequence.scans, truth.visits)
            for a in (
                scan.xyz,
                scan.rgb,
                scan.normals,
                scan.sensor_path,
                visit.instance,
                visit.semantic,
            )
        )
        + repr([v.objects for v in truth.visits]).encode()
    )


def test_the_sample_of_the_repository_is_rigid():
    """And its seed still gives the places that its truth tells."""
    truth = read_truth(ROOT / 'data' / 'sample')
    seed = int((ROOT / 'data' / 'sample' / 'truth.json').read_text().split('living-')[1][:8])
    life = make_life(seed, make(RoomsConfig, {**SAMPLE, 'room_type': 'living'}))
    for visit, placed in zip(truth.visits, life.visits, strict=True):
        assert {o.instance_id for o in visit.objects if o.in_room} == set(placed)
        for o in visit.objects:
            assert o.change != ChangeKind.DEFORMED
            if o.in_room:
                pose = life.map_T_room @ placed[o.instance_id].room_T_object
                np.testing.assert_allclose(o.map_T_object, pose, atol=1e-5)


def test_same_seed_same_shapes(restless):
    """And another seed gives others."""
    config = make(RoomsConfig, {**PRESETS['busy'], 'visits': 4, 'p_deform': 1.0})

    def states(life):
        return [[(k, p.state) for k, p in v.items()] for v in life.visits]

    assert states(make_life(0, config)) == states(restless[0])
    assert states(restless[1]) != states(restless[0])


def test_shapes_change_only_where_things_stay(restless):
    """What moves, or is away for a while, has the shape in which it was left."""
    kept = changed = 0
    for life in restless:
        last = {}
        for t, placed in enumerate(life.visits):
            for k, p in placed.items():
                assert len(p.state) in (0, len(p.model.joints))
                old, seen = last.get(k, (p, t))
                same = old.room_T_object.tolist() == p.room_T_object.tolist() and seen == t - 1
                if old.state != p.state:
                    assert same
                    far = np.abs(np.subtract(p.state, old.state or (0.0,) * len(p.state)))
                    assert far.max() >= 0.5
                    changed += 1
                kept += bool(any(p.state) and t and not same)
                last[k] = (p, t)
    assert changed > 20
    assert kept


def test_nothing_opens_into_anything(restless):
    """No point inside a leaf, drawer, cushion or seat is in a part of another thing or a wall."""
    rng = np.random.default_rng(0)
    tried = 0
    for life in restless:
        for placed in life.visits:
            for p in placed.values():
                opened = [q for q in p.pieces if q.state]
                if not opened:
                    continue
                points = np.concatenate([inside(q.block(-0.01), rng) for q in opened])
                pose = p.room_T_object
                points = points @ pose[:3, :3].T + pose[:3, 3]
                if p.model.place != 'opening':
                    assert life.room.contains(points[:, :2]).all(), p.model.name
                for other in placed.values():
                    over_rim = p.model.place == 'tub' and other.instance_id == p.parent
                    if other is p or over_rim:
                        continue
                    tried += 1
                    assert not touches(points, other), (p.model.name, other.model.name)
    assert tried > 300


def inside(block, rng):
    """Return points in a block given by its (8, 3) corners."""
    share = rng.random((60, 3, 1))
    x, y, z = share[:, 0], share[:, 1], 0.1 + 0.8 * share[:, 2]
    a, b, c, d = (
        corner + z * (block[4:, 2] - block[:4, 2])[i] * np.array([0, 0, 1])
        for i, corner in enumerate(block[:4])
    )
    return (1 - y) * ((1 - x) * a + x * b) + y * ((1 - x) * d + x * c)


def touches(points, placed):
    """Return whether some of the (N, 3) points (m) are in a part that is where it was made."""
    pose = np.linalg.inv(placed.room_T_object)
    local = points @ pose[:3, :3].T + pose[:3, 3]
    for piece in placed.pieces:
        if piece.state:
            continue
        low, high = piece.vertices.min(axis=0), piece.vertices.max(axis=0)
        slack = np.minimum(0.012, (high - low) / 3)
        if ((local > low + slack) & (local < high - slack)).all(axis=1).any():
            return True
    return False


def test_a_drawer_needs_room():
    """It comes out into free floor, not into a wall, and not into a box that stands before it."""
    room = make_room('living', 10, np.random.default_rng(0))
    chest = draw('chest', np.random.default_rng(0))
    wall = max(room.walls, key=lambda w: w.length)
    at = (wall.start + wall.end) / 2 + wall.inward * (chest.size[1] / 2 + 0.03)
    state = (1.0,) + (0.0,) * (len(chest.joints) - 1)
    there = Placed(1, chest, *at, 0.0, wall.facing, state=state)
    allows = Clearance(room).allows
    assert allows(there, [0], [there])
    before = at + wall.inward * (chest.size[1] / 2 + 0.25)
    carton = Placed(2, draw('box', np.random.default_rng(0)), *before, 0.0, wall.facing)
    assert not allows(there, [0], [there, carton])
    beside = Placed(2, carton.model, *(before + wall.along * 1.3), 0.0, wall.facing)
    assert allows(there, [0], [there, beside])
    assert not allows(replace(there, yaw=there.yaw + np.pi), [0], [])


def test_truth_says_which_shapes_changed(scanned):
    """DEFORMED exactly where the state differs; pose, class and identity stay."""
    deformed = 0
    for life, _, truth in scanned:
        for t in range(1, len(life.visits)):
            before = {o.instance_id: o for o in truth.visits[t - 1].objects}
            for o in truth.visits[t].objects:
                old, now = (life.visits[i][o.instance_id] for i in (t - 1, t))
                is_other = old.state != now.state
                assert (o.change == ChangeKind.DEFORMED) == is_other
                assert is_other or o.change == ChangeKind.UNKNOWN
                np.testing.assert_array_equal(o.map_T_object, before[o.instance_id].map_T_object)
                assert o.class_id == before[o.instance_id].class_id
                deformed += is_other
    assert deformed > 8


def test_boxes_follow_the_shape(scanned):
    """They bound the mesh in its state tightly, and hold what was scanned."""
    grown = 0
    for life, sequence, truth in scanned:
        for placed, scan, visit in zip(life.visits, sequence.scans, truth.visits):
            for o in visit.objects:
                p = placed[o.instance_id]
                to_box = np.linalg.inv(o.box.map_T_box)
                pose = to_box @ life.map_T_room @ p.room_T_object
                local = vertices(p.pieces) @ pose[:3, :3].T + pose[:3, 3]
                half = np.array(o.box.size) / 2
                np.testing.assert_allclose(local.max(axis=0), half, atol=1e-6)
                np.testing.assert_allclose(local.min(axis=0), -half, atol=1e-6)
                grown += max(np.subtract(o.box.size, p.model.size)) > 0.1
                points = scan.xyz[visit.instance == o.instance_id] @ to_box[:3, :3].T
                points = points + to_box[:3, 3]
                if len(points) >= 25:
                    assert (np.abs(points) < half + 0.09).all(axis=1).mean() > 0.97
                    assert 0 < o.visible_share <= 1
    assert grown


def test_patterns_stick_to_what_moves():
    """The scanner looks colors up where a point was when the model was made."""
    room = make_room('bedroom', 10, np.random.default_rng(0))
    bed = draw('bed', np.random.default_rng(0))
    rest = surface_of(room, [Placed(1, bed, 0.0, 0.0, 0.0, 0.3)])
    state = (1.0,) * len(bed.joints)
    changed = surface_of(room, [Placed(1, bed, 0.0, 0.0, 0.0, 0.3, state=state)])
    np.testing.assert_array_equal(rest.local, changed.local)
    assert np.abs(rest.vertices - changed.vertices).max() > 0.1


def test_nobody_walks_through_an_open_door(restless):
    """The camera keeps off leaves as high as itself."""
    leaves = 0
    for life in restless:
        placed = life.visits[-1].values()
        poses = camera_poses(life.room, placed, RoomsConfig(), np.random.default_rng(0))
        for p in placed:
            for piece in p.pieces:
                pose = p.room_T_object
                block = piece.block() @ pose[:3, :3].T + pose[:3, 3]
                if piece.state and block[0, 2] < 1.1 and block[4, 2] > 1.9:
                    leaves += 1
                    corners = block[:4, :2]
                    edges = np.roll(corners, -1, axis=0) - corners
                    to = poses[:, None, :2, 3] - corners
                    away = edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0] < 0
                    assert away.any(axis=1).all()
    assert leaves


def test_real_rooms_change_shape_now_and_then():
    """By default about as much changes as in real rooms, and shapes are the smaller part."""
    kinds = Counter()
    for life in lives(25):
        before, now = life.visits
        can = [k for k, p in before.items() if p.model.liveliness or p.model.joints]
        kinds['can'] += len(can)
        for k in can:
            old, new = before[k], now.get(k)
            moved = new is None or old.room_T_object.tolist() != new.room_T_object.tolist()
            kinds['moved or gone'] += moved
            kinds['shape'] += not moved and old.state != new.state
        kinds['moved or gone'] += len(now.keys() - before.keys())
    share = (kinds['moved or gone'] + kinds['shape']) / kinds['can']
    assert 0.08 < share < 0.26
    assert 0 < kinds['shape'] < 0.5 * kinds['moved or gone']


def test_a_drawn_curtain_has_not_moved(scanned, tmp_path):
    """The truth beside a bag counts no way for it, though the middle of its box is elsewhere."""
    shifted = 0
    for _, sequence, truth in scanned:
        write_truth_files(tmp_path, sequence, truth)
        for t in range(1, len(truth.visits)):
            for old, o in zip(truth.visits[t - 1].objects, truth.visits[t].objects, strict=True):
                shifted += np.linalg.norm(np.subtract(o.box.center, old.box.center)) > 0.05
        assert '"DEFORMED"' in (tmp_path / 'truth.json').read_text()
        assert set(moved_of((tmp_path / 'truth.json').read_text())) == {'0.0'}
        again = read_truth(tmp_path)
        assert [
            [(o.change, o.state == ObjectState.PRESENT) for o in v.objects] for v in again.visits
        ] == [
            [(o.change, o.state == ObjectState.PRESENT) for o in v.objects] for v in truth.visits
        ]
    assert shifted


def moved_of(text):
    """Return the values of all lines of moved distances."""
    return [line.split(':')[1].strip(' ,') for line in text.splitlines() if '"moved_m"' in line]
