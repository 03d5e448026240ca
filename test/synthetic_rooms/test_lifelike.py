"""Rooms with things in contact, scanned as people scan them, annotated as people annotate."""

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.sequence_file import read_extras
from rescene4d_ros.structures import UNLABELED
from rescene4d_ros.synthetic_rooms import make_life, make_sequence, PRESETS, RoomsConfig
from rescene4d_ros.synthetic_rooms.clutter.props import design_split, DESIGNS, draw_prop, PROPS
from rescene4d_ros.synthetic_rooms.comparison import scan_statistics
from rescene4d_ros.synthetic_rooms.sequence import left_out_of, scan_life
from rescene4d_ros.synthetic_rooms.sets import read_record

SEED = 6
LIFELIKE = ('lifelike-train', 'lifelike-val', 'lifelike-test', 'lifelike-long')
CONFIG = {**PRESETS['lifelike'], 'max_objects': 40, 'room_type': 'kitchen'}


@pytest.fixture(scope='module')
def config():
    """Return settings of a lifelike kitchen."""
    return make(RoomsConfig, CONFIG)


@pytest.fixture(scope='module')
def life(config):
    """Return what happens in it."""
    return make_life(SEED, config)


@pytest.fixture(scope='module')
def made(life, config):
    """Return its scans and truth."""
    return scan_life(life, SEED, config)


def test_things_touch_each_other():
    """Over some rooms, a median thing has a good share of its points at another one."""
    config = make(RoomsConfig, {**PRESETS['lifelike'], 'visits': 1, 'max_objects': 50})
    found = []
    for seed in range(3):
        sequence, truth = make_sequence(seed, config)
        found.append(scan_statistics(sequence.scans[0], truth.visits[0], np.random.default_rng(0)))
    assert 0.04 < np.median([f['contact_median'] for f in found]) < 0.3
    assert max(f['things'] for f in found) >= 20


def test_what_stands_on_something_is_carried_by_it(life):
    """Things on tables have a parent that is in the room, and lie no lower than its foot."""
    placed = life.visits[0]
    children = [p for p in placed.values() if p.parent]
    assert len(children) >= 5
    for p in children:
        assert p.parent in placed
        assert p.z >= placed[p.parent].z - 0.02


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(made, config):
    """Nothing depends on the order of a hash table or on threads."""
    again, truth = make_sequence(SEED, config)
    for one, other in zip(made[0].scans, again.scans):
        assert np.array_equal(one.xyz, other.xyz)
        assert np.array_equal(one.rgb, other.rgb)
        assert np.array_equal(one.normals, other.normals)
    for one, other in zip(made[1].visits, truth.visits):
        assert np.array_equal(one.instance, other.instance)


def make_set(name, folder, *options):
    """Make a fixed set and compare it with its record; return the exit status."""
    return main(['rooms', 'set', name, '--out', str(folder), '--no-superpoints', *options])


def test_the_first_room_of_a_set_is_as_recorded(tmp_path):
    """Another processor may round points otherwise, but the room and its changes are the same."""
    assert make_set('lifelike-val', tmp_path, '--limit', '1', '--allow-rounding') == 0


@pytest.mark.slow
@pytest.mark.parametrize('name', LIFELIKE)
def test_lifelike_sets_are_as_recorded(name, tmp_path):
    """Every recorded sequence is made again, with the same bytes."""
    assert make_set(name, tmp_path, '--limit', str(len(read_record(name))), '--jobs', '2') == 0


def test_points_lie_on_what_they_are_labeled_as(life, made):
    """Fused points of a thing are in the box of its model, give or take noise and drift."""
    sequence, truth = made
    for scan, visit in zip(sequence.scans, truth.visits):
        for o in visit.objects:
            points = scan.xyz[visit.instance == o.instance_id]
            if not o.in_room or len(points) < 30:
                continue
            local = points - np.array(o.box.center)
            c, s = np.cos(o.box.yaw), np.sin(o.box.yaw)
            local = local @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
            inside = (np.abs(local) < np.array(o.box.size) / 2 + 0.12).all(axis=1)
            assert inside.mean() > 0.9


def test_left_out_things_have_neither_points_nor_truth(life, made, config):
    """What nobody annotates is unlabeled at every visit."""
    out = left_out_of(life, SEED, config)
    assert out
    for visit in made[1].visits:
        assert not np.isin(visit.instance, list(out)).any()
        assert not out & {o.instance_id for o in visit.objects}
        assert (visit.semantic[visit.instance == 0] == UNLABELED).any()


def test_designs_of_splits_are_apart():
    """Every kind has designs in each split, and the same design looks alike twice."""
    for kind in PROPS:
        splits = {design_split(kind, k) for k in range(DESIGNS)}
        assert splits == {'train', 'val', 'test'}
    one, other = (draw_prop('bottle', np.random.default_rng(3), 'test') for _ in range(2))
    assert one.size == other.size


def test_every_kind_of_thing_can_be_made():
    """Kinds have parts, and sizes near those that are declared."""
    rng = np.random.default_rng(0)
    for kind, prop in PROPS.items():
        for _ in range(4):
            size = draw_prop(kind, rng).size
            assert max(size) < 1.6 * max(prop.high) + 0.1
            assert min(size) > 0


def test_file_tells_kinds_and_what_is_not_annotated(tmp_path, life, config):
    """Notes of a file name the kind of every thing."""
    from rescene4d_ros.cli.rooms.write_room import make_room_file

    path = tmp_path / 'room.npz'
    make_room_file(path, SEED, config, has_superpoints=False)
    notes = read_extras(path).notes['annotation']
    assert set(notes['kinds']) == {str(k) for v in life.visits for k in v}
    assert notes['not_annotated'] == sorted(left_out_of(life, SEED, config))
